"""What is known of a value in a handler's code, as far as plain reading carries.

A value is a tuple that begins with its kind; what can't be followed is None. A text's markers are "{input_key}", "{bucket}"
and the like, and braces that the code itself writes are OPEN and CLOSE. scan.rs puts this, calls.py and scan.py into one
script.
"""

import ast
import io
import json
import pathlib
import re
import sys
import tokenize

LOCAL_ENVIRONMENT = re.compile(r"^(AWS_|LAMBDA_|_)|^(PATH|HOME|TZ|LANG|LD_LIBRARY_PATH|OUTPUT_BUCKET|OUTPUT_PREFIX)$")
TIMERS = {"time", "perf_counter", "monotonic", "process_time"}
DATA_FILE = re.compile(r"[\w./-]*\.(?:json|ya?ml|ini|cfg|conf|toml|properties|txt)$")
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
        # How much of that holds of the whole scope: what it assigns there is certain within it.
        self.within = 0
        # Inside such a condition: it asks whether there is a name, and needs none.
        self.asking = 0
        self.returns = []

    def inner(self, names):
        inner = Values(names, self.report, self.folder, self.file, self.depth + 1)
        inner.maybe = inner.within = self.maybe
        return inner

    def rather(self, name, value):
        """Returns what a name is after an assignment: where that may not be reached, what it was before too."""
        before = self.names.get(name)
        if self.maybe == self.within or before in (None, NOTHING, value):
            return value
        either = before[1] if before[0] == "any" else [before]
        return ("any", [*either, value])

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
        value = self.of(node.value)
        return value if node.format_spec is None else self.cut(value)

    def of_NamedExpr(self, node):
        assign(node.target, node.value, self)
        return self.of(node.value)

    def of_IfExp(self, node):
        asks = asks_environment(node.test, self)
        self.asking += asks
        self.of(node.test)
        self.asking -= asks
        self.maybe += asks
        either = ("any", [self.of(node.body), self.of(node.orelse)])
        self.maybe -= asks
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
            self.does_without(name[1])
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
        if of[0] in ("names", "class"):
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
        inner.maybe = inner.within = self.maybe
        places = [argument.arg for argument in function.args.posonlyargs + function.args.args]
        names = places + [argument.arg for argument in function.args.kwonlyargs]
        inner.names.update(dict.fromkeys(names))
        for name, default in zip(reversed(places), reversed(function.args.defaults)):
            inner.names[name] = scope.of(default)
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults):
            inner.names[argument.arg] = scope.of(default) if default else None
        static = any(getattr(mark, "id", "") == "staticmethod" for mark in function.decorator_list)
        given = ([itself] if itself and not static else []) + [self.of(argument) for argument in call.args]
        inner.names.update(zip(places, given))
        for name, node in self.keywords(call).items():
            inner.names[name] = self.of(node)
        # Expressions are looked at more than once, and calls stand in calls: the same call says the same again. A new
        # instance is another one each time.
        key = (id(function), self.maybe > 0, repr([inner.names[name] for name in names]))
        calls = {} if function.name == "__init__" else self.report["calls"]
        if key not in calls:
            calls[key] = None
            follow(function.body, inner)
            calls[key] = inner.returned()
        return calls[key]

    def returned(self):
        known = [value for value in self.returns if value is not None]
        return known[0] if len(known) == 1 else ("any", known) if known else None

    def environment(self, name, default, line):
        name = text(self.of(name))
        if name is None or "{" in name:
            return None
        if not LOCAL_ENVIRONMENT.search(name):
            place = (name, self.file, line)
            if not any((one["name"], one["file"], one["line"]) == place for one in self.report["environment"]):
                without = default is not None or self.asking > 0
                self.report["environment"].append({"name": name, "default": without, "file": self.file, "line": line})
        if default is not None:
            self.report["defaults"].setdefault(name, self.of(default))
        return ("text", "{env:" + name + "}")

    def does_without(self, name):
        """Notes that the code goes on where the environment lacks a name."""
        for variable in self.report["environment"]:
            variable["default"] |= variable["name"] == name

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
            # Beside a name of the environment the others stand in for it, and a run sets it.
            asks = any(is_environment(one) for one in known)
            for one in known or [None]:
                self.maybe += asks and not is_environment(one)
                self.bucket(one, line)
                self.maybe -= asks and not is_environment(one)
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


def is_environment(value):
    """Whether a value is what the environment says under a name, or stands in for it."""
    if value and value[0] == "any":
        return any(is_environment(one) for one in value[1])
    return re.fullmatch(r"\{env:\w+\}", text(value) or "") is not None


def reads_environment(node):
    return any(is_environ(inner) or (isinstance(inner, ast.Call) and called(inner) == "getenv") for inner in ast.walk(node))


def asks_environment(node, values):
    """Whether a condition asks the environment, or a name with a value from there: what it guards may be for another place."""
    names = (inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
    return reads_environment(node) or any(is_environment(values.names.get(name)) for name in names)


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
