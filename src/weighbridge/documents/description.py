"""What documents hold, key by key: for the reference page, and for tests that pin the keys."""

import importlib
import inspect
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import reduce
from operator import or_
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from weighbridge.documents.form import Absent, Printed, inlined_fields
from weighbridge.folder_registry import names_in
from weighbridge.records import Json

_WORDS: dict[Any, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    NoneType: "null",
    Any: "any JSON",
}


@dataclass(frozen=True)
class Key:
    """One key of a record.

    Attributes:
        name: The key.
        kind: Its type, without the possibility that it is absent.
        optional: Whether it may be absent.
        meaning: What its record says of it; "" where that says nothing.
        record: The record whose field it is: an inlined one, or the one asked for.
    """

    name: str
    kind: Any
    optional: bool
    meaning: str
    record: type


def printed() -> tuple[Printed, ...]:
    """Return which command prints which document, from every file of the folder."""
    found: list[Printed] = []
    for name in names_in(Path(__file__).parent):
        module = importlib.import_module(f"weighbridge.documents.{name}")
        found += getattr(module, "PRINTED", ())
    return tuple(found)


def keys_of(record: type) -> tuple[Key, ...]:
    """Return a record's keys in the order in which they are printed, inlined ones among them."""
    return tuple(_keys(record))


def _keys(record: type) -> Iterator[Key]:
    hints, meanings = get_type_hints(record), attribute_docs(record)
    for one in fields(record):
        options = _options(hints[one.name])
        optional = Absent in options
        kind: Any = reduce(or_, (option for option in options if option is not Absent))
        if one.name in inlined_fields(record):
            yield from (replace(key, optional=key.optional or optional) for key in _keys(kind))
        else:
            yield Key(one.name, kind, optional, meanings.get(one.name, ""), record)


def records_in(kind: Any) -> Iterator[type]:
    """Return the records that a type mentions, in order."""
    if is_dataclass(kind) and isinstance(kind, type):
        yield kind
    elif kind != Json:
        for part in get_args(kind):
            yield from records_in(part)


def in_words(kind: Any, named: Mapping[type, str] | None = None) -> str:
    """Return a type as a reader of JSON calls it.

    Args:
        kind: The type.
        named: What to write for records; else their names.

    >>> in_words(tuple[float, float] | None), in_words(Mapping[str, tuple[str, ...]])
    ('[number, number] or null', 'object of list of string')
    """
    origin, parts = get_origin(kind), get_args(kind)
    if kind == Json or kind in _WORDS:
        return "any JSON" if kind == Json else _WORDS[kind]
    if is_dataclass(kind) and isinstance(kind, type):
        return (named or {}).get(kind, kind.__name__)
    if origin is Literal:
        return " or ".join(f'"{part}"' if isinstance(part, str) else str(part) for part in parts)
    if origin in (Union, UnionType):
        return " or ".join(in_words(part, named) for part in parts)
    if origin is tuple and Ellipsis not in parts:
        return f"[{', '.join(in_words(part, named) for part in parts)}]"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"object of {in_words(parts[1], named)}"
    if isinstance(origin, type) and issubclass(origin, Collection):
        return f"list of {in_words(parts[0], named)}"
    raise TypeError(f"{kind} is nothing that a document may hold")


def _options(kind: Any) -> tuple[Any, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def attribute_docs(record: type) -> dict[str, str]:
    """Return what a record's docstring, and those that it extends, say of each attribute."""
    found: dict[str, str] = {}
    for one in reversed(record.__mro__):
        section = re.search(r"^Attributes:\n(.*)", inspect.cleandoc(one.__doc__ or ""), re.M | re.S)
        text = section[1] if section else ""
        for name, meaning in re.findall(r"^ {4}(\w+): (.*?)(?=^ {4}\w|\Z)", text, re.M | re.S):
            found[name] = " ".join(meaning.split())
    return found


def summary(record: type) -> str:
    """Return the first paragraph of a record's docstring."""
    return " ".join(inspect.cleandoc(record.__doc__ or "").split("\n\n")[0].split())
