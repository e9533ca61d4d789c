"""Digests of plain data: RFC 8785 canonical JSON under SHA-256."""

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from typing import Any

import rfc8785

_LARGEST_WHOLE = 2**53 - 1
_SMALLEST_PLAIN = 1e-4
# Python's own encoder writes what RFC 8785 asks for, many times faster, but for some numbers and
# for the order of keys beyond ASCII: `_plain` finds those, and rfc8785 writes them.
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def canonical_json(value: Any) -> bytes:
    """Serialise plain data or records to RFC 8785 canonical JSON, which digests are over."""
    unusual: list[object] = []
    plain = _plain(value, unusual)
    if not unusual:
        try:
            return _ENCODER.encode(plain).encode()
        except UnicodeEncodeError:  # a lone surrogate: rfc8785 has the clearer error
            pass
    return rfc8785.dumps(plain)


def canonical_digest(value: Any) -> str:
    """Return ``sha256:<hex>`` over the canonical JSON of plain data or records."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()


class ListDigest:
    """`canonical_digest` of a list given element by element, so that it need not fit in memory."""

    def __init__(self, elements: Iterable[Any] = ()) -> None:
        self._digest, self._begun = hashlib.sha256(b"["), False
        for element in elements:
            self.add(element)

    def add(self, element: Any) -> None:
        """Add the next element."""
        if self._begun:
            self._digest.update(b",")
        self._digest.update(canonical_json(element))
        self._begun = True

    def so_far(self) -> str:
        """Return the digest of the list of what was added until now."""
        ended = self._digest.copy()
        ended.update(b"]")
        return f"sha256:{ended.hexdigest()}"


def _plain(value: Any, unusual: list[object]) -> Any:
    """Return plain data; whole floats as the integers that RFC 8785 writes them as.

    Args:
        value: Plain data or records.
        unusual: Gets what Python's encoder may write in another way than RFC 8785.
    """
    kind: Any = type(value)
    if kind is str or kind is bool or value is None:
        return value
    if kind is float:
        return _number(value, unusual)
    if isinstance(value, dict):
        if not all(isinstance(key, str) and key.isascii() for key in value):
            unusual.append(value)
        return {str(key): _plain(item, unusual) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, unusual) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {name: _plain(getattr(value, name), unusual) for name in _field_names(kind)}
    if kind is not int or not -_LARGEST_WHOLE <= value <= _LARGEST_WHOLE:
        unusual.append(value)
    return value


def _number(value: float, unusual: list[object]) -> float:
    if value.is_integer() and -_LARGEST_WHOLE <= value <= _LARGEST_WHOLE:
        return int(value)
    # Python's exponents begin below 1e-4 and at 1e16, RFC 8785's below 1e-6 and at 1e21.
    if not _SMALLEST_PLAIN <= abs(value) <= _LARGEST_WHOLE:
        unusual.append(value)
    return value


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind))
