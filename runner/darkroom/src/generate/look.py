"""Says whether the module on stdin parses and binds the name in argv[1]. Runs nothing of it."""

import ast
import sys


def bound(body):
    """Names that these statements bind in their own scope; `*` where an import may bind any."""
    todo = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
            continue
        if isinstance(node, (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)):
            continue
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield alias.asname or alias.name.split(".")[0]
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        todo.extend(ast.iter_child_nodes(node))


try:
    names = set(bound(ast.parse(sys.stdin.buffer.read()).body))
except SyntaxError as error:
    print("broken", f"line {error.lineno}: {error.msg}".replace("\n", " "))
except (ValueError, RecursionError, MemoryError) as error:
    print("broken", f"{type(error).__name__}: {error}".replace("\n", " "))
else:
    print("module", "defines" if {sys.argv[1], "*"} & names else "without")
