"""The folder is the registry: each of its files defines one thing, named as the file is."""

import functools
import importlib
from pathlib import Path
from typing import TypeVar

Defined = TypeVar("Defined")


@functools.cache
def names_in(folder: Path) -> tuple[str, ...]:
    """Names of all files in a folder of modules, in order."""
    return tuple(sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__"))


def defined_in(module: str, constant: str, kind: type[Defined]) -> Defined:
    """Import exactly one module, and return what it defines.

    Args:
        module: Its whole name.
        constant: The name of what it defines.
        kind: What that must be; anything else is a mistake in the file.
    """
    found = getattr(importlib.import_module(module), constant)
    assert isinstance(found, kind), f"{module} defines {type(found).__name__} as {constant}"
    return found
