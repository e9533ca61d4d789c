"""How a record becomes JSON: keys are its fields in their order, but for those that are absent."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_type_hints

from weighbridge.records import Json


class Absent(Enum):
    """The value of a key that a document does not have; None is a value, and printed as null."""

    KEY = "absent"


ABSENT: Final = Absent.KEY
Value = TypeVar("Value")
OrAbsent: TypeAlias = Value | Absent
"""The type of a key that is not always there."""

_INLINED = "inlined"
Inlined: TypeAlias = Annotated[Value, _INLINED]
"""The type of a field whose record's keys stand among those of the record around it."""


@dataclass(frozen=True)
class Printed:
    """That a command prints a document.

    Attributes:
        command: As it is typed, without `--json`: "scaling fit", "evaluate --dry-run".
        document: The record.
        when: When it prints this one, where the command's words don't tell.
    """

    command: str
    document: type
    when: str = ""


@cache
def inlined_fields(record: Any) -> frozenset[str]:
    """Return the names of a record's fields that are `Inlined`."""
    hints = get_type_hints(record, include_extras=True)
    return frozenset(
        n for n, hint in hints.items() if _INLINED in getattr(hint, "__metadata__", ())
    )


def as_json(document: Any) -> dict[str, Json]:
    """Return a document as plain JSON data."""
    found: dict[str, Json] = {}
    record: Any = type(document)
    inlined = inlined_fields(record)
    for one in fields(document):
        value = getattr(document, one.name)
        if value is ABSENT:
            continue
        if one.name in inlined:
            found |= as_json(value)
        else:
            found[one.name] = _plain(value)
    return found


def _plain(value: Any) -> Json:
    if value is None or isinstance(value, str | int | float):  # nearly all of a long list
        scalar: Json = value
        return scalar
    if is_dataclass(value) and not isinstance(value, type):
        return as_json(value)
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    plain: Json = value
    return plain
