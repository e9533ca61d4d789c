"""Digests of plain data: RFC 8785 canonical JSON under SHA-256."""

import dataclasses
import hashlib
from typing import Any

import rfc8785


def canonical_json(value: Any) -> bytes:
    """Serialise plain data or records to RFC 8785 canonical JSON, which digests are over."""
    return rfc8785.dumps(_plain(value))


def canonical_digest(value: Any) -> str:
    """Return ``sha256:<hex>`` over the canonical JSON of plain data or records."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
