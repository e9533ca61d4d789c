"""Whether a command printed what its document promises."""

from collections.abc import Collection, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from weighbridge.documents.description import in_words, keys_of, printed
from weighbridge.documents.failure import FailureDocument
from weighbridge.records import Json

_keys_of = cache(keys_of)


def command_of(words):
    """Return the longest name of a command that prints a document, as `Printed` has it."""
    words = list(map(str, words))
    names = {one.command for one in printed()}
    plain = " ".join(words[:2]) if " ".join(words[:2]) in names else words[0]
    special = [f"{plain} {word}" for word in words if f"{plain} {word}" in names and "--" in word]
    return special[0] if special else plain


def document_faults(words, document):
    """Return how a printed document differs from what its command promises; nothing if it fits."""
    if document.keys() == {"error"}:
        return faults(document, FailureDocument)
    promised = [one.document for one in printed() if one.command == command_of(words)]
    if not promised:
        return [f"{command_of(words)} prints a document that no file of documents/ describes"]
    return min((faults(document, record) for record in promised), key=len)


def faults(value, kind, at="$"):
    """Return where a value is not of a type, or has other keys than it."""
    origin, parts = get_origin(kind), get_args(kind)
    if kind == Json or kind is Any:
        return []
    if origin in (Union, UnionType):
        return min((faults(value, part, at) for part in parts), key=len)
    if is_dataclass(kind):
        return _record_faults(value, kind, at)
    if origin is not None and origin is not Literal and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            return [_wrong(value, kind, at)]
        return [f for key, one in value.items() for f in faults(one, parts[1], f"{at}.{key}")]
    if origin is not None and origin is not Literal and issubclass(origin, Collection):
        return _list_faults(value, kind, parts, at)
    return [] if _is(value, kind, parts) else [_wrong(value, kind, at)]


def _record_faults(value, record, at):
    if not isinstance(value, dict):
        return [_wrong(value, record, at)]
    keys = {key.name: key for key in _keys_of(record)}
    found = [
        f"{at}.{name} is printed, and not in {record.__name__}"
        for name in value.keys() - keys.keys()
    ]
    found += [
        f"{at}.{name} is missing"
        for name, key in keys.items()
        if name not in value and not key.optional
    ]
    for name in value.keys() & keys.keys():
        found += faults(value[name], keys[name].kind, f"{at}.{name}")
    return found


def _list_faults(value, kind, parts, at):
    pair = Ellipsis not in parts and get_origin(kind) is tuple
    if not isinstance(value, list) or (pair and len(value) != len(parts)):
        return [_wrong(value, kind, at)]
    kinds = parts if pair else [parts[0]] * len(value)
    return [
        fault
        for index, (one, part) in enumerate(zip(value, kinds, strict=True))
        for fault in faults(one, part, f"{at}[{index}]")
    ]


def _is(value, kind, parts):
    if get_origin(kind) is Literal:
        return value in parts
    if kind is NoneType:
        return value is None
    if kind is float:
        return isinstance(value, float | int) and not isinstance(value, bool)
    return type(value) is kind


def _wrong(value, kind, at):
    return f"{at} is {value!r}, not {in_words(kind)}"
