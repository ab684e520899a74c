"""Reads handlers without running them: what darkroom import knows of a folder comes from here, as JSON on stdout.

python -I scan.py FOLDER FILE...

Statements are gone through in the order of the text, with what values.py knows of each name: constants, names, modules and
classes of the folder, calls of its own functions, formatted texts, os.environ, paths taken apart, the event's own parts.
"""

FIRST_ARGUMENTS = {"event", "evt", "e", "payload", "request", "input_event"}
FENCE = re.compile(r"^\s*(?:```|~~~)")


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
        asks = isinstance(statement, ast.If) and asks_environment(statement.test, values)
        values.asking += asks
        for node in expressions(statement):
            for inner in ast.walk(node):
                if isinstance(inner, ast.Call):
                    values.of(inner)
                    follow_call(inner, values)
                elif isinstance(inner, (ast.Subscript, ast.NamedExpr)):
                    values.of(inner)
        values.asking -= asks
        bind(statement, values)
        if isinstance(statement, ast.Return) and statement.value is not None:
            value = values.of(statement.value)
            values.returns.append(value)
            if values.depth == 0:
                answer(value, [], values.report)
        values.maybe += asks
        for block in ("body", "orelse", "finalbody"):
            follow(getattr(statement, block, []), values)
        # What a `try` reads from the environment may be there: then its handlers are never reached.
        handlers = getattr(statement, "handlers", [])
        reads = bool(handlers) and any(reads_environment(inner) for inner in statement.body)
        values.maybe += reads
        for handler in handlers:
            follow(handler.body, values)
        values.maybe -= asks + reads


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
    values.names[statement.name] = ("class", own)


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
        values.names[target.id] = values.rather(target.id, values.of(node))
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
    return report | {"writes": [], "environment": [], "faults": [], "bucket_names": [], "defaults": {}, "modules": [], "calls": {}}


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
    del report["modules"], report["defaults"], report["calls"]
    about = {"name": function.name, "line": function.lineno, "doc": ast.get_docstring(function) or ""}
    return about | {"words": sorted(body_words(function))} | report


def why(error, source):
    """Says why a file does not parse: Python's own words and line, or the Markdown that it still has around it."""
    lines = source.split("\n")
    line = getattr(error, "lineno", None) or 1
    fences, keep = markdown(lines, line)
    found = {"line": line, "fences": fences, "keep": keep, "first": first_line(lines)}
    found["message"] = f"{type(error).__name__}: {getattr(error, 'msg', None) or error}"
    return found


def markdown(lines, wrong):
    """Returns the lines of code fences that keep a file from parsing at line `wrong`, and whether only what is between them is code.

    Fences of a docstring's example keep nothing from parsing: then there are none.
    """
    fences = [number for number, line in enumerate(lines, 1) if FENCE.match(line)]
    if not fences or (fences[0] < wrong <= fences[-1] and wrong not in fences):
        return [], False
    # Python reads a fence in a docstring as a part of it, up to where this text ends.
    if "triple-quoted" in str(fault(lines[: fences[0]])):
        return [], False
    outer = sorted({fences[0], fences[-1]})
    for removed in (outer, fences):
        if fault([line for number, line in enumerate(lines, 1) if number not in removed]) is None:
            return removed, False
    if len(outer) == 2 and fault(lines[outer[0] : outer[1] - 1]) is None:
        return outer, True
    return [], False


def fault(lines):
    """Returns why these lines do not parse."""
    try:
        ast.parse("\n".join(lines))
    except (SyntaxError, ValueError) as error:
        return error
    return None


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
