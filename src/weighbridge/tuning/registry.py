"""Finds methods and objectives by name: the name is the stem of a file, with dashes."""

from pathlib import Path

from weighbridge.errors import UnknownName
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.tuning.method import Method, Objective

_HERE = Path(__file__).parent


def method_names() -> tuple[str, ...]:
    """Names of all methods."""
    return _names("methods")


def objective_names() -> tuple[str, ...]:
    """Names of all objectives."""
    return _names("objectives")


def find_method(name: str) -> Method:
    """Import exactly one method.

    Raises:
        UnknownName: No such method; near misses are suggested.
    """
    if name not in method_names():
        raise UnknownName("tuning method", name, method_names())
    module = f"weighbridge.tuning.methods.{name.replace('-', '_')}"
    return defined_in(module, "METHOD", Method)  # type: ignore[type-abstract]


def find_objective(name: str) -> Objective:
    """Import exactly one objective.

    Raises:
        UnknownName: No such objective; near misses are suggested.
    """
    if name not in objective_names():
        raise UnknownName("tuning objective", name, objective_names())
    module = f"weighbridge.tuning.objectives.{name.replace('-', '_')}"
    return defined_in(module, "OBJECTIVE", Objective)  # type: ignore[type-abstract]


def _names(folder: str) -> tuple[str, ...]:
    return tuple(stem.replace("_", "-") for stem in names_in(_HERE / folder))
