"""Reads handlers without running them: what darkroom import knows of a folder comes from here, as JSON on stdout.

python -I scan.py FOLDER FILE...

Every value is followed as far as plain reading carries: constants, names, modules and classes of the folder, calls of its
own functions, formatted texts, os.environ, paths taken apart, the event's own parts. What can't be followed is null, and
darkroom asks for it. A value is a tuple that begins with its kind; a text's markers are "{input_key}", "{bucket}" and the
like, and braces that the code itself writes are OPEN and CLOSE.
"""

import ast
import io
import json
import pathlib
import re
import sys
import tokenize

FIRST_ARGUMENTS = {"event", "evt", "e", "payload", "request", "input_event"}
LOCAL_ENVIRONMENT = re.compile(r"^(AWS_|LAMBDA_|_)|^(PATH|HOME|TZ|LANG|LD_LIBRARY_PATH|OUTPUT_BUCKET|OUTPUT_PREFIX)$")
TIMERS = {"time", "perf_counter", "monotonic", "process_time"}
DATA_FILE = re.compile(r"[\w./-]*\.(?:json|ya?ml|ini|cfg|conf|toml|properties|txt)$")
FENCE = re.compile(r"^\s*(?:```|~~~)")
OPEN, CLOSE = "\ue000", "\ue001"
NOTHING = ("none",)
# Calls of the folder's own functions are followed this deep.
DEEPEST = 5


def literal(text):
    return ("text", text.replace("{", OPEN).replace("}", CLOSE))


def written(text):
    """Returns a text as the code wrote it."""
    return text.replace(OPEN, "{").replace(CLOSE, "}")


def words(text):
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    return {word for word in re.split(r"[^a-z0-9]+", spaced.lower().replace("_", " ")) if word}


def called(node):
    """Returns the last name of what a call calls."""
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def text(value):
    return value[1] if isinstance(value, tuple) and value[0] == "text" else None


def of_source(value):
    """Whether a value is made from the name of the event's bucket."""
    return value is not None and (value[0] == "made" or "{bucket}" in (text(value) or ""))


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
    """The names of a scope, with what is known of each."""

    def __init__(self, names, report, folder, file, depth=0):
        self.names = dict(names)
        self.report = report
        self.folder = folder
        self.file = file
        self.depth = depth
        # Statements under an `if` that asks the environment: in a run they may never be reached.
        self.maybe = 0
        self.returns = []

    def inner(self, names):
        inner = Values(names, self.report, self.folder, self.file, self.depth + 1)
        inner.maybe = self.maybe
        return inner

    def say(self, kind, line, what=""):
        """Notes what may keep the code from working in a run."""
        found = {"kind": kind, "what": what, "file": self.file, "line": line, "maybe": self.maybe > 0}
        if found not in self.report["faults"]:
            self.report["faults"].append(found)

    def of(self, node):
        method = getattr(self, "of_" + type(node).__name__, None)
        return method(node) if method else None

    def of_Constant(self, node):
        if node.value is None:
            return NOTHING
        return literal(node.value) if isinstance(node.value, str) else ("number", node.value)

    def of_Name(self, node):
        return self.names.get(node.id)

    def of_Dict(self, node):
        members = {}
        for key, value in zip(node.keys, node.values):
            if key is None:
                inner = self.of(value)
                members.update(inner[1] if inner and inner[0] == "dict" else {})
            elif isinstance(key, ast.Constant):
                members[str(key.value)] = self.of(value)
        return ("dict", members)

    def of_List(self, node):
        return ("list", [self.of(item) for item in node.elts])

    of_Tuple = of_List

    def of_JoinedStr(self, node):
        return joined([self.of(part) for part in node.values])

    def of_FormattedValue(self, node):
        return self.of(node.value) if node.format_spec is None else None

    def of_NamedExpr(self, node):
        assign(node.target, node.value, self)
        return self.of(node.value)

    def of_IfExp(self, node):
        self.maybe += asks_environment(node.test)
        either = ("any", [self.of(node.body), self.of(node.orelse)])
        self.maybe -= asks_environment(node.test)
        return either

    def of_BinOp(self, node):
        left, right = self.of(node.left), self.of(node.right)
        if isinstance(node.op, ast.Add):
            return joined([left, right])
        if isinstance(node.op, ast.Mod) and text(left) is not None:
            return self.percent(text(left), right)
        if isinstance(node.op, ast.Div) and left and left[0] == "path":
            return left
        if isinstance(node.op, ast.Sub) and ("clock",) in (left, right):
            return ("time", "s")
        if isinstance(node.op, ast.Mult):
            thousand = any(value and value[0] == "number" and value[1] == 1000 for value in (left, right))
            if thousand and ("time", "s") in (left, right):
                return ("time", "ms")
        return None

    def of_BoolOp(self, node):
        first = self.of(node.values[0])
        name = re.fullmatch(r"\{env:(\w+)\}", text(first) or "")
        if name and isinstance(node.op, ast.Or):
            # `os.environ.get(NAME) or ...` does without it.
            for variable in self.report["environment"]:
                variable["default"] |= variable["name"] == name[1]
            self.report["defaults"].setdefault(name[1], self.of(node.values[1]))
        return first if first is not None and first != NOTHING else self.of(node.values[-1])

    def of_Subscript(self, node):
        if is_environ(node.value):
            return self.environment(node.slice, None, node.lineno)
        of, key = self.of(node.value), self.of(node.slice)
        index = None
        if isinstance(node.slice, ast.UnaryOp) and isinstance(node.slice.operand, ast.Constant):
            index = -node.slice.operand.value
        elif key and key[0] == "number":
            index = key[1]
        if of and of[0] == "event" and key and key[0] in ("text", "number"):
            return self.event(of[1] + [str(key[1])], node.lineno, False)
        if of and of[0] == "parts":
            return of[1].get(index)
        if of and of[0] == "list" and isinstance(index, int) and -len(of[1]) <= index < len(of[1]):
            return of[1][index]
        if of and of[0] == "dict" and key and len(key) > 1:
            return of[1].get(written(str(key[1])))
        return of if of and of[0] in ("file", "made") else self.cut(of)

    def of_Attribute(self, node):
        of = self.of(node.value)
        if of is None:
            return None
        if of[0] == "path":
            if node.attr == "name":
                return file_of(of[1])
            if node.attr == "stem":
                return without_extension(file_of(of[1]))
        if of[0] == "names":
            return of[1].get(node.attr)
        if of[0] == "s3 object" and node.attr == "key":
            return of[2]
        if of[0] in ("s3 object", "s3 bucket") and node.attr in ("bucket_name", "name"):
            return of[1]
        return of if of[0] == "file" or node.attr == "value" else None

    def of_Call(self, node):
        name = called(node)
        first = self.of(node.args[0]) if node.args else None
        owner = self.of(node.func.value) if isinstance(node.func, ast.Attribute) else None
        holder = getattr(node.func, "value", None)
        own = self.of(node.func) if isinstance(node.func, (ast.Name, ast.Attribute)) else None
        if own and own[0] in ("function", "class"):
            return self.inlined(own, node)
        if name == "getenv" or (name in ("get", "setdefault") and is_environ(holder)):
            return self.environment(node.args[0], default_of(node), node.lineno) if node.args else None
        if name == "get" and owner and owner[0] == "event" and text(first) is not None:
            return self.event(owner[1] + [text(first)], node.lineno, len(node.args) > 1)
        if name == "get" and owner and owner[0] == "dict" and text(first) is not None:
            known = owner[1].get(written(text(first)))
            return known if known is not None or len(node.args) < 2 else self.of(node.args[1])
        if name == "dict" and not node.args:
            return ("dict", {key: self.of(value) for key, value in self.keywords(node).items()})
        if name == "Object":
            return self.s3_object(node, owner)
        if name == "Bucket":
            bucket = first if node.args else self.of(self.keywords(node).get("name"))
            self.bucket(bucket, node.lineno)
            return ("s3 bucket", bucket)
        if owner and owner[0] == "file":
            return owner
        file = self.data_file(node, name, first, owner)
        if file:
            return file
        if name == "format" and text(owner) is not None:
            return self.formatted(text(owner), node)
        if name == "join" and owner and first and first[0] == "list" and text(owner) is not None:
            between = [part for item in first[1] for part in (item, owner)][:-1]
            return joined(between)
        if name in ("unquote_plus", "unquote", "str", "round", "float", "int", "strip"):
            return first if first is not None else owner
        if of_source(owner) or (name in ("sub", "replace") and any(of_source(self.of(a)) for a in node.args)):
            return ("made", ast.unparse(node))
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
        if name == "replace" and text(owner) is not None and "{" not in text(owner) and len(node.args) > 1:
            old, new = (text(self.of(argument)) for argument in node.args[:2])
            return None if old is None or new is None else ("text", text(owner).replace(old, new))
        if name == "loads" and first and first[0] == "event":
            return ("event", first[1] + ["{json}"])
        if name == "dumps" and node.args:
            return ("dumps", first)
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

    def keywords(self, call):
        """Returns a call's keywords, those of a dictionary that is known included."""
        found = {}
        for keyword in call.keywords:
            if keyword.arg:
                found[keyword.arg] = keyword.value
                continue
            members = self.of(keyword.value)
            for name, value in (members[1] if members and members[0] == "dict" else {}).items():
                found[name] = Known(value)
        return found

    def of_Known(self, node):
        return node.value

    def of_NoneType(self, _):
        return None

    def inlined(self, own, call):
        """Follows a call of the folder's own code and returns what it returns."""
        if own[0] == "class":
            instance = ("names", dict(own[1]))
            for name, value in own[1].items():
                if value and value[0] == "function":
                    instance[1][name] = (*value[:3], instance)
            start = instance[1].get("__init__")
            if start:
                self.inlined(start, call)
            for name, node in self.keywords(call).items():
                if name in own[1]:
                    instance[1][name] = self.of(node)
            return instance
        function, scope, itself = own[1], own[2], own[3]
        if self.depth >= DEEPEST:
            return None
        inner = Values(scope.names, self.report, self.folder, scope.file, self.depth + 1)
        inner.maybe = self.maybe
        names = [argument.arg for argument in function.args.posonlyargs + function.args.args]
        for name, default in zip(reversed(names), reversed(function.args.defaults)):
            inner.names[name] = scope.of(default)
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults):
            inner.names[argument.arg] = scope.of(default) if default else None
        static = any(getattr(mark, "id", "") == "staticmethod" for mark in function.decorator_list)
        given = ([itself] if itself and not static else []) + [self.of(argument) for argument in call.args]
        inner.names.update(dict.fromkeys(names[len(given) :][: max(0, len(names) - len(given) - len(function.args.defaults))]))
        inner.names.update(zip(names, given))
        for name, node in self.keywords(call).items():
            inner.names[name] = self.of(node)
        follow(function.body, inner)
        known = [value for value in inner.returns if value is not None]
        return known[0] if len(known) == 1 else ("any", known) if known else None

    def environment(self, name, default, line):
        name = text(self.of(name))
        if name is None or "{" in name:
            return None
        if not LOCAL_ENVIRONMENT.search(name):
            found = {"name": name, "default": default is not None, "file": self.file, "line": line}
            if found not in self.report["environment"]:
                self.report["environment"].append(found)
        if default is not None:
            self.report["defaults"].setdefault(name, self.of(default))
        return ("text", "{env:" + name + "}")

    def event(self, path, line, default):
        if path == ["Records"]:
            self.report["s3_event"] = True
        plain = [step for step in path if step != "{json}"]
        if plain == ["Records", "0", "s3", "object", "key"]:
            return ("text", "{input_key}")
        if plain == ["Records", "0", "s3", "bucket", "name"]:
            return ("text", "{bucket}")
        found = {"path": path, "default": default, "line": line}
        if path[0] != "Records" and found not in self.report["event_keys"]:
            self.report["event_keys"].append(found)
        return ("event", path)

    def cut(self, of):
        """A piece of a name that is made from the source's is made from it."""
        return ("made", "...") if of_source(of) else None

    def percent(self, pattern, right):
        values = list(right[1]) if right and right[0] == "list" else [right]
        if right and right[0] == "dict":
            return joined([part if i % 2 == 0 else right[1].get(part[1]) for i, part in enumerate(pieces(pattern, r"%\((\w+)\)s"))])
        parts = [("text", part) for part in re.split(r"%s", pattern)]
        if len(parts) != len(values) + 1 or "%" in "".join(part[1] for part in parts):
            return joined([*parts, *values]) if any(of_source(value) for value in values) else None
        return joined([part for pair in zip(parts, [*values, ("text", "")]) for part in pair])

    def formatted(self, pattern, call):
        """Puts values in a pattern of `str.format`: `{}`, `{0}` and `{name}`, without a format of their own."""
        positional, named = [self.of(argument) for argument in call.args], self.keywords(call)
        parts, next_one = [], 0
        for index, part in enumerate(re.split(OPEN + "([^" + CLOSE + "]*)" + CLOSE, pattern)):
            if index % 2 == 0:
                parts.append(("text", part))
            elif part == "" or part.isdigit():
                place = int(part) if part else next_one
                next_one += 1
                parts.append(positional[place] if place < len(positional) else None)
            else:
                parts.append(self.of(named.get(part)))
        return joined(parts)

    def data_file(self, call, name, first, owner):
        """A value that the code reads from a file beside it."""
        readers = ("open", "load", "loads", "safe_load", "full_load", "read", "read_text", "read_bytes", "read_string", "literal_eval")
        if name not in readers:
            return None
        for value in (first, owner):
            if value and value[0] == "file":
                return value
        for node in ast.walk(call):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and DATA_FILE.fullmatch(node.value):
                file = ("file", node.value)
                if name == "read" and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
                    self.names[call.func.value.id] = file
                return file
        return None

    def s3_object(self, call, owner):
        named = self.keywords(call)
        given = [self.of(argument) for argument in call.args]
        if owner and owner[0] == "s3 bucket":
            return ("s3 object", owner[1], given[0] if given else self.of(named.get("key")))
        bucket = given[0] if given else self.of(named.get("bucket_name"))
        self.bucket(bucket, call.lineno)
        return ("s3 object", bucket, given[1] if len(given) > 1 else self.of(named.get("key")))

    def bucket(self, value, line):
        """Holds the name of a bucket against what a run has: the event's, or one that the environment says."""
        template = text(value)
        if value is None:
            self.say("unknown bucket", line)
        elif value[0] == "any":
            known = [one for one in value[1] if one is not None]
            for one in known or [None]:
                self.bucket(one, line)
        elif value[0] == "file":
            self.say("bucket from a file", line, value[1])
        elif value[0] == "made":
            self.say("bucket made", line, value[1])
        elif template is not None and template != "{bucket}":
            name = re.fullmatch(r"\{env:(\w+)\}", template)
            if name:
                self.report["bucket_names"].append(name[1])
            elif "{" in template:
                shown = template.replace("{bucket}", "{source bucket}").replace("{env:", "{")
                self.say("bucket made", line, written(shown))
            else:
                self.say("bucket", line, written(template))


class Known(ast.AST):
    """A value in a node's place."""

    def __init__(self, value):
        super().__init__()
        self.value = value


def is_environ(node):
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (isinstance(node, ast.Name) and node.id == "environ")


def asks_environment(node):
    """Whether a condition asks the environment: what it guards may be for another place than Lambda."""
    return any(is_environ(inner) or (isinstance(inner, ast.Call) and called(inner) == "getenv") for inner in ast.walk(node))


def default_of(call):
    return call.args[1] if len(call.args) > 1 else next((word.value for word in call.keywords if word.arg == "default"), None)


def pieces(pattern, placeholder):
    return [("text", part) for part in re.split(placeholder, pattern)]


def joined(values):
    """Texts one after the other; unknown with one that is unknown, but still made from the source's bucket or a file."""
    for value in values:
        if value and value[0] in ("file", "made"):
            return value
    parts = [text(value) for value in values]
    if None not in parts:
        return ("text", "".join(parts))
    return ("made", "".join(part or "..." for part in parts).replace("{bucket}", "{source bucket}")) if any(map(of_source, values)) else None


# Where boto3's calls have the bucket and the key, if not by keyword.
WRITES = {"put_object": (None, None), "upload_fileobj": (1, 2), "upload_file": (1, 2), "copy_object": (None, None), "copy": (1, 2)}
READS = {"get_object": (None, None), "download_file": (0, 1), "download_fileobj": (0, 1), "head_object": (None, None)}
# Where an s3.Bucket's writes have the key.
BUCKET_WRITES = {"put_object": None, "upload_fileobj": 1, "upload_file": 1, "copy": 1}
OBJECT_WRITES = {"put", "upload_fileobj", "upload_file", "copy_from", "copy"}
SECRETS = {"aws_access_key_id", "aws_secret_access_key", "aws_session_token"}


def follow_call(call, values):
    name = called(call)
    named = values.keywords(call)
    owner = values.of(call.func.value) if isinstance(call.func, ast.Attribute) else None
    at = lambda word, place: named.get(word, call.args[place] if place is not None and len(call.args) > place else None)
    if name in ("client", "resource", "Session", "Config", "setup_default_session"):
        connection(call, name, named, values)
    elif owner and owner[0] == "s3 object":
        if name in OBJECT_WRITES:
            writes(owner[2], call, values)
    elif owner and owner[0] == "s3 bucket":
        if name in BUCKET_WRITES:
            writes(values.of(at("Key", BUCKET_WRITES[name])), call, values)
    elif name == "open" and call.args and (text(values.of(call.args[0])) or "").startswith("s3://"):
        address = text(values.of(call.args[0]))
        values.bucket(("text", address[5:].split("/")[0]), call.lineno)
    elif name in WRITES or name in READS:
        positions = WRITES.get(name) or READS[name]
        bucket, key = at("Bucket", positions[0]), at("Key", positions[1])
        if bucket is not None:
            values.bucket(values.of(bucket), call.lineno)
        # `shutil.copy` and `dict.copy` name neither.
        if name in WRITES and (bucket is not None or name != "copy"):
            writes(values.of(key), call, values)
    elif name == "update" and is_environ(getattr(call.func, "value", None)):
        members = values.of(call.args[0]) if call.args else ("dict", named)
        for name in members[1] if members and members[0] == "dict" else []:
            values.say("sets environment", call.lineno, name)


def writes(key, call, values):
    template = text(key)
    found = {"file": values.file, "line": call.lineno, "template": None, "from_event": None}
    if template is not None and OPEN not in template and CLOSE not in template:
        found["template"] = template
    if key and key[0] == "event":
        found["from_event"] = key[1]
    if found not in values.report["writes"]:
        values.report["writes"].append(found)


def connection(call, name, named, values):
    """Holds how boto3 is told to connect against a run, which says that itself."""
    service = text(values.of(call.args[0])) if call.args and name in ("client", "resource") else None
    if service is not None and "{" not in service and service not in ("s3", "sts", "logs"):
        values.say("service", call.lineno, service)
    for word, node in named.items():
        for value in alternatives(values.of(node)):
            line, fixed = call.lineno, is_fixed(value, values)
            if word == "endpoint_url" and fixed:
                values.say("endpoint", line, written(text(value) or text(values.report["defaults"].get(env_name(value))) or ""))
            elif word == "endpoint_url" and value is None:
                values.say("unknown endpoint", line)
            elif word in SECRETS and fixed:
                values.say("key", line, word)
            elif word == "profile_name" and fixed:
                values.say("profile", line, written(text(value)))
            elif word == "region_name" and text(value) and "{" not in text(value):
                values.say("region", line, written(text(value)))


def alternatives(value):
    return value[1] if value and value[0] == "any" else [value]


def env_name(value):
    name = re.fullmatch(r"\{env:(\w+)\}", text(value) or "")
    return name[1] if name else None


def is_fixed(value, values):
    """Whether the code says a value itself: outright, from a file, or as the default of a name that a run does not set."""
    name = env_name(value)
    if name:
        return text(values.report["defaults"].get(name)) not in (None, "")
    return value is not None and (value[0] in ("file", "made") or text(value) not in (None, ""))


def follow(statements, values):
    """Goes through statements in the order of the text; branches are gone through one after the other."""
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            values.names[statement.name] = ("function", statement, values, None)
            continue
        if isinstance(statement, ast.ClassDef):
            define(statement, values)
            continue
        if isinstance(statement, (ast.Import, ast.ImportFrom)):
            imported(statement, values)
            continue
        if isinstance(statement, ast.If) and "__name__" in ast.unparse(statement.test):
            continue
        asks = isinstance(statement, ast.If) and asks_environment(statement.test)
        for node in expressions(statement):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call):
                    values.of(inner)
                    follow_call(inner, values)
                elif isinstance(inner, (ast.Subscript, ast.NamedExpr)):
                    values.of(inner)
        bind(statement, values)
        if isinstance(statement, ast.Return) and statement.value is not None:
            value = values.of(statement.value)
            values.returns.append(value)
            if values.depth == 0:
                answer(value, [], values.report)
        values.maybe += asks
        for block in ("body", "orelse", "finalbody"):
            follow(getattr(statement, block, []), values)
        for handler in getattr(statement, "handlers", []):
            follow(handler.body, values)
        values.maybe -= asks


def bind(statement, values):
    """Gives the names that a statement makes their values."""
    if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            assign(target, statement.value, values)
    elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
        name = statement.target.id
        added = isinstance(statement.op, ast.Add)
        values.names[name] = joined([values.names.get(name), values.of(statement.value)]) if added else None
    elif isinstance(statement, ast.For) and isinstance(statement.target, ast.Name):
        over = values.of(statement.iter)
        if over and over[0] == "event":
            values.names[statement.target.id] = ("event", over[1] + ["0"])
    elif isinstance(statement, ast.With):
        for item in statement.items:
            if isinstance(item.optional_vars, ast.Name):
                values.names[item.optional_vars.id] = values.of(item.context_expr)


def expressions(statement):
    for name, value in ast.iter_fields(statement):
        if name in ("body", "orelse", "finalbody", "handlers", "targets", "target"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST):
                yield node


def define(statement, values):
    """A class: its attributes and methods by name."""
    inner = values.inner(values.names)
    own = {}
    for part in statement.body:
        follow([part], inner)
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
            own[part.name] = ("function", part, values, None)
        elif isinstance(part, ast.Assign):
            own |= {target.id: inner.names.get(target.id) for target in part.targets if isinstance(target, ast.Name)}
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            own[part.target.id] = inner.names.get(part.target.id)
    values.names[statement.name] = ("class", Class(own))


class Class(dict):
    """A class's members; read through an attribute they are names."""


def imported(statement, values):
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            module = values.folder.module(alias.name, values.report)
            if module is not None:
                if alias.asname:
                    values.names[alias.asname] = ("names", module)
                else:
                    nested(values.names, alias.name.split("."), module)
        return
    base = statement.module or ""
    if statement.level:
        here = values.file.removesuffix(".py").split("/")[: -statement.level]
        base = ".".join([*here, *([statement.module] if statement.module else [])])
    module = values.folder.module(base, values.report) if base else None
    for alias in statement.names:
        if alias.name == "*":
            values.names.update({name: value for name, value in (module or {}).items() if not name.startswith("_")})
            continue
        inner = values.folder.module(f"{base}.{alias.name}" if base else alias.name, values.report)
        if inner is not None:
            values.names[alias.asname or alias.name] = ("names", inner)
        elif module is not None:
            values.names[alias.asname or alias.name] = module.get(alias.name)


def nested(names, path, module):
    """Binds `a.b.c` as `import a.b.c` does."""
    for step in path[:-1]:
        known = names.get(step)
        if not known or known[0] != "names":
            known = names[step] = ("names", {})
        names = known[1]
    names[path[-1]] = ("names", module)


def assign(target, node, values):
    if isinstance(target, ast.Name):
        values.names[target.id] = values.of(node)
    elif isinstance(target, ast.Attribute):
        owner = values.of(target.value)
        if owner and owner[0] == "names":
            owner[1][target.attr] = values.of(node)
    elif isinstance(target, ast.Subscript):
        key = text(values.of(target.slice))
        if is_environ(target.value):
            if key is not None:
                values.say("sets environment", target.lineno, key)
        else:
            owner = values.of(target.value)
            if owner and owner[0] == "dict" and key is not None:
                owner[1][written(key)] = values.of(node)
    elif isinstance(target, ast.Tuple) and isinstance(node, ast.Tuple):
        for one, value in zip(target.elts, node.elts):
            assign(one, value, values)
    elif isinstance(target, ast.Tuple):
        value = values.of(node)
        for index, one in enumerate(target.elts):
            if isinstance(one, ast.Name) and value and value[0] == "parts":
                values.names[one.id] = value[1].get(index)
            elif isinstance(one, ast.Name) and value and value[0] == "list" and index < len(value[1]):
                values.names[one.id] = value[1][index]


def answer(value, path, report):
    """Looks for the image and for times in what a handler returns."""
    if value == ("base64",) and report["answer_image"] is None:
        report["answer_image"] = ".".join(path)
    if value and value[0] == "dumps":
        return answer(value[1], path, report)
    if value and value[0] == "any":
        for one in value[1]:
            answer(one, path, report)
    if value and value[0] == "dict":
        for name, inner in value[1].items():
            time = time_named(name, inner)
            if time and report["reported"] is None:
                report["reported"] = {"path": ".".join([*path, name]), "unit": time}
            answer(inner, [*path, name], report)
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


def empty():
    report = {"s3_event": False, "reads_image": None, "event_keys": [], "answer_image": None, "reported": None}
    return report | {"writes": [], "environment": [], "faults": [], "bucket_names": [], "defaults": {}, "modules": []}


class Folder:
    """The Python files of a folder: parsed once, followed once for each handler that imports them."""

    def __init__(self, root, names):
        self.root = root
        self.trees = {}
        self.errors = {}
        for name in names:
            try:
                self.trees[name] = ast.parse((root / name).read_bytes(), name)
            except (SyntaxError, ValueError) as error:
                self.errors[name] = why(error, self.source(name))

    def source(self, name):
        content = (self.root / name).read_bytes()
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        except SyntaxError:
            encoding = "utf-8-sig"
        return content.decode(encoding, errors="replace")

    def file(self, module):
        path = module.replace(".", "/")
        return next((name for name in (f"{path}.py", f"{path}/__init__.py") if name in self.trees), None)

    def module(self, module, report):
        """Returns the names of a module of the folder; what it does when it is imported goes into the report."""
        file = self.file(module)
        if file is None:
            return None
        known = [names for name, names in report["modules"] if name == file]
        return known[0] if known else self.followed(file, report).names

    def followed(self, file, report):
        values = Values({}, report, self, file)
        report["modules"].append((file, values.names))
        follow(self.trees[file].body, values)
        for node in self.trees[file].body:
            unbound(node, values)
        return values


def unbound(node, values):
    """Looks through functions without knowing their arguments: what they name themselves is said, called or not."""
    if isinstance(node, ast.ClassDef):
        for part in node.body:
            unbound(part, values)
    if isinstance(node, ast.FunctionDef) and not is_handler(node):
        apart = empty() | {"modules": values.report["modules"]}
        inner = Values(values.names, apart, values.folder, values.file, DEEPEST)
        for argument in node.args.posonlyargs + node.args.args + node.args.kwonlyargs:
            inner.names[argument.arg] = None
        follow(node.body, inner)
        certain = [fault for fault in apart["faults"] if not fault["kind"].startswith("unknown")]
        for key, found in (("environment", apart["environment"]), ("faults", certain), ("bucket_names", apart["bucket_names"])):
            values.report[key] += [one for one in found if one not in values.report[key]]


def handler(function, folder, file):
    report = empty()
    scope = folder.followed(file, report)
    report["event_keys"], report["writes"] = [], []
    values = Values(scope.names, report, folder, file)
    values.names[function.args.args[0].arg] = ("event", [])
    follow(function.body, values)
    del report["modules"], report["defaults"]
    about = {"name": function.name, "line": function.lineno, "doc": ast.get_docstring(function) or ""}
    return about | {"words": sorted(body_words(function))} | report


def why(error, source):
    """Says why a file does not parse: Python's own words and line, or the Markdown that it still has around it."""
    lines = source.split("\n")
    fences = [number for number, line in enumerate(lines, 1) if FENCE.match(line)]
    found = {"line": getattr(error, "lineno", None) or 1, "fences": fences, "first": first_line(lines)}
    found["message"] = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}"
    return found


def first_line(lines):
    return next((number for number, line in enumerate(lines, 1) if line.strip("\ufeff \t\r")), 1)


def scan(folder, name):
    found = {"file": name, "doc": "", "error": folder.errors.get(name), "handlers": [], "imports": []}
    if found["error"]:
        source = folder.source(name)
        first = "|".join(sorted(FIRST_ARGUMENTS))
        pattern = re.compile(rf"^def (\w*(?:handler|lambda)\w*(?=\()|\w+(?=\((?:{first})\b\s*[,:]))", re.MULTILINE)
        for match in pattern.finditer(source):
            line = source.count("\n", 0, match.start()) + 1
            found["handlers"].append({"name": match[1], "line": line, "words": sorted(words(source))})
        return found
    tree = folder.trees[name]
    found["doc"] = ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found["imports"] += [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found["imports"].append(node.module.split(".")[0])
    found["imports"] = sorted({module for module in found["imports"] if module not in sys.stdlib_module_names})
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and is_handler(node):
            found["handlers"].append(handler(node, folder, name))
    return found


def main():
    folder = Folder(pathlib.Path(sys.argv[1]), sys.argv[2:])
    json.dump([scan(folder, name) for name in sys.argv[2:]], sys.stdout)


main()
