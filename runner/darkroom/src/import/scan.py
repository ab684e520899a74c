"""Reads handlers without running them: what darkroom import knows of a folder comes from here, as JSON on stdout.

python -I scan.py FOLDER FILE...

Statements are gone through in the order of the text, branches apart, with what values.py knows of each name: constants, names, modules and
classes of the folder, calls of its own functions, formatted texts, os.environ, paths taken apart, the event's own parts.
"""

FIRST_ARGUMENTS = {"event", "evt", "e", "payload", "request", "input_event"}
FENCE = re.compile(r"^\s*(?:```|~~~)")
# A line that only code begins with, and of these the ones that no explanation of code has.
DEFINES = re.compile(r"\s*(?:import [\w.]+(?: as \w+)?(?:\s*,\s*[\w.]+(?: as \w+)?)*\s*(?:#.*)?$|from [\w.]+ import\b|(?:async )?def \w+\s*\(|class \w+\s*[:(]|@\w|return\b)")
BEGINS = re.compile(DEFINES.pattern + r"|#|[rRbBuUfF]*(?:\"\"\"|''')|[A-Za-z_]\w*(?:\s*:\s*[\w\[\], .|]+)?\s*=(?!=)|(?:if __name__|try:)")
WORD = r"[^\W\d_]+(?:['’-][^\W\d_]+)*"
# A word that ends a sentence, two and more behind them, a sentence of a script that has no spaces, or Markdown's bold.
PROSE = re.compile(rf"\s{{0,3}}(?:[-*>+•]\s+|\d+[.)]\s+)?[*_`“(]*(?P<first>{WORD})(?:[*_]*[!?.…:]+[*_]*$|[*_]*[!?…]+\s|[*_`”),.:;]*\s+\S*{WORD}\S*(?:\s+\S|[!?.…:]+$)|[。，：！？、])|\s{{0,3}}\*\*\S")


def follow(statements, values):
    """Goes through statements in the order of the text. After branches a name is what any of them made it."""
    for statement in statements:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            values.names[statement.name] = ("function", statement, values, None)
            if values.inside:
                values.report["pending"].append((statement, values))
            continue
        if isinstance(statement, (ast.Global, ast.Nonlocal)):
            values.elsewhere |= {*statement.names}
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
            look(node, values)
        values.asking -= asks
        bind(statement, values)
        if isinstance(statement, ast.Return) and statement.value is not None:
            value = values.of(statement.value)
            values.returns.append(value)
            if values.depth == 0:
                answer(value, [], values.report)
        values.maybe += asks
        blocks(statement, values)
        values.maybe -= asks


def blocks(statement, values):
    """Goes through the statements within a statement."""
    if isinstance(statement, (ast.For, ast.AsyncFor)):
        for _ in rounds([statement], values):
            follow(statement.body, values)
        follow(statement.orelse, values)
    elif isinstance(statement, ast.If):
        truth = known_truth(statement.test, values)
        either([block for block, when in ((statement.body, True), (statement.orelse, False)) if truth in (None, when)], values)
    elif isinstance(statement, ast.Match):
        for case in statement.cases:
            if case.guard:
                look(case.guard, values)
        either([*(case.body for case in statement.cases), []], values)
    elif isinstance(statement, (ast.Try, getattr(ast, "TryStar", ast.Try))):
        values.trying += 1
        follow(statement.body, values)
        values.trying -= 1
        # What a `try` reads from the environment may be there: then its handlers are never reached.
        reads = any(reads_environment(inner) for inner in statement.body)
        values.maybe += reads
        if reads:
            for handler in statement.handlers:
                follow(handler.body, values)
        else:
            either([statement.orelse, *(handler.body for handler in statement.handlers)], values)
        values.maybe -= reads
        if reads:
            follow(statement.orelse, values)
        follow(statement.finalbody, values)
    else:
        follow(getattr(statement, "body", []), values)
        follow(getattr(statement, "orelse", []), values)


def either(branches, values):
    """Goes through branches of which one is taken."""
    if values.maybe != values.within:
        for branch in branches:
            follow(branch, values)
        return
    before, after = values.local(), None
    for branch in branches:
        values.become(before)
        values.branching += 1
        follow(branch, values)
        values.branching -= 1
        if not (branch and isinstance(branch[-1], (ast.Return, ast.Raise, ast.Continue, ast.Break))):
            after = values.local() if after is None else joined_names(after, values.local())
    if after is not None:
        values.become(after)


def known_truth(test, values):
    """Returns whether a condition holds, where a constant says so."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        truth = known_truth(test.operand, values)
        return None if truth is None else not truth
    value = values.of(test) if isinstance(test, (ast.Constant, ast.Name, ast.Attribute)) else None
    return bool(value[1]) if value and value[0] == "number" else None


def look(node, values):
    """Goes through an expression and follows its calls; functions without a name are followed where they are called."""
    if isinstance(node, ast.Lambda):
        values.report["pending"].append((as_function(node), values))
    elif isinstance(node, ast.IfExp):
        asks = asks_environment(node.test, values)
        values.asking += asks
        look(node.test, values)
        values.asking -= asks
        values.maybe += asks
        before = values.local()
        look(node.body, values)
        after = values.local()
        values.become(before)
        look(node.orelse, values)
        values.become(joined_names(after, values.local()))
        values.maybe -= asks
    elif isinstance(node, ast.BoolOp):
        look(node.values[0], values)
        asks = asks_environment(node.values[0], values)
        values.maybe += asks
        for other in node.values[1:]:
            look(other, values)
        values.maybe -= asks
    elif isinstance(node, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
        for generator in node.generators:
            look(generator.iter, values)
        for _ in rounds(node.generators, values):
            for part in ([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]):
                look(part, values)
            for generator in node.generators:
                for condition in generator.ifs:
                    look(condition, values)
    else:
        for child in ast.iter_child_nodes(node):
            look(child, values)
        if isinstance(node, ast.Call):
            values.of(node)
            follow_call(node, values)
        elif isinstance(node, (ast.Subscript, ast.NamedExpr)):
            values.of(node)
        elif isinstance(node, ast.Yield) and node.value is not None:
            values.yields.append(values.of(node.value))


def bind(statement, values):
    """Gives the names that a statement makes their values."""
    if isinstance(statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        for target in targets:
            assign(target, statement.value, values)
    elif isinstance(statement, ast.AugAssign) and isinstance(statement.target, (ast.Name, ast.Attribute)):
        whole = ast.BinOp(left=statement.target, op=statement.op, right=statement.value)
        assign(statement.target, Known(values.of(whole)), values)
    elif isinstance(statement, (ast.With, ast.AsyncWith)):
        for item in statement.items:
            value = values.of(item.context_expr)
            # What a context manager of the folder yields.
            value = value[1][0] if value and value[0] == "list" and value[1] else value
            if item.optional_vars is not None:
                assign(item.optional_vars, Known(value), values)


def expressions(statement):
    for name, value in ast.iter_fields(statement):
        if name in ("body", "orelse", "finalbody", "handlers", "cases", "targets", "target"):
            continue
        for node in value if isinstance(value, list) else [value]:
            if isinstance(node, ast.AST):
                yield node


def define(statement, values):
    """A class: its attributes and methods by name."""
    inner = values.inner(values.names)
    own = {FIELDS: []}
    for base in map(values.of, reversed(statement.bases)):
        own |= base[1] if base and base[0] == "class" else {}
    own[FIELDS] = [*(own[FIELDS] or [])]
    for part in statement.body:
        follow([part], inner)
        if isinstance(part, (ast.FunctionDef, ast.AsyncFunctionDef)):
            own[part.name] = ("function", part, values, ("class", own) if "classmethod" in marks(part) else None)
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            own[FIELDS].append(part.target.id)
    own |= {name: value for name, value in inner.local().items() if name not in own}
    own |= {name: inner.names.get(name) for name in own[FIELDS]}
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
        # A file at the top of what is deployed is in no package. Who tries has another way.
        if statement.level > values.file.count("/") and not values.trying:
            values.say("relative import", statement.lineno, "." * statement.level + (statement.module or ""))
    module = values.folder.module(base, values.report) if base else None
    for alias in statement.names if base == "os" else []:
        if alias.name in ("environ", "getenv"):
            values.names[alias.asname or alias.name] = (alias.name,)
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
        scope = values
        while target.id in scope.elsewhere and scope.outer:
            scope = scope.outer
        scope.names[target.id] = values.rather(target.id, values.of(node))
    elif isinstance(target, ast.Attribute):
        owner = values.of(target.value)
        if owner and owner[0] in ("names", "class"):
            owner[1][target.attr] = values.either(owner[1].get(target.attr), values.of(node))
    elif isinstance(target, ast.Subscript):
        key, owner = text(values.of(target.slice)), values.of(target.value)
        if owner == ENVIRON:
            if key is not None:
                values.say("sets environment", target.lineno, key)
        elif owner and owner[0] == "dict":
            # Under a name that can't be told it may be any.
            name = UNKNOWN if key is None or "{" in key else written(key)
            owner[1][name] = values.either(owner[1].get(name), values.of(node))
    elif isinstance(target, (ast.Tuple, ast.List)):
        spread(target.elts, values.of(node), values)


def spread(targets, value, values):
    """Gives several names the parts of a value, `*rest` included."""
    parts = list(value[1]) if value and value[0] == "list" else None
    star = next((place for place, one in enumerate(targets) if isinstance(one, ast.Starred)), None)
    for place, one in enumerate(targets):
        if value and value[0] == "parts":
            part = value[1].get(place)
        elif value and value[0] == "any":
            part = merged([inner[1][place] if inner and inner[0] == "list" and place < len(inner[1]) else None for inner in value[1]])
        elif parts is None or (star is not None and place >= star):
            part = None
        else:
            part = parts[place] if place < len(parts) else None
        if not isinstance(one, ast.Starred):
            assign(one, Known(part), values)


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
    return report | {"writes": [], "environment": [], "faults": [], "bucket_names": [], "defaults": {}, "modules": [], "calls": {}, "pending": [], "steps": 0}


class Folder:
    """The Python files of a folder: parsed once, followed once for each handler that imports them."""

    def __init__(self, root, names):
        self.root = root
        self.trees = {}
        self.errors = {}
        for name in names:
            content = (root / name).read_bytes()
            # Parsing bytes lets a comment pass that a file of the same bytes fails by.
            told = encoded(content)
            try:
                self.trees[name] = None if told else ast.parse(content, name)
            except (SyntaxError, ValueError) as error:
                self.errors[name] = why(error, self.source(name))
            if told:
                del self.trees[name]
                self.errors[name] = {"keep": False, "first": 1} | told

    def source(self, name):
        content = (self.root / name).read_bytes()
        if is_utf_16(content):
            return content.decode(is_utf_16(content), errors="replace").lstrip("\ufeff")
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
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and not is_handler(node):
        apart = empty() | {"modules": values.report["modules"]}
        inner = Values(values.names, apart, values.folder, values.file, DEEPEST)
        inner.inside = True
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
    if isinstance(function, ast.AsyncFunctionDef):
        values.say("async", function.lineno, function.name)
    values.inside, values.outer = True, scope
    follow(function.body, values)
    followed = {key[0] for key in report["calls"]}
    for inner, around in report["pending"]:
        if id(inner) not in followed:
            unbound(inner, around)
    del report["modules"], report["defaults"], report["calls"], report["pending"], report["steps"]
    about = {"name": function.name, "line": function.lineno, "doc": ast.get_docstring(function) or ""}
    return about | {"words": sorted(body_words(function))} | report


def is_utf_16(content):
    """Returns the name of UTF-16 where bytes are that: its mark says so, or every other byte of ASCII letters is zero."""
    marks = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    marked = next((name for mark, name in marks.items() if content.startswith(mark)), None)
    pairs = len(content) // 2
    for name, zeros in (("utf-16-le", content[1::2].count(0)), ("utf-16-be", content[::2].count(0))):
        if marked is None and pairs > 1 and zeros * 2 > pairs:
            return name
    return marked


def encoded(content):
    """Says by name how a file is encoded that Python can't decode."""
    name = is_utf_16(content)
    if name:
        shown = name[:6].upper()
        return {"line": 1, "message": f"the file is {shown}, which Python does not read. Save it as UTF-8", "fences": []}
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        encoding = "utf-8"
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line, byte = 1 + content.count(b"\n", 0, error.start), content[error.start]
        letter = bytes([byte]).decode("windows-1252", errors="replace")
        told = f"byte 0x{byte:02X} is not {encoding.upper().removesuffix('-SIG')}; in Latin-1 it is `{letter}`. Save the file as UTF-8"
        return {"line": line, "message": told, "fences": []}
    return None


def why(error, source):
    """Says why a file does not parse: Python's own words and line, or the Markdown that it still has around it."""
    lines = source.split("\n")
    line = getattr(error, "lineno", None) or 1
    fences, keep = markdown(lines, line)
    found = {"line": line, "fences": fences, "keep": keep, "first": first_line(lines)}
    found["prose"] = None if fences else prose(lines, line)
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


def prose(lines, wrong):
    """Returns where code begins and ends in a file that has prose around it at line `wrong`; both are None where it has no code.

    A mistake in the code itself is no prose: that Python can't read it is a fact about the code.
    """
    if not is_prose(lines[min(wrong, len(lines)) - 1]):
        return None
    begins = [place for place, line in enumerate(lines) if BEGINS.match(line)]
    for begin in begins[:20]:
        end = last_of_code(lines, begin)
        removed = lines[:begin] + lines[end:] if end else []
        if begin < wrong <= (end or begin) or not removed or any(DEFINES.match(line) for line in removed):
            continue
        return {"begin": begin + 1, "end": end, "lines": len(lines), "indented": lines[begin][:1].isspace()}
    if not begins:
        return {"begin": None, "end": None, "lines": len(lines), "indented": False}
    # Below the prose is more that does not parse.
    above = wrong <= begins[0] and {"begin": begins[0] + 1, "end": len(lines), "lines": len(lines), "indented": False}
    return above or None


def last_of_code(lines, begin):
    """Returns the last line up to which the lines from `begin` are code and parse."""
    code = textwrap.dedent("\n".join(lines[begin:])).split("\n")
    error = fault(code)
    if error is None:
        return len(lines)
    from_here = min(getattr(error, "lineno", None) or len(code), len(code))
    for end in range(from_here, max(from_here - 200, 0), -1):
        kept = code[:end]
        # A lone word parses: `Explanation`.
        if kept[-1].strip() and not is_prose(kept[-1]) and not kept[-1].strip().isidentifier() and fault(kept) is None:
            return begin + end
    return None


def is_prose(line):
    """Whether a line looks like a sentence or a part of one, and not like code."""
    found = PROSE.match(line)
    words_of_code = (*keyword.kwlist, *keyword.softkwlist, "print", "exec")
    return bool(found and found["first"] not in words_of_code and "=" not in line and not re.search(r"[(\[{\\]\s*$", line))


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
    for kind in (ast.FunctionDef, ast.AsyncFunctionDef):
        # Beside a handler an `async def` is one of its helpers.
        if not found["handlers"]:
            found["handlers"] = [handler(node, folder, name) for node in tree.body if isinstance(node, kind) and is_handler(node)]
    return found


def main():
    # A sum of a thousand texts is a thousand deep.
    sys.setrecursionlimit(6000)
    folder = Folder(pathlib.Path(sys.argv[1]), sys.argv[2:])
    json.dump([scan(folder, name) for name in sys.argv[2:]], sys.stdout)


main()
