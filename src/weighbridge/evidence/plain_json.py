"""Reads our own JSON strictly: no duplicate keys, no non-finite numbers, exact types."""

import json
from collections.abc import Container, Iterator

from weighbridge.records import Json
from weighbridge.sources.documents import first_twice
from weighbridge.sources.json_bounds import require_bounded, whole_number


def strict_json(data: bytes) -> Json:
    """Read JSON, refusing duplicate keys and non-finite numbers.

    Raises:
        ValueError: The data is not such JSON, or beyond the bounds of `json_bounds`; says why.
        RecursionError: The data is nested deeper than Python reads.
    """
    require_bounded(data)
    read: Json = _DECODER.decode(data.decode("utf-8"))
    return read


def differences(
    stated: Json, read: Json, may_lack: Container[str] = (), where: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield each path at which a document and the record parsed from it differ.

    Parsing turns "5" into 5 and ignores a key that it does not know, so that an altered document
    can give the same record as the one that was written. This comparison finds such alterations.

    Args:
        stated: The value in the file.
        read: The parsed record, as plain data.
        may_lack: Paths that may be missing in the file.
        where: Path of both values; "" for the whole document.

    Yields:
        A path, and what is wrong there.
    """
    if isinstance(stated, dict) and isinstance(read, dict):
        for key in stated.keys() | read.keys():
            path = f"{where}.{key}" if where else str(key)
            if key not in read:
                yield path, "is no field"
            elif key in stated:
                yield from differences(stated[key], read[key], may_lack, path)
            elif path not in may_lack:
                yield path, "is missing"
    elif isinstance(stated, list) and isinstance(read, (list, tuple)) and len(stated) == len(read):
        for number, (one, other) in enumerate(zip(stated, read, strict=True)):
            yield from differences(one, other, may_lack, f"{where}.{number}")
    elif _kind(stated) != _kind(read) or stated != read:
        yield where, f"{stated!r:.60} stands where {_kind(read)} belongs"


def _kind(value: Json) -> str:
    if isinstance(value, bool):
        return "true or false"
    names = {int: "a number", float: "a number", str: "text", type(None): "nothing"}
    return names.get(type(value), "a list" if isinstance(value, (list, tuple)) else "an object")


def _once_each(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError(f"the key {first_twice(key for key, _ in pairs)!r:.60} stands twice")
    return found


def _no_number(name: str) -> Json:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text} is no number that was written")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_once_each,
    parse_constant=_no_number,
    parse_float=_finite,
    parse_int=whole_number,
)
