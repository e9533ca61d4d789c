r"""Reads JSON and TOML from outside strictly: what Python would guess or drop is refused.

Refused are duplicate keys in an object (Python keeps the last), NaN and Infinity (no JSON,
yet harnesses write them: `nan` lets them through), a number too large for its kind, half a
character (an escape such as \ud83d without its other half), and extremely deep nesting.
"""

import json
import math
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from weighbridge.errors import InputError, MalformedRow
from weighbridge.sources.json_bounds import (
    MOST_LEVELS,
    SURELY_BOUNDED,
    require_bounded,
    whole_number,
)
from weighbridge.sources.regular_files import DOCUMENT_BYTES, SETTINGS_BYTES
from weighbridge.sources.text_files import read_text

Halves = Literal["refuse", "replace"]
Twice = Literal["refuse", "last"]
_TWICE: tuple[Twice, ...] = ("refuse", "last")
HALF_KEPT = "\ufffd"
"""Replaces an unpaired surrogate where it is kept."""
_HALF = re.compile("[\ud800-\udfff]")
_ESCAPED_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_SHOWN = 60


def parse_json(
    path: Path,
    line: int,
    text: str,
    *,
    nan: bool = False,
    halves: Halves = "refuse",
    twice: Twice = "refuse",
) -> Any:
    """Return the value of JSON text.

    Args:
        path: Its file, for messages.
        line: 1-based line of the text's beginning.
        text: The JSON.
        nan: Whether NaN and Infinity are numbers.
        halves: Whether half a character is refused, or replaced by U+FFFD.
        twice: Whether a duplicate key is refused, or its last value counts, as in the libraries
            that read a model's files.

    Raises:
        MalformedRow: It is none; says the line and the column.
    """
    try:
        if len(text) > SURELY_BOUNDED:  # most rows are short, and a call is dear for each
            require_bounded(text)
        decoder = _DECODERS[nan, twice] if nan or twice == "last" else _STRICT
        value = decoder.decode(text)
    except json.JSONDecodeError as error:
        # The end of a line that is cut short is in that line, not where the next one begins.
        read = text[: min(error.pos, len(text.rstrip("\r\n")))]
        at, column = line + read.count("\n"), len(read) - read.rfind("\n")
        raise MalformedRow(path, at, _said(error, text), "JSON", column) from error
    except RecursionError as error:  # half of it may be JSON, and as deep as memory allows
        raise MalformedRow(path, line, "JSON nested too deeply", "JSON") from error
    except ValueError as error:  # beyond a bound, or what the hooks below refuse
        raise MalformedRow(path, line, str(error)[: 2 * _SHOWN], "JSON") from error
    if _ESCAPED_HALF.search(text):
        return _whole(path, line, value, "", halves)
    return value


def read_json(
    path: Path,
    what: str = "a JSON file",
    *,
    nan: bool = False,
    halves: Halves = "refuse",
    twice: Twice = "refuse",
    limit: int = DOCUMENT_BYTES,
    within: Path | None = None,
) -> Any:
    """Return the value of a JSON file; most arguments are as in `parse_json`.

    Args:
        path: The file.
        what: What it was expected to be, for messages.
        nan: As there.
        halves: As there.
        twice: As there.
        limit: The most bytes that such a file has.
        within: The folder that it is a part of, out of which no link may lead.

    Raises:
        InputError: It can't be read; MalformedRow where it is no JSON.
    """
    text = read_text(path, what, limit=limit, within=within)
    if not text.strip():
        raise InputError(f"{path} is empty", what)
    return parse_json(path, 1, text, nan=nan, halves=halves, twice=twice)


def read_settings(path: Path, what: str, *, within: Path | None = None) -> dict[str, Any]:
    """Return the object in a model's small JSON file, read as the model's libraries read it.

    Args:
        path: The file.
        what: What it was expected to be, for messages.
        within: The model's folder.

    Raises:
        InputError: It can't be read, or holds something else; MalformedRow where it is no JSON.
    """
    found = read_json(path, what, nan=True, twice="last", limit=SETTINGS_BYTES, within=within)
    if not isinstance(found, dict):
        raise InputError(f"{path} holds a JSON {type(found).__name__}", what)
    return found


def read_toml(path: Path, what: str = "a TOML file") -> dict[str, Any]:
    """Return a TOML file's tables.

    Raises:
        InputError: It can't be read, or isn't TOML.
    """
    text = read_text(path, what, limit=SETTINGS_BYTES)
    try:
        found = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also an absurdly long number
        raise InputError(f"{path}: {error}", "TOML", "correct the line") from error
    if _deeper(found, MOST_LEVELS):
        raise InputError(f"{path} is nested deeper than {MOST_LEVELS} levels", "TOML")
    return found


def _deeper(value: Any, levels: int) -> bool:
    held = [value]
    for _ in range(levels + 1):
        held = [
            inner
            for each in held
            for inner in (each.values() if isinstance(each, dict) else each)
            if isinstance(inner, (dict, list))
        ]
    return bool(held)


def _said(error: json.JSONDecodeError, text: str) -> str:
    shown = text[error.pos : error.pos + 20].split("\n")[0].strip()
    return f"{error.msg}, at {shown!r}" if shown else f"{error.msg}, at the end of the line"


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError(f"key {first_twice(name for name, _ in pairs)!r:.60} twice in an object")
    return made


def first_twice(names: Iterable[str]) -> str:
    """Return the first duplicate name; there must be one."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    raise LookupError("every name once")


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text[:_SHOWN]}, a number beyond 1.8e308")
    return value


def _decoder(nan: bool, twice: Twice) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_object if twice == "refuse" else None,
        parse_int=whole_number,
        parse_float=None if nan else _finite,
        parse_constant=None if nan else _refuse,
    )


_DECODERS = {(nan, twice): _decoder(nan, twice) for nan in (False, True) for twice in _TWICE}
_STRICT = _DECODERS[False, "refuse"]


def _whole(path: Path, line: int, value: Any, at: str, halves: Halves) -> Any:
    """Return a value with unpaired surrogates replaced."""
    if isinstance(value, dict):
        return {
            _whole(path, line, key, at, halves): _whole(path, line, each, _below(at, key), halves)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_whole(path, line, each, f"{at}[{n}]", halves) for n, each in enumerate(value)]
    if isinstance(value, str) and (half := _HALF.search(value)):
        if halves == "replace":
            return _HALF.sub(HALF_KEPT, value)
        saw = f"half a character, \\u{ord(half.group()):04x}"
        expected = "whole characters: such escapes come in pairs"
        raise MalformedRow(path, line, saw, expected, at or None)
    return value


def _below(at: str, key: str) -> str:
    return f"{at}.{key}" if at else key
