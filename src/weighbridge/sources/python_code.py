"""Python source as a syntax tree, one thread at a time.

CPython counts the depth of a tree under construction for all threads of an interpreter together: if
two threads parse at the same time, one of them sometimes fails with a SystemError about mismatched
depths. Answers are graded in several threads, so parsing takes a lock.
"""

import ast
import threading
from typing import Any

_BUILDING = threading.Lock()


def syntax_tree(source: str) -> ast.Module:
    """Parse source.

    Raises:
        SyntaxError: It is not Python; likewise ValueError, RecursionError, MemoryError.
    """
    with _BUILDING:
        return ast.parse(source)


def literal(text: str) -> Any:
    """Read a literal; nothing in the text is run. Raises as `ast.literal_eval` does."""
    with _BUILDING:
        return ast.literal_eval(text)
