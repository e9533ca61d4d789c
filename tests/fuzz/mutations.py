"""Valid files made invalid: values, keys, rows, tokens and bytes put where none belong.

A mutation is a triple of numbers: what, where, and with which value. Most change
structure (a value of a JSON document, a token of a table), some the bytes themselves.
"""

import json
import re
import struct
from collections.abc import Callable
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

Op = tuple[int, int, int]
Mutate = Callable[[bytes, Op], bytes]

VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 0.5, -0.0, 1e308, -1e308, 2**31, 2**63, 2**64, 10**400, "", " ",
    "x", "nan", "1e999", "\ud800", "\u2028", "\x00", "é" * 50, "x" * 5000, [], {}, [[]], [None],
    [0], ["x"], {"": None}, {"x": {}}, float("nan"), float("inf"), "sha256:", "../..", "/dev/null",
    [[[[[[[[[[1]]]]]]]]]], "A", "B", "{x}", "{", "0", "-1", "1,000", "٣", "true", "null",
]  # fmt: skip
TOKENS = [
    b"", b"\x00", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"\r", b"\n", b"\r\n", b'"', b"'", b",",
    b";", b"\t", b"{", b"}", b"[", b"]", b"[" * 3000, b'{"a":' * 2000, b"nan", b"NaN",
    b"Infinity",
    b"1e999", b"-1", b"0", b"9" * 5000, b"\xed\xa0\x80", "\u2028".encode(), "\ud7ff".encode(),
    b"null", b"true", b"\\ud800", b"\\u0000", b"=", b"#", b"{{", b"}}", b"{%", b"%}", b"\x1f\x8b",
    b"PK\x03\x04", b"PAR1", b"sep=;\n", b"<think>", b"</think>", b"\\boxed{", b"####", b"```",
    b"(A)",
    "１２".encode(), b"1,5", b"1e400", b"-", b"%", b"$",
]  # fmt: skip
INTEGERS = [0, 1, 2, 7, 2**7, 2**8 - 1, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
_TOKEN = re.compile(rb'"(?:[^"\\\n]|\\.)*"|[A-Za-z_]+|\d+(?:\.\d+)?|\s+|.', re.DOTALL)

_PLAN_BYTES = 3 + 3 * 7
AT_A_DRAW = 10
PLANS = st.binary(min_size=AT_A_DRAW * _PLAN_BYTES, max_size=AT_A_DRAW * _PLAN_BYTES)
"""Which seed is changed, how often and how, for ten inputs: draws are what fuzzing waits for."""


def plans_in(drawn: bytes) -> list[bytes]:
    """Return the plans of one draw."""
    return [drawn[n : n + _PLAN_BYTES] for n in range(0, len(drawn), _PLAN_BYTES)]


def read_plan(plan: bytes) -> tuple[int, list[Op]]:
    """Return a seed's number, and one to three mutations of it."""
    which, count = int.from_bytes(plan[:2], "big"), 1 + plan[2] % 3
    parts = (plan[3 + 7 * n : 10 + 7 * n] for n in range(count))
    return which, [
        (part[0], int.from_bytes(part[1:4], "big"), int.from_bytes(part[4:], "big"))
        for part in parts
    ]


def bytes_changed(data: bytes, op: Op) -> bytes:
    """Change bytes: cut, flip, insert, repeat, move."""
    what, where, more = op
    at = where % (len(data) + 1)
    kind = what % 7
    if kind == 0:
        return data[:at]
    if kind == 1 and data:
        at %= len(data)
        return data[:at] + bytes([data[at] ^ (1 << more % 8)]) + data[at + 1 :]
    if kind in (2, 3):
        return data[:at] + TOKENS[more % len(TOKENS)] + data[at + (kind == 3) * (more % 9) :]
    if kind == 4:
        end = at + more % 40
        return data[:end] + data[at:end] * (1 + more % 5) + data[end:]
    if kind == 5:
        return data[:at] + data[at + 1 + more % 40 :]
    end = at + more % 80
    return data[end:] + data[at:end] + data[:at]


def tokens_changed(data: bytes, op: Op) -> bytes:
    """Change a word, number, string or sign of a text: replace, drop, double or swap it."""
    what, where, more = op
    if what % 8 == 7:
        return bytes_changed(data, (what // 8, where, more))
    tokens = _TOKEN.findall(data)
    if not tokens:
        return bytes_changed(data, op)
    at = where % len(tokens)
    kind = what % 4
    if kind == 0:
        tokens[at] = TOKENS[more % len(TOKENS)]
    elif kind == 1:
        del tokens[at]
    elif kind == 2:
        tokens.insert(at, tokens[more % len(tokens)])
    else:
        other = more % len(tokens)
        tokens[at], tokens[other] = tokens[other], tokens[at]
    return b"".join(tokens)


def json_changed(data: bytes, op: Op) -> bytes:
    """Change a value or a key somewhere in a JSON document, or its text."""
    what, where, more = op
    if what % 6 == 5:
        return tokens_changed(data, (what // 6, where, more))
    try:
        document = json.loads(data)
    except (ValueError, RecursionError):
        return tokens_changed(data, op)
    return _dumped(_edited(document, what % 6, where, more))


def rows_changed(data: bytes, op: Op) -> bytes:
    """Change one row of JSONL, or the rows' order and number."""
    what, where, more = op
    lines = data.split(b"\n")
    at = where % len(lines)
    if what % 5 == 4:
        kind = what // 5 % 4
        if kind == 0:
            lines.insert(at, lines[more % len(lines)])
        elif kind == 1:
            del lines[at]
        elif kind == 2:
            lines[at] += TOKENS[more % len(TOKENS)]
        else:
            return bytes_changed(data, (what // 20, where, more))
    elif lines[at]:
        lines[at] = json_changed(lines[at], (what // 5, more, where // len(lines) + more))
    return b"\n".join(lines)


def numbers_changed(data: bytes, op: Op) -> bytes:
    """Put an integer of 4 or 8 bytes into a binary file, most often near its beginning."""
    what, where, more = op
    if what % 3 == 2:
        return bytes_changed(data, (what // 3, where, more))
    near = (len(data), min(len(data), 512))[what // 3 % 2]
    at = where % (near + 1)
    size, form = ((8, "<Q"), (4, "<I"))[what % 2]
    value = INTEGERS[more % len(INTEGERS)] % 2 ** (8 * size)
    return data[:at] + struct.pack(form, value) + data[at + size :]


def headed_changed(data: bytes, op: Op) -> bytes:
    """Change a safetensors file: its header's JSON with its length put right, or its bytes."""
    what, where, more = op
    length = struct.unpack("<Q", data[:8])[0] if len(data) >= 8 else 0
    if what % 4 == 3 or not 0 < length <= len(data) - 8:
        return numbers_changed(data, (what // 4, where, more))
    header = json_changed(data[8 : 8 + length], (what // 4, where, more))
    return struct.pack("<Q", len(header)) + header + data[8 + length :]


def _dumped(document: Any) -> bytes:
    try:
        return json.dumps(document).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return b"[" * 5000


def _edited(document: Any, what: int, where: int, more: int) -> Any:
    value = deepcopy(VALUES[more % len(VALUES)])  # it may be changed itself afterwards
    places: list[tuple[Any, Any]] = []
    if isinstance(document, (dict, list)):
        _gather(document, places)
    if not places:
        return value
    holder, key = places[where % len(places)]
    if what in (0, 1, 2):
        holder[key] = value
    elif what == 3:
        del holder[key]
    elif isinstance(holder, dict):
        holder[str(value)[:40]] = holder.pop(key)
    else:
        holder.insert(key, holder[more % len(holder)])
    return document


def _gather(node: Any, places: list[tuple[Any, Any]]) -> None:
    pairs = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in pairs:
        places.append((node, key))
        if isinstance(value, (dict, list)):
            _gather(value, places)
