"""Reads handlers without running them: what darkroom import knows of a folder comes from here, as JSON on stdout.

python -I scan.py FOLDER FILE...

Every value is followed as far as plain reading carries: constants, names, f-strings, os.environ, paths taken apart, the
event's own parts. What can't be followed is null, and darkroom asks for it.
"""

import ast
import json
import pathlib
import re
import sys

FIRST_ARGUMENTS = {"event", "evt", "e", "payload", "request", "input_event"}
LOCAL_ENVIRONMENT = re.compile(r"^(AWS_|LAMBDA_|_)|^(PATH|HOME|TZ|LANG|LD_LIBRARY_PATH|OUTPUT_BUCKET|OUTPUT_PREFIX)$")
TIMERS = {"time", "perf_counter", "monotonic", "process_time"}


def words(text):
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    return {word for word in re.split(r"[^a-z0-9]+", spaced.lower().replace("_", " ")) if word}


def called(node):
    """Returns the last name of what a call calls."""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def text(value):
    return value[1] if isinstance(value, tuple) and value[0] == "text" else None


def file_of(value):
    template = text(value)
    if template == "{input_key}":
        return ("text", "{input_file}")
    if template is not None and "{" not in template:
        return ("text", template.rsplit("/", 1)[-1])
    return ("text", template) if template in ("{input_file}", "{name}") else None


def without_extension(value):
    template = text(value)
    known = {"{input_file}": "{name}", "{input_key}": "{input_folder}/{name}", "{name}": "{name}"}
    return ("text", known[template]) if template in known else None


class Values:
    """The names of a function, with what is known of each."""

    def __init__(self, constants, report):
        self.names = dict(constants)
        self.report = report

    def of(self, node):
        method = getattr(self, "of_" + type(node).__name__, None)
        return method(node) if method else None

    def of_Constant(self, node):
        return ("text", node.value) if isinstance(node.value, str) else ("number", node.value)

    def of_Name(self, node):
        return self.names.get(node.id)

    def of_Dict(self, node):
        return ("dict", node)

    def of_JoinedStr(self, node):
        parts = [text(self.of(part)) for part in node.values]
        return None if None in parts else ("text", "".join(parts))

    def of_FormattedValue(self, node):
        return self.of(node.value) if node.format_spec is None else None

    def of_BinOp(self, node):
        left, right = self.of(node.left), self.of(node.right)
        if isinstance(node.op, ast.Add) and text(left) is not None and text(right) is not None:
            return ("text", text(left) + text(right))
        if isinstance(node.op, ast.Sub) and ("clock",) in (left, right):
            return ("time", "s")
        if isinstance(node.op, ast.Mult):
            thousand = any(value and value[0] == "number" and value[1] == 1000 for value in (left, right))
            if thousand and ("time", "s") in (left, right):
                return ("time", "ms")
        return None

    def of_BoolOp(self, node):
        return self.of(node.values[0])

    def of_Subscript(self, node):
        if isinstance(node.value, ast.Attribute) and node.value.attr == "environ":
            return self.environment(node.slice, False, node.lineno)
        of, key = self.of(node.value), self.of(node.slice)
        index = None
        if isinstance(node.slice, ast.UnaryOp) and isinstance(node.slice.operand, ast.Constant):
            index = -node.slice.operand.value
        elif key and key[0] == "number":
            index = key[1]
        if of and of[0] == "event" and key:
            return self.event(of[1] + [str(key[1])], node.lineno, False)
        if of and of[0] == "parts":
            return of[1].get(index)
        return None

    def of_Attribute(self, node):
        of = self.of(node.value)
        if of and of[0] == "path":
            if node.attr == "name":
                return file_of(of[1])
            if node.attr == "stem":
                return without_extension(file_of(of[1]))
        return None

    def of_Call(self, node):
        name = called(node)
        first = self.of(node.args[0]) if node.args else None
        owner = self.of(node.func.value) if isinstance(node.func, ast.Attribute) else None
        holder = getattr(node.func, "value", None)
        if name == "getenv" or (name == "get" and isinstance(holder, ast.Attribute) and holder.attr == "environ"):
            return self.environment(node.args[0], len(node.args) > 1, node.lineno)
        if name == "get" and owner and owner[0] == "event" and text(first) is not None:
            return self.event(owner[1] + [text(first)], node.lineno, len(node.args) > 1)
        if name in ("unquote_plus", "unquote", "str", "round", "float", "int", "strip"):
            return first if first is not None else owner
        if name == "basename":
            return file_of(first)
        if name in ("Path", "PurePath", "PurePosixPath"):
            return ("path", first)
        if name == "splitext":
            return ("parts", {0: without_extension(first), 1: None, -1: None})
        if name in ("split", "rsplit", "rpartition", "partition") and owner and text(first) in ("/", "."):
            if text(first) == "/":
                return ("parts", {-1: file_of(owner)})
            return ("parts", {0: without_extension(owner)})
        if name == "loads" and first and first[0] == "event":
            return ("event", first[1] + ["{json}"])
        if name == "dumps" and node.args:
            return ("dumps", node.args[0])
        if name in ("b64encode", "standard_b64encode"):
            return ("base64",)
        if name == "decode" and owner:
            return owner
        if name in ("b64decode", "standard_b64decode"):
            if first and first[0] == "event" and self.report["reads_image"] is None:
                self.report["reads_image"] = first[1]
            return ("image",)
        if name in TIMERS:
            return ("clock",)
        return None

    def environment(self, name, default, line):
        name = text(self.of(name))
        if name is None:
            return None
        if not LOCAL_ENVIRONMENT.search(name):
            self.report["environment"].append({"name": name, "default": default, "line": line})
        return ("text", "{env:" + name + "}")

    def event(self, path, line, default):
        if path == ["Records"]:
            self.report["s3_event"] = True
        plain = [step for step in path if step != "{json}"]
        if plain == ["Records", "0", "s3", "object", "key"]:
            return ("text", "{input_key}")
        if plain == ["Records", "0", "s3", "bucket", "name"]:
            return ("text", "{bucket}")
        if path[0] != "Records":
            self.report["event_keys"].append({"path": path, "default": default, "line": line})
        return ("event", path)


def arguments_of(call, positions):
    """Returns the bucket and the key that a call of boto3 names, by keyword or place."""
    by_name = {keyword.arg: keyword.value for keyword in call.keywords}
    at = lambda name, place: by_name.get(name, call.args[place] if place is not None and len(call.args) > place else None)
    return at("Bucket", positions[0]), at("Key", positions[1])


WRITES = {"put_object": (None, None), "upload_fileobj": (1, 2), "upload_file": (1, 2)}
READS = {"get_object": (None, None), "download_file": (0, 1), "download_fileobj": (0, 1), "head_object": (None, None)}


def follow_call(call, values, report):
    name = called(call)
    positions = WRITES.get(name) or READS.get(name)
    if positions is None:
        if name in ("Object", "Bucket") and call.args and text(values.of(call.args[0])):
            hard_coded(text(values.of(call.args[0])), call.lineno, report)
        return
    bucket, key = arguments_of(call, positions)
    if bucket is not None:
        hard_coded(text(values.of(bucket)), call.lineno, report)
    if name in WRITES:
        key = values.of(key) if key is not None else None
        written = {"line": call.lineno, "template": text(key)}
        if key and key[0] == "event":
            written["from_event"] = key[1]
        report["writes"].append(written)


def hard_coded(bucket, line, report):
    if bucket and "{" not in bucket:
        report["buckets"].append({"bucket": bucket, "line": line})


def follow(statements, values, report):
    """Goes through statements in the order of the text; branches are gone through one after the other."""
    for statement in statements:
        for node in expressions(statement):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call):
                    values.of(inner)
                    follow_call(inner, values, report)
                elif isinstance(inner, ast.Subscript):
                    values.of(inner)
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            for target in targets:
                assign(target, statement.value, values)
        if isinstance(statement, ast.For) and isinstance(statement.target, ast.Name):
            over = values.of(statement.iter)
            if over and over[0] == "event":
                values.names[statement.target.id] = ("event", over[1] + ["0"])
        if isinstance(statement, ast.Return) and statement.value is not None:
            answer(statement.value, [], values, report)
        for block in ("body", "orelse", "finalbody"):
            follow(getattr(statement, block, []), values, report)
        for handler in getattr(statement, "handlers", []):
            follow(handler.body, values, report)


def expressions(statement):
    for name, value in ast.iter_fields(statement):
        if name in ("body", "orelse", "finalbody", "handlers", "targets", "target"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST):
                yield node


def assign(target, node, values):
    if isinstance(target, ast.Name):
        values.names[target.id] = values.of(node)
    elif isinstance(target, ast.Tuple) and isinstance(node, ast.Tuple):
        for one, value in zip(target.elts, node.elts):
            assign(one, value, values)
    elif isinstance(target, ast.Tuple):
        value = values.of(node)
        if value and value[0] == "parts":
            for index, one in enumerate(target.elts):
                if isinstance(one, ast.Name):
                    values.names[one.id] = value[1].get(index)


def answer(node, path, values, report):
    """Looks for the image and for times in what a handler returns."""
    value = values.of(node)
    if value == ("base64",) and report["answer_image"] is None:
        report["answer_image"] = ".".join(path)
    if value and value[0] == "dumps":
        return answer(value[1], path, values, report)
    if value and value[0] == "dict":
        for key, inner in zip(value[1].keys, value[1].values):
            if not isinstance(key, ast.Constant):
                continue
            name = str(key.value)
            time = time_named(name, values.of(inner))
            if time and report["reported"] is None:
                report["reported"] = {"path": ".".join([*path, name]), "unit": time}
            answer(inner, [*path, name], values, report)
    return None


def time_named(name, value):
    parts = words(name)
    if not parts & {"time", "duration", "elapsed", "latency", "runtime", "ms"}:
        return None
    if "ms" in parts or "milliseconds" in parts or "millis" in parts:
        return "ms"
    if value and value[0] == "time":
        return value[1]
    return "s" if parts & {"seconds", "s", "sec"} else None


def handler(function, constants, module_report):
    report = {
        "name": function.name,
        "line": function.lineno,
        "doc": ast.get_docstring(function) or "",
        "words": sorted(body_words(function)),
        "s3_event": False,
        "reads_image": None,
        "event_keys": [],
        "answer_image": None,
        "reported": None,
        "writes": [],
        "environment": list(module_report["environment"]),
        "buckets": [],
    }
    values = Values(constants, report)
    values.names[function.args.args[0].arg] = ("event", [])
    follow(function.body, values, report)
    return report


def body_words(function):
    found = set()
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            found |= words(node.id)
        elif isinstance(node, ast.Attribute):
            found |= words(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, (str, int)) and len(str(node.value)) < 40:
            found |= words(str(node.value))
    return found


def is_handler(function):
    arguments = function.args.args
    return len(arguments) >= 2 and (
        arguments[0].arg in FIRST_ARGUMENTS or "handler" in function.name or "lambda" in function.name
    )


def scan(folder, name):
    source = (folder / name).read_text(encoding="utf-8", errors="replace")
    found = {"file": name, "doc": "", "error": None, "handlers": [], "imports": []}
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        found["error"] = f"line {getattr(error, 'lineno', 1)}: {getattr(error, 'msg', error)}"
        pattern = re.compile(r"^def (\w*(?:handler|lambda)\w*)\(", re.MULTILINE)
        for match in pattern.finditer(source):
            line = source.count("\n", 0, match.start()) + 1
            found["handlers"].append({"name": match[1], "line": line, "words": sorted(words(source))})
        return found
    found["doc"] = ast.get_docstring(tree) or ""
    module_report = {"environment": [], "event_keys": [], "reads_image": None, "buckets": [], "writes": []}
    module_report |= {"answer_image": None, "reported": None, "s3_event": False}
    values = Values({}, module_report)
    follow([node for node in tree.body if not isinstance(node, (ast.FunctionDef, ast.ClassDef))], values, module_report)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found["imports"] += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found["imports"].append(node.module.split(".")[0])
    found["imports"] = sorted({module for module in found["imports"] if module not in sys.stdlib_module_names})
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef)]
    helper = dict(module_report, writes=[], event_keys=[])
    for node in functions:
        if not is_handler(node):
            follow(node.body, Values(values.names, helper), helper)
    for node in functions:
        if is_handler(node):
            report = handler(node, values.names, module_report)
            report["environment"] += helper["environment"]
            report["buckets"] += helper["buckets"]
            found["handlers"].append(report)
    return found


def main():
    folder = pathlib.Path(sys.argv[1])
    json.dump([scan(folder, name) for name in sys.argv[2:]], sys.stdout)


main()
