"""What is known of a value in a handler's code, as far as plain reading carries.

A value is a tuple that begins with its kind; what can't be followed is None. A text's markers are "{input_key}", "{bucket}"
and the like, and braces that the code itself writes are OPEN and CLOSE. scan.rs puts this, calls.py and scan.py into one
script.
"""

import ast
import collections
import io
import json
import keyword
import pathlib
import re
import sys
import textwrap
import tokenize

LOCAL_ENVIRONMENT = re.compile(r"^(AWS_|LAMBDA_|_)|^(PATH|HOME|TZ|LANG|LD_LIBRARY_PATH|OUTPUT_BUCKET|OUTPUT_PREFIX)$")
TIMERS = {"time", "perf_counter", "monotonic", "process_time"}
DATA_FILE = re.compile(r"[\w./-]*\.(?:json|ya?ml|ini|cfg|conf|toml|properties|txt)$")
OPEN, CLOSE = "\ue000", "\ue001"
NOTHING = ("none",)
ENVIRON = ("environ",)
# Calls of the folder's own functions are followed this deep.
DEEPEST = 5
# Loops over values that are known are followed for so many of them; loops within loops for fewer.
ROUNDS, INNER_ROUNDS = 32, 4
# So much of a handler is looked at.
MOST_STEPS = 1_000_000
# What a text that is known becomes by these is known too.
OF_TEXT = {"lower", "upper", "strip", "lstrip", "rstrip", "removeprefix", "removesuffix", "title", "capitalize", "casefold"}


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
        # What is around a scope is seen as it is when it is asked for.
        self.names = collections.ChainMap({}, names)
        self.report = report
        self.folder = folder
        self.file = file
        self.depth = depth
        # Statements under an `if` that asks the environment: in a run they may never be reached.
        self.maybe = 0
        self.trying = 0
        # How much of that holds of the whole scope: what it assigns there is certain within it.
        self.within = 0
        # Inside such a condition: it asks whether there is a name, and needs none.
        self.asking = 0
        # Inside a branch: what it puts into an object or a dictionary may be there, beside what was there before.
        self.branching = 0
        self.rounds = ROUNDS
        # It is the scope of a function, not of a module or a class.
        self.inside = False
        # Names that `global` and `nonlocal` say are another scope's.
        self.outer, self.elsewhere = None, set()
        self.returns, self.yields = [], []

    def inner(self, names):
        inner = Values(names, self.report, self.folder, self.file, self.depth + 1)
        inner.maybe = inner.within = self.maybe
        return inner

    def rather(self, name, value):
        """Returns what a name is after an assignment: where that may not be reached, what it was before too."""
        before = self.names.get(name)
        if self.maybe == self.within or before in (None, NOTHING) or same(before, value):
            return value
        return merged([before, value])

    def either(self, before, after):
        """Returns what a part of an object is after an assignment that a branch may leave out."""
        return merged([before, after]) if self.branching and before is not None else after

    def local(self):
        return dict(self.names.maps[0])

    def become(self, names):
        own = self.names.maps[0]
        own.clear()
        own.update(names)

    def say(self, kind, line, what=""):
        """Notes what may keep the code from working in a run."""
        found = {"kind": kind, "what": what, "file": self.file, "line": line, "maybe": self.maybe > 0}
        if found not in self.report["faults"]:
            self.report["faults"].append(found)

    def of(self, node):
        # Code that calls itself in many ways would take for ever: what it comes to then is not known.
        self.report["steps"] += 1
        if self.report["steps"] > MOST_STEPS:
            return None
        method = getattr(self, "of_" + type(node).__name__, None)
        return method(node) if method else None

    def of_Constant(self, node):
        if node.value is None:
            return NOTHING
        return literal(node.value) if isinstance(node.value, str) else ("number", node.value)

    def of_Name(self, node):
        return self.names.get(node.id, ENVIRON if node.id == "environ" else None)

    def of_Lambda(self, node):
        return ("function", as_function(node), self, None)

    def of_Await(self, node):
        return self.of(node.value)

    def of_Starred(self, node):
        return self.of(node.value)

    def of_Dict(self, node):
        members = {}
        for key, value in zip(node.keys, node.values):
            if key is None:
                inner = self.of(value)
                if inner == ENVIRON:
                    return ENVIRON
                members.update(inner[1] if inner and inner[0] == "dict" else {UNKNOWN: None})
            elif isinstance(key, ast.Constant):
                members[str(key.value)] = self.of(value)
            elif text(self.of(key)) is not None:
                members[written(text(self.of(key)))] = self.of(value)
        return ("dict", members)

    def of_List(self, node):
        items = []
        for item in node.elts:
            inner = self.of(item)
            items += inner[1] if isinstance(item, ast.Starred) and inner and inner[0] == "list" else [inner]
        return ("list", items)

    of_Tuple = of_Set = of_List

    def of_ListComp(self, node):
        found = []
        for _ in rounds(node.generators, self):
            found.append(self.of(node.elt))
        return ("list", found) if all(items_of(self.of(one.iter)) is not None for one in node.generators[:1]) else None

    of_SetComp = of_GeneratorExp = of_ListComp

    def of_DictComp(self, node):
        found = {}
        for _ in rounds(node.generators, self):
            key = text(self.of(node.key))
            if key is not None:
                found[written(key)] = self.of(node.value)
        return ("dict", found) if found else None

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
        before = self.local()
        body, after = self.of(node.body), self.local()
        self.become(before)
        either = ("any", [body, self.of(node.orelse)])
        self.become(joined_names(after, self.local()))
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
        if isinstance(node.op, ast.BitOr) and left and right and left[0] == right[0] == "dict":
            return ("dict", {**left[1], **right[1]})
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
        of, key = self.of(node.value), self.of(node.slice)
        if of == ENVIRON:
            return self.environment(node.slice, None, node.lineno)
        if isinstance(node.slice, ast.Slice) and is_plain(of):
            return self.sliced(written(text(of)), node.slice)
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
        if of and of[0] == "dict":
            return member(of[1], key)
        if of and of[0] == "list" and index is None:
            return ("any", of[1][:ROUNDS])
        return of if of and of[0] in ("file", "made") else self.cut(of)

    def sliced(self, of, part):
        ends = [None if end is None else self.of(end) for end in (part.lower, part.upper, part.step)]
        plain = [end[1] if end and end[0] == "number" else end for end in ends]
        return literal(of[slice(*plain)]) if all(isinstance(end, (int, type(None))) for end in plain) else None

    def of_Attribute(self, node):
        return self.attribute(self.of(node.value), node)

    def attribute(self, of, node):
        """Returns what a value has under the name of an attribute."""
        if node.attr == "environ":
            return ENVIRON
        if of and of[0] == "any":
            return merged([self.attribute(one, node) for one in of[1]])
        if node.attr in METHODS and (of is None or of[0] in ("s3 object", "s3 bucket")):
            return ("method", of, node.attr)
        if of is None:
            return None
        if node.attr == "__dict__" and of[0] in ("names", "class"):
            return ("dict", of[1])
        if of[0] == "path":
            if node.attr == "name":
                return file_of(of[1])
            if node.attr == "stem":
                return without_extension(file_of(of[1]))
        if of[0] in ("names", "class"):
            found = of[1].get(node.attr)
            if found and found[0] == "function" and marks(found[1]) & {"property", "cached_property"}:
                return self.inlined(found, ast.Call(func=Known(found), args=[], keywords=[], lineno=node.lineno))
            return found
        if of[0] == "s3 object" and node.attr == "key":
            return of[2]
        if of[0] in ("s3 object", "s3 bucket") and node.attr in ("bucket_name", "name"):
            return of[1]
        return of if of[0] == "file" or node.attr == "value" else None

    def of_Call(self, node):
        name = called(node)
        owner = self.of(node.func.value) if isinstance(node.func, ast.Attribute) else None
        own = self.attribute(owner, node.func) if isinstance(node.func, ast.Attribute) else self.of(node.func)
        if own and own[0] in ("function", "class"):
            return self.inlined(own, node)
        if own and own[0] == "names" and "__call__" in own[1]:
            return self.inlined(own[1]["__call__"], node)
        if own and own[0] == "partial":
            return self.of(unbundled(own, node))
        if own and own[0] == "method" and not isinstance(node.func, ast.Attribute):
            return self.of(by_its_name(own, node))
        first = self.of(node.args[0]) if node.args else None
        if name == "getenv" or own == ("getenv",) or (name in ("get", "setdefault") and owner == ENVIRON):
            return self.environment(node.args[0], default_of(node), node.lineno) if node.args else None
        known = self.of_python(node, name, first, owner)
        if known is not None:
            return known
        if name == "get" and owner and owner[0] == "event" and text(first) is not None:
            return self.event(owner[1] + [text(first)], node.lineno, len(node.args) > 1)
        if name in ("get", "pop") and owner and owner[0] == "dict" and is_plain(first):
            known = owner[1].get(written(text(first)))
            return known if known is not None or len(node.args) < 2 else self.of(node.args[1])
        if name == "get" and owner and owner[0] == "dict":
            return member(owner[1], first)
        if name in ("Object", "ObjectSummary"):
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
        if name in OF_TEXT and is_plain(owner) and all(is_plain(self.of(one)) for one in node.args):
            return literal(getattr(written(text(owner)), name)(*[written(text(self.of(one))) for one in node.args]))
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
        if name in ("split", "rsplit", "rpartition", "partition") and is_plain(owner) and is_plain(first):
            count = [one[1] for one in map(self.of, node.args[1:]) if one and one[0] == "number"]
            return ("list", [literal(part) for part in getattr(written(text(owner)), name)(written(text(first)), *count)])
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
            return literal(owner[1].decode(errors="replace")) if isinstance(owner[-1], bytes) else owner
        if name in ("b64decode", "standard_b64decode"):
            if first and first[0] == "event" and self.report["reads_image"] is None:
                self.report["reads_image"] = first[1]
            return ("image",)
        if name in TIMERS:
            return ("clock",)
        return None

    def of_python(self, node, name, first, owner):
        """Returns what Python's own functions make of values that are known."""
        arguments = self.places(node)
        second = text(self.of(arguments[1])) if len(arguments) > 1 else None
        if name == "getattr" and second is not None:
            found = self.attribute(first, ast.Attribute(value=arguments[0], attr=written(second), lineno=node.lineno))
            return found if found is not None or len(arguments) < 3 else self.of(arguments[2])
        if name == "partial" and first and first[0] in CALLABLE:
            return ("partial", first, [self.of(one) for one in arguments[1:]], self.values_of(node))
        if name == "SimpleNamespace":
            return ("names", self.values_of(node) | members_of(first))
        if name in ("namedtuple", "make_dataclass") and len(arguments) > 1:
            return ("class", {FIELDS: field_names(self.of(arguments[1]))})
        if name == "field":
            named = self.keywords(node)
            made = self.of(named.get("default_factory"))
            bare = ast.Call(func=Known(made), args=[], keywords=[], lineno=node.lineno)
            return self.of(bare) if made and made[0] == "function" else self.of(named.get("default"))
        if name in ("import_module", "__import__") and text(first) is not None:
            module = self.folder.module(text(first), self.report)
            return None if module is None else ("names", module)
        if name == "vars" and first and first[0] in ("names", "class"):
            return ("dict", first[1])
        if name in ("globals", "locals") and not arguments:
            return ("dict", self.names)
        if name == "dict" and (first is None or first[0] in ("dict", "environ")):
            return first if first == ENVIRON else ("dict", {**(first[1] if first else {}), **self.values_of(node)})
        if name == "copy" and owner and owner[0] in ("dict", "list", "environ"):
            return ("dict", dict(owner[1])) if owner[0] == "dict" else owner
        if name in ("list", "tuple", "set", "sorted", "reversed", "iter") and first and items_of(first) is not None:
            return ("list", items_of(first))
        if name == "next" and first and items_of(first):
            return items_of(first)[0]
        if name in ("values", "items", "keys") and owner and owner[0] == "dict":
            pairs = [(literal(key), value) for key, value in owner[1].items()]
            return ("list", {"values": [value for _, value in pairs], "keys": [key for key, _ in pairs]}.get(name, [("list", [*pair]) for pair in pairs]))
        if name == "enumerate" and first and items_of(first) is not None:
            return ("list", [("list", [("number", place), one]) for place, one in enumerate(items_of(first))])
        if name == "zip":
            lists = [items_of(self.of(one)) for one in arguments]
            return ("list", [("list", [*row]) for row in zip(*lists)]) if lists and None not in lists else None
        if name == "Template" and text(first) is not None:
            return ("template", text(first))
        if name in ("substitute", "safe_substitute") and owner and owner[0] == "template":
            named = self.values_of(node) | members_of(first)
            parts = re.split(r"\$" + OPEN + r"?(\w+)" + CLOSE + "?", owner[1])
            return joined([("text", part) if place % 2 == 0 else named.get(part) for place, part in enumerate(parts)])
        return None

    def places(self, call):
        """Returns a call's arguments by place, those of a list that is known included."""
        found = []
        for argument in call.args:
            inner = self.of(argument.value) if isinstance(argument, ast.Starred) else None
            if isinstance(argument, ast.Starred) and inner and inner[0] == "list":
                found += [Known(one) for one in inner[1]]
            else:
                found.append(argument)
        return found

    def values_of(self, call):
        return {name: self.of(node) for name, node in self.keywords(call).items()}

    def keywords(self, call):
        """Returns a call's keywords, those of a dictionary that is known included."""
        found = {}
        for keyword in call.keywords:
            if keyword.arg:
                found[keyword.arg] = keyword.value
                continue
            members = self.of(keyword.value)
            either = members[1] if members and members[0] == "any" else [members]
            known = [one[1] if one and one[0] == "dict" else {UNKNOWN: None} for one in either]
            for name in {name: None for one in known for name in one}:
                found[name] = Known(merged([one[name] for one in known if name in one]))
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
                return instance
            fields = own[1].get(FIELDS) or []
            instance[1].update(zip(fields, [self.of(one) for one in self.places(call)]))
            instance[1].update({name: value for name, value in self.values_of(call).items() if name in own[1] or name in fields})
            begun = instance[1].get("__post_init__")
            if begun:
                self.inlined(begun, ast.Call(func=call.func, args=[], keywords=[], lineno=call.lineno))
            return instance
        function, scope, itself = own[1], own[2], own[3]
        if self.depth >= DEEPEST:
            return None
        inner = Values(scope.names, self.report, self.folder, scope.file, self.depth + 1)
        inner.maybe = inner.within = self.maybe
        inner.inside, inner.outer, inner.rounds = True, scope, self.rounds
        places = [argument.arg for argument in function.args.posonlyargs + function.args.args]
        names = places + [argument.arg for argument in function.args.kwonlyargs]
        inner.names.update(dict.fromkeys(names))
        for name, default in zip(reversed(places), reversed(function.args.defaults)):
            inner.names[name] = scope.of(default)
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults):
            inner.names[argument.arg] = scope.of(default) if default else None
        static = "staticmethod" in marks(function)
        given = ([itself] if itself and not static else []) + [self.of(argument) for argument in self.places(call)]
        named = self.values_of(call)
        inner.names.update(zip(places, given))
        inner.names.update(named)
        if function.args.vararg:
            inner.names[function.args.vararg.arg] = ("list", given[len(places) :])
            names = [*names, function.args.vararg.arg]
        if function.args.kwarg:
            rest = {name: value for name, value in named.items() if name not in names}
            inner.names[function.args.kwarg.arg] = ("dict", rest)
            names = [*names, function.args.kwarg.arg]
        # Expressions are looked at more than once, and calls stand in calls: the same call says the same again. A new
        # instance is another one each time. What it names of the scopes around it may have changed.
        around = [plainly(inner.names.get(name)) for name in named_in(function)]
        key = (id(function), self.maybe > 0, repr([inner.names[name] for name in names]), repr(around))
        calls = {} if function.name == "__init__" else self.report["calls"]
        if key not in calls:
            calls[key] = None
            follow(function.body, inner)
            calls[key] = inner.returned()
        return calls[key]

    def returned(self):
        if self.yields:
            return ("list", self.yields)
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
        positional, named = [self.of(argument) for argument in self.places(call)], self.keywords(call)
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
        given = [self.of(argument) for argument in self.places(call)]
        if owner and owner[0] == "s3 bucket":
            return ("s3 object", owner[1], given[0] if given else self.of(named.get("key")))
        bucket = given[0] if given else self.of(named.get("bucket_name"))
        self.bucket(bucket, call.lineno)
        return ("s3 object", bucket, given[1] if len(given) > 1 else self.of(named.get("key")))

    def bucket(self, value, line):
        """Holds the name of a bucket against what a run has: the event's, or one that the environment says."""
        template = text(value)
        if value is None or value == NOTHING:
            self.say("unknown bucket", line)
        elif value[0] == "any":
            known = [one for one in value[1] if one not in (None, NOTHING)]
            # Beside a name of the environment the others stand in for it, and a run sets it.
            asks = any(is_environment(one) for one in known)
            for one in known or [None]:
                self.maybe += asks and not is_environment(one)
                self.bucket(one, line)
                self.maybe -= asks and not is_environment(one)
        elif value[0] == "file":
            self.say("bucket from a file", line, value[1])
        elif value[0] == "event":
            self.say("bucket from the event", line, ".".join(step for step in value[1] if step != "{json}"))
        elif template is None and value[0] != "made":
            self.say("unknown bucket", line)
        elif value[0] == "made":
            self.say("bucket made", line, value[1])
        elif template is not None and template != "{bucket}":
            name = re.fullmatch(r"\{env:(\w+)\}", template)
            if name:
                self.report["bucket_names"].append(name[1])
            elif re.search(r"\{(?!env:|bucket\})", template):
                self.say("unknown bucket", line)
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


# What a dictionary has under names that can't be told.
UNKNOWN = "**"
# A class's fields, in their order.
FIELDS = "__fields__"
CALLABLE = ("function", "method", "partial", "class")


def as_function(node):
    """Returns a lambda as a function, the same one each time."""
    if not hasattr(node, "as_function"):
        body = [ast.copy_location(ast.Return(value=node.body), node.body)]
        node.as_function = ast.copy_location(
            ast.FunctionDef(name="<lambda>", args=node.args, body=body, decorator_list=[]), node
        )
    return node.as_function


def unbundled(value, call):
    """Returns the call that a call of a `partial` makes."""
    function, given, named = value[1], value[2], value[3]
    keywords = [ast.keyword(arg=name if name != UNKNOWN else None, value=Known(one)) for name, one in named.items()]
    args = [*map(Known, given), *call.args]
    return ast.Call(func=Known(function), args=args, keywords=[*keywords, *call.keywords], lineno=call.lineno)


def by_its_name(value, call):
    """Returns the call that a call of a bound method makes, whatever name it is called under."""
    function = ast.Attribute(value=Known(value[1]), attr=value[2], lineno=call.lineno)
    return ast.Call(func=function, args=call.args, keywords=call.keywords, lineno=call.lineno)


def marks(function):
    """Returns the last names of a function's decorators."""
    found = (mark.func if isinstance(mark, ast.Call) else mark for mark in function.decorator_list)
    return {mark.attr if isinstance(mark, ast.Attribute) else getattr(mark, "id", "") for mark in found}


def named_in(function):
    if not hasattr(function, "named_in"):
        function.named_in = sorted({node.id for node in ast.walk(function) if isinstance(node, ast.Name)})
    return function.named_in


def plainly(value):
    """A value that can be compared by how it is written; others are taken as unchanged."""
    return value if value and value[0] in ("text", "any", "list", "made", "file", "s3 object", "s3 bucket") else None


def field_names(value):
    if text(value) is not None:
        return re.findall(r"\w+", text(value))
    firsts = [one[1][0] if one and one[0] == "list" and one[1] else one for one in (value[1] if value and value[0] == "list" else [])]
    return [written(text(one)) for one in firsts if text(one) is not None]


def is_plain(value):
    """Whether a value is a text without anything that only a run knows."""
    return text(value) is not None and "{" not in text(value)


def member(members, key):
    """Returns what a dictionary has under a key; under one that can't be told, any of its values."""
    if key and key[0] in ("text", "number") and "{" not in str(key[1]):
        return members.get(written(str(key[1])))
    if isinstance(members, dict) and 0 < len(members) <= ROUNDS:
        return ("any", list(members.values()))
    return None


def members_of(value):
    """Returns what a dictionary has, by name; nothing where a value is none that is known."""
    return value[1] if value and value[0] == "dict" else {}


def items_of(value):
    """Returns what a loop over a value goes through, where that is known."""
    if value and value[0] == "list":
        return value[1]
    if value and value[0] == "dict" and isinstance(value[1], dict):
        return [literal(key) for key in value[1]]
    return None


def rounds(generators, values):
    """Binds the names of a comprehension, or of a loop, once for each value that is known."""
    if not generators:
        yield
        return
    first, others = generators[0], generators[1:]
    over = values.of(first.iter)
    items = items_of(over)
    if items is None:
        items = [("event", over[1] + ["0"])] if over and over[0] == "event" else [None]
    outer, values.rounds = values.rounds, INNER_ROUNDS
    for one in distinct(items[:outer]):
        assign(first.target, Known(one), values)
        yield from rounds(others, values)
    values.rounds = outer


def same(one, other):
    """Whether two values are alike. What can be changed is only like itself."""
    if not one or not other or one[0] != other[0] or one is other:
        return one is other
    if one[0] in ("list", "any"):
        return len(one[1]) == len(other[1]) and all(map(same, one[1], other[1]))
    return one[1] is other[1] if one[0] in ("names", "class", "dict", *CALLABLE) else one == other


def distinct(found):
    kept = []
    for one in found:
        kept += [] if any(same(one, other) for other in kept) else [one]
    return kept


def merged(found):
    """Returns the value that is any of these."""
    flat = distinct([inner for one in found for inner in (one[1] if one and one[0] == "any" else [one])])
    return flat[0] if len(flat) == 1 else ("any", flat) if any(one is not None for one in flat) else None


def joined_names(one, other):
    """Returns what names are after one of two branches."""
    names = {**one, **other}
    for name in one.keys() & other.keys():
        if not same(one[name], other[name]):
            names[name] = merged([one[name], other[name]])
    return names


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
    known = [values.names.get(name) for name in names]
    return reads_environment(node) or any(value == ENVIRON or is_environment(value) for value in known)


def default_of(call):
    return call.args[1] if len(call.args) > 1 else next((word.value for word in call.keywords if word.arg == "default"), None)


def pieces(pattern, placeholder):
    return [("text", part) for part in re.split(placeholder, pattern)]


def joined(values):
    """Texts one after the other; unknown with one that is unknown, but still made from the source's bucket or a file."""
    values = list(values)
    for place, value in enumerate(values):
        if value and value[0] in ("file", "made"):
            return value
        if value and value[0] == "any":
            others = sum(1 for one in values if one and one[0] == "any")
            if len(value[1]) ** others > ROUNDS:
                return None
            return merged([joined([*values[:place], one, *values[place + 1 :]]) for one in value[1]])
    parts = [text(value) for value in values]
    if None not in parts:
        return ("text", "".join(parts))
    return ("made", "".join(part or "..." for part in parts).replace("{bucket}", "{source bucket}")) if any(map(of_source, values)) else None
