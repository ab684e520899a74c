"""Prints what the Python files named as arguments hold, as JSON: lines by kind, and imported modules.

A line is blank, a comment (a comment alone, or part of a docstring) or code. A file that is no Python says so.
"""

import ast
import json
import sys
import tokenize


def docstring_lines(tree):
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, kinds) and node.body and ast.get_docstring(node, clean=False) is not None:
            first = node.body[0]
            yield from range(first.lineno, first.end_lineno + 1)


def modules(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.module:
                yield node.module
            else:
                yield from (alias.name for alias in node.names)


def look(path):
    try:
        with tokenize.open(path) as file:
            text = file.read()
        lines = text.splitlines()
        blank = {number for number, line in enumerate(lines, 1) if not line.strip()}
        facts = {"total": len(lines), "blank": len(blank)}
        tree = ast.parse(text)
        with open(path, "rb") as file:
            tokens = list(tokenize.tokenize(file.readline))
    except (SyntaxError, ValueError, tokenize.TokenError, RecursionError) as error:
        return {**locals().get("facts", {}), "error": f"{type(error).__name__}: {error}"}
    comments = {
        token.start[0] for token in tokens if token.type == tokenize.COMMENT and token.line.strip().startswith("#")
    }
    comments |= set(docstring_lines(tree)) - blank
    facts["comment"] = len(comments)
    facts["modules"] = sorted(set(modules(tree)))
    return facts


print(json.dumps({path: look(path) for path in sys.argv[1:]}))
