"""Rows of a data file of any usual kind: JSON Lines, a JSON array, CSV or Parquet.

What a file is, its first bytes say where they can (Parquet, a JSON array), else the ending of its
name: `.csv` and `.tsv` are tables, everything else is JSON Lines.
"""

import json
from collections.abc import Iterator
from pathlib import Path

from weighbridge.errors import MalformedRow
from weighbridge.sources.documents import Halves, parse_json
from weighbridge.sources.regular_files import open_regular
from weighbridge.sources.tables import (
    READERS,
    Rows,
    jsonl_rows,
    parquet_rows,
    table_ending,
)
from weighbridge.sources.text_files import read_text, text_lines

_TABLES = (".csv", ".tsv")
_PARQUET = b"PAR1"
_SCANNER = json.JSONDecoder()


def data_rows(
    path: Path, what: str = "a data file", *, nan: bool = False, halves: Halves = "refuse"
) -> Rows:
    """Yield a file's rows, each with its 1-based line (of Parquet: its number).

    Args:
        path: The file; all but Parquet may be compressed.
        what: What it was expected to be, for messages.
        nan: Whether NaN and Infinity are read as numbers in JSON.
        halves: Whether half a character is refused in JSON, or replaced by U+FFFD.

    Raises:
        InputError: The file can't be read; MalformedRow names a row at fault.
        MissingPiece: What reads it is not installed.
    """
    ending = table_ending(path)
    if ending == ".parquet" or _is_parquet(path):
        return parquet_rows(path)
    if ending in _TABLES:
        return READERS[ending](path)
    if _is_array(path, what):
        return json_rows(path, what, nan=nan, halves=halves)
    return jsonl_rows(path, what, nan=nan, halves=halves)


def is_one_document(path: Path, what: str = "a data file") -> bool:
    """Whether a file holds its rows as one document: a table, Parquet, or a JSON array.

    Raises:
        InputError: It can't be read.
    """
    ending = table_ending(path)
    return ending in (".parquet", *_TABLES) or _is_parquet(path) or _is_array(path, what)


def json_rows(
    path: Path, what: str = "a JSON array", *, nan: bool = False, halves: Halves = "refuse"
) -> Rows:
    """Yield the objects of a JSON array, each with the line on which it begins.

    Raises:
        InputError: The file can't be read; MalformedRow where it is no array of objects.
    """
    text = read_text(path, what)
    rows = parse_json(path, 1, text, nan=nan, halves=halves)
    if not isinstance(rows, list):
        raise MalformedRow(path, 1, f"a JSON {type(rows).__name__}", "an array of objects")
    for line, row in zip(_lines(text), rows, strict=True):
        if not isinstance(row, dict):
            raise MalformedRow(path, line, f"a {type(row).__name__}", "a JSON object")
        yield line, row


def _lines(text: str) -> Iterator[int]:
    """Yield the line on which each element of an array begins; the text is known to be one."""
    line, at = 1, text.index("[") + 1
    counted = 0
    while True:
        at += len(text[at : at + 4096]) - len(text[at : at + 4096].lstrip(" \t\r\n,"))
        if text[at] == "]":
            return
        if text[at] in " \t\r\n,":  # a gap longer than what was looked at
            continue
        line, counted = line + text.count("\n", counted, at), at
        yield line
        _, at = _SCANNER.raw_decode(text, at)


def _is_parquet(path: Path) -> bool:
    try:
        with open_regular(path) as file:
            return file.read(len(_PARQUET)) == _PARQUET
    except OSError:  # told by whoever reads it
        return False


def _is_array(path: Path, what: str) -> bool:
    """Whether a file is an array of objects, by its first line that is not blank."""
    first = next((line for _, line in text_lines(path, what) if line.strip()), "").lstrip()
    if not first.startswith("["):
        return False
    try:
        value = json.loads(first)
    except (ValueError, RecursionError):  # it goes on over lines
        return True
    return all(isinstance(row, dict) for row in value)
