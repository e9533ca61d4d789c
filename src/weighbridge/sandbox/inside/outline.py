"""What a source is as Python, and what it says of a function: facts as the bits of one byte."""

from __future__ import annotations

import ast

PARSES, DEFINES, GOES_ON, COMPILES = 1, 2, 4, 8
_REFUSALS = (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError)


def outline(source: str, name: str, compiled: bool) -> int:
    """Return the facts.

    Args:
        source: What may be Python.
        name: Of the function that it should define.
        compiled: Whether to compile it too.
    """
    facts = 0
    try:
        tree = ast.parse(source)
        facts = PARSES
        if any(name in names(statement) for statement in tree.body):
            facts |= DEFINES
        if _goes_on(tree, name):
            facts |= GOES_ON
        if compiled:
            compile(source, "<completion>", "exec", dont_inherit=True)
            facts |= COMPILES
    except _REFUSALS:
        pass
    return facts


def names(statement: ast.stmt) -> list[str]:
    """Return the names under which a statement at the top level defines a function."""
    match statement:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return [name]
        case ast.Assign(targets=targets):  # f = lambda x: …
            return [target.id for target in targets if isinstance(target, ast.Name)]
    return []


def _goes_on(tree: ast.Module, name: str) -> bool:
    """Whether the last function of that name does more than to state constants."""
    bodies = [
        statement.body
        for statement in tree.body
        if isinstance(statement, ast.FunctionDef) and statement.name == name
    ]
    return bool(bodies) and not all(
        isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) for part in bodies[-1]
    )
