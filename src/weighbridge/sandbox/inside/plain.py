"""Plain data over a pipe: tagged JSON in frames, exact builtin types only, bounded on both sides.

    None, bool, small int, str, list      as in JSON
    other int, float, complex, bytes      {"int": "-0xff"} {"float": "0x1.8p+0"} …
    str with surrogates                   {"str": [code points]}
    tuple, set, frozenset                 {"tuple": […]} …
    dict                                  {"dict": [[key, value], …]}

Whoever decodes trusts nothing: what the other side sends can only ever become one of these types.
An object of a subclass (Counter, namedtuple, an enum over int) is reduced to the builtin data that
it holds, read past whatever methods it defines; anything else is not plain.
"""

from __future__ import annotations

import json
import os
import struct

TYPE_CHECKING = False  # typing's own takes 5 ms to import, in each of two jails a sample
if TYPE_CHECKING:
    from typing import Any

    Json = Any

MAX_FRAME_BYTES = 4 << 20
MAX_DEPTH = 100
_EXACT_IN_JSON = 1 << 53


class NotPlain(Exception):
    """A value that is not plain data, or a message that does not encode one."""


class TooLarge(NotPlain):
    """Plain data that is nested too deep or is too long."""


def encode(value: Any, depth: int = 0) -> Json:
    """Return a value as tagged JSON.

    Raises:
        NotPlain: It is, or holds, something that is no plain data.
    """
    if depth > MAX_DEPTH:
        raise TooLarge(f"data nested more than {MAX_DEPTH} deep")
    if value is None or value is True or value is False:
        return value
    kind = type(value)
    if issubclass(kind, int):
        number = int.__int__(value)
        return number if -_EXACT_IN_JSON < number < _EXACT_IN_JSON else {"int": hex(number)}
    if issubclass(kind, str):
        return _encode_text(str.__str__(value))
    if issubclass(kind, float):
        return {"float": float.hex(value)}
    if issubclass(kind, complex):
        parts = complex.__pos__(value)
        return {"complex": [parts.real.hex(), parts.imag.hex()]}
    if issubclass(kind, bytes):
        return {"bytes": bytes.hex(value)}
    return _encode_container(value, kind, depth + 1)


def _encode_text(text: str) -> Json:
    # JSON would join two lone surrogates that happen to fit.
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        return {"str": [ord(character) for character in text]}
    return text


def _encode_container(value: Any, kind: type, depth: int) -> Json:
    if issubclass(kind, list):
        return [encode(item, depth) for item in list.__iter__(value)]
    if issubclass(kind, tuple):
        return {"tuple": [encode(item, depth) for item in tuple.__iter__(value)]}
    if issubclass(kind, set):
        return {"set": [encode(item, depth) for item in set.__iter__(value)]}
    if issubclass(kind, frozenset):
        return {"frozenset": [encode(item, depth) for item in frozenset.__iter__(value)]}
    if issubclass(kind, dict):
        pairs = dict.items(value)
        return {"dict": [[encode(key, depth), encode(held, depth)] for key, held in pairs]}
    raise NotPlain(f"a {kind.__name__}")


def decode(data: Json, depth: int = 0) -> Any:
    """Return the value that tagged JSON stands for; every part of it is of an exact builtin type.

    Raises:
        NotPlain: It stands for none.
    """
    if depth > MAX_DEPTH:
        raise TooLarge(f"data nested more than {MAX_DEPTH} deep")
    if data is None or type(data) in (bool, int, str):
        return data
    if type(data) is list:
        return [decode(item, depth + 1) for item in data]
    if type(data) is not dict or len(data) != 1:
        raise NotPlain(f"an untagged {type(data).__name__}")
    [(tag, held)] = data.items()
    try:
        return _decode_tagged(tag, held, depth + 1)
    except (TypeError, ValueError, OverflowError) as error:  # unhashable, no hexadecimal number, …
        raise NotPlain(f"a malformed {tag[:20]}: {error}") from None


def _decode_tagged(tag: str, held: Json, depth: int) -> Any:
    if tag == "int":
        return int(_text(held), 16)
    if tag == "float":
        return float.fromhex(_text(held))
    if tag == "complex":
        real, imaginary = _list(held)
        return complex(float.fromhex(_text(real)), float.fromhex(_text(imaginary)))
    if tag == "bytes":
        return bytes.fromhex(_text(held))
    if tag == "str":
        return "".join(map(chr, _list(held)))
    if tag in _CONTAINERS:
        return _CONTAINERS[tag](decode(item, depth) for item in _list(held))
    if tag == "dict":
        pairs = [_list(pair) for pair in _list(held)]
        return {decode(key, depth): decode(value, depth) for key, value in pairs}
    raise NotPlain(f"the unknown tag {tag[:20]!r}")


_CONTAINERS: dict[str, Any] = {"tuple": tuple, "set": set, "frozenset": frozenset}


def _text(held: Json) -> str:
    if type(held) is not str:
        raise TypeError("no text")
    return held


def _list(held: Json) -> list[Any]:
    if type(held) is not list:
        raise TypeError("no list")
    return held


def carry_back(old: Any, new: Any) -> Any:
    """Make an argument look as the call left it, in place where that is possible.

    Returns:
        `old` itself, changed, if both are lists, dictionaries or sets; else `new`.
    """
    if type(old) is not type(new):
        return new
    if type(old) is list:
        kept = [carry_back(before, after) for before, after in zip(old, new, strict=False)]
        old[:] = kept + new[len(kept) :]
        return old
    if type(old) is dict:
        before = dict(old)
        old.clear()
        old.update((key, carry_back(before.get(key), value)) for key, value in new.items())
        return old
    if type(old) is set:
        old.clear()
        old.update(new)
        return old
    if type(old) is tuple and len(old) == len(new):
        return tuple(carry_back(before, after) for before, after in zip(old, new, strict=True))
    return new


def send(descriptor: int, message: Json) -> None:
    """Write one frame.

    Raises:
        NotPlain: It is longer than a frame may be.
        OSError: The pipe is closed.
    """
    data = json.dumps(message, allow_nan=False, separators=(",", ":")).encode("ascii")
    if len(data) > MAX_FRAME_BYTES:
        raise TooLarge(f"{len(data):,} bytes of data, more than {MAX_FRAME_BYTES:,}")
    view = memoryview(struct.pack(">I", len(data)) + data)
    while view:
        view = view[os.write(descriptor, view) :]


def receive(descriptor: int) -> Json:
    """Read one frame.

    Raises:
        NotPlain: It is too long, or no JSON.
        EOFError: The pipe is closed.
    """
    (length,) = struct.unpack(">I", _read(descriptor, 4))
    if length > MAX_FRAME_BYTES:
        raise TooLarge(f"{length:,} bytes of data, more than {MAX_FRAME_BYTES:,}")
    try:
        return json.loads(_read(descriptor, length))
    except (ValueError, RecursionError) as error:
        raise NotPlain(f"a malformed message: {str(error)[:80]}") from None


def _read(descriptor: int, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        chunk = os.read(descriptor, min(length - len(data), 1 << 16))
        if not chunk:
            raise EOFError("the pipe was closed")
        data += chunk
    return bytes(data)
