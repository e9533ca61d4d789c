"""Rows of the files that data sets come in, as streams: JSONL, CSV and Parquet."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from weighbridge.errors import InputError, MalformedRow, MissingPiece

Row = dict[str, Any]
Rows = Iterator[tuple[int, Row]]

_BOM = b"\xef\xbb\xbf"
_LONGEST_CELL = 1 << 30  # characters; csv itself stops at 131,072
_BATCH_ROWS = 1024


def table_rows(path: Path) -> Rows:
    """Yield a file's rows, each with its 1-based line (Parquet: row), by the ending of its name.

    Raises:
        InputError: No table by its name, or it can't be read; MalformedRow names a row at fault.
        MissingPiece: What reads it is not installed.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{path} is no table by its name", f"one of {', '.join(READERS)}")
    return reader(path)


def jsonl_rows(path: Path) -> Rows:
    """Yield a file's objects, each with its 1-based line; empty lines are passed over.

    Raises:
        InputError: The file can't be read; MalformedRow names a line that is no object.
    """
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if number == 1:
                    line = line.removeprefix(_BOM)
                if line.strip():
                    yield number, _object(path, number, line)
    except OSError as error:
        raise _unreadable(path, error) from error


def _object(path: Path, number: int, line: bytes) -> Row:
    try:
        row = json.loads(line.decode("utf-8"), parse_constant=_refuse)
    except UnicodeDecodeError as error:
        raise MalformedRow(path, number, "a byte that is not UTF-8", "UTF-8 text") from error
    except json.JSONDecodeError as error:
        raise MalformedRow(path, number, error.msg, "a JSON object", error.colno) from error
    except (ValueError, RecursionError) as error:  # absurdly long numbers, absurd nesting
        raise MalformedRow(path, number, str(error)[:80], "a JSON object") from error
    if not isinstance(row, dict):
        raise MalformedRow(path, number, f"a {type(row).__name__}", "a JSON object")
    return row


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def csv_rows(path: Path, delimiter: str = ",") -> Rows:
    """Yield the rows under a header line, each with its 1-based first line; all cells are text.

    Raises:
        InputError: The file can't be read, or has no header; MalformedRow names a row at fault.
    """
    csv.field_size_limit(_LONGEST_CELL)
    try:
        # A byte order mark is no part of the first column's name; fields may hold newlines.
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _under_header(path, csv.reader(file, delimiter=delimiter, strict=True))
    except UnicodeDecodeError as error:
        line = _first_line_beyond_utf8(path)
        raise MalformedRow(path, line, "a byte that is not UTF-8", "UTF-8 text") from error
    except OSError as error:
        raise _unreadable(path, error) from error


def _under_header(path: Path, reader: Any) -> Rows:
    header: list[str] = []
    line = 1
    try:
        for cells in reader:
            if cells and not header:
                header = _header(path, line, cells)
            elif cells and len(cells) != len(header):
                saw, expected = f"{len(cells)} cells", f"{len(header)}, as the header has"
                raise MalformedRow(path, line, saw, expected)
            elif cells:
                yield line, dict(zip(header, cells, strict=True))
            line = reader.line_num + 1
    except csv.Error as error:
        raise MalformedRow(path, line, str(error), "CSV") from error


def _header(path: Path, line: int, cells: list[str]) -> list[str]:
    for other in (";", "\t", "|"):
        if len(cells) == 1 and other in cells[0]:
            raise InputError(
                f"{path}: the header has {other!r} between its columns",
                "commas, or a .tsv with tabs",
            )
    for name in cells:
        if not name.strip():
            raise MalformedRow(path, line, "a column without a name", "a header with names")
        if cells.count(name) > 1:
            raise MalformedRow(path, line, f"column {name!r} twice", "names that differ")
    return cells


def _first_line_beyond_utf8(path: Path) -> int:
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return number
    return 1


def parquet_rows(path: Path) -> Rows:
    """Yield a file's rows, each with its 1-based number.

    Raises:
        InputError: The file can't be read.
        MissingPiece: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet as parquet
    except ModuleNotFoundError as error:
        raise MissingPiece(
            f"{path} is a Parquet file, and pyarrow is not installed",
            "the extra [parquet]",
            "pip install 'weighbridge[parquet]'",
        ) from error
    number = 0
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(_BATCH_ROWS):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{path} can't be read ({str(error).splitlines()[0]})",
            "a whole Parquet file",
            "fetch it again",
        ) from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path} can't be read ({error.strerror})", "a readable file")


READERS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".csv": csv_rows,
    ".tsv": lambda path: csv_rows(path, "\t"),
    ".parquet": parquet_rows,
}
