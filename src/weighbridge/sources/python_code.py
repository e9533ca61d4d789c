"""Python source as a syntax tree, one thread at a time.

CPython counts how deep a tree is being built for all threads of an interpreter together: where two
build one at a time, now and then one of them fails with a SystemError about a mismatch of depths.
Answers are graded in several threads.
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
