"""Streams rows of JSONL, CSV and Parquet files."""

import csv
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow, MissingPiece, in_one_line
from weighbridge.sources.documents import Halves, first_twice, parse_json
from weighbridge.sources.regular_files import (
    LINE_BYTES,
    UNPACKED_FREE_BYTES,
    UNPACKED_RATIO,
    open_regular,
)
from weighbridge.sources.text_files import COMPRESSED, text_lines

Row = dict[str, Any]
Rows = Iterator[tuple[int, Row]]

_LONGEST_CELL = LINE_BYTES  # characters; csv itself stops at 131,072
MOST_COLUMNS = 16_384
"""Of a table; Excel has as many."""
_BATCH_ROWS, _LEAST_BATCH_ROWS, _BATCH_BYTES = 1024, 16, 256 << 20
_DELIMITERS = (";", "\t", "|")
_EXCEL_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)


def table_rows(path: Path) -> Rows:
    """Yield a file's rows, each with its 1-based line (Parquet: row), by its extension.

    Raises:
        InputError: Its extension is no table's, or it can't be read; MalformedRow names the row.
        MissingPiece: The package that reads it is not installed.
    """
    ending = table_ending(path)
    reader = READERS.get(ending)
    if reader is None:
        do = {
            ".xlsx": "save the sheet as CSV UTF-8",
            ".xls": "save the sheet as CSV UTF-8",
            ".json": f"write one object a line: jq -c '.[]' {path.name} > {path.stem}.jsonl",
        }.get(ending, "")
        raise InputError(f"{path} has no extension of a table", f"one of {', '.join(READERS)}", do)
    return reader(path)


def table_ending(path: Path) -> str:
    """Return a file's extension without that of its compression: `.jsonl` of `a.jsonl.gz`.

    >>> table_ending(Path("runs.CSV.gz"))
    '.csv'
    """
    endings = [ending.lower() for ending in path.suffixes]
    while len(endings) > 1 and endings[-1] in COMPRESSED:
        endings.pop()
    return endings[-1] if endings else ""


def jsonl_rows(
    path: Path,
    what: str = "a JSONL file",
    *,
    nan: bool = False,
    halves: Halves = "refuse",
    within: Path | None = None,
) -> Rows:
    """Yield a file's objects, each with its 1-based line; empty lines are skipped.

    Args:
        path: The file, which may be compressed.
        what: What it was expected to be, for messages.
        nan: Whether NaN and Infinity are read as numbers: harnesses write them.
        halves: Whether half a character is refused, or replaced by U+FFFD.
        within: The folder that it is a part of, out of which no link may lead.

    Raises:
        InputError: The file can't be read; MalformedRow names a line that is no object.
    """
    first = True
    for number, line in text_lines(path, what, within=within):
        if line.strip():
            if first:
                _refuse_whole_document(path, number, line)
            first = False
            row = parse_json(path, number, line, nan=nan, halves=halves)
            if not isinstance(row, dict):
                raise MalformedRow(path, number, f"a {type(row).__name__}", "a JSON object")
            yield number, row


def _refuse_whole_document(path: Path, number: int, line: str) -> None:
    """Refuse a JSON document (a list, an object over several lines) in place of JSON Lines."""
    if line.strip() in ("{", "[", "[{"):
        raise MalformedRow(
            path, number, "JSON that goes on over lines", "one JSON object per line",
            do=f"convert it: jq -c '.[]?' {path.name}",
        )  # fmt: skip


def csv_rows(path: Path, delimiter: str = ",") -> Rows:
    """Yield the rows under a header line, each with its 1-based first line; all cells are text.

    A header of one cell with semicolons, tabs or bars shows the separator, and so does Excel's
    `sep=` before it. Columns without a name are dropped if they are empty, and the first one if it
    numbers the rows, as pandas writes it; rows of empty cells are skipped.

    Raises:
        InputError: The file can't be read, or has no header; MalformedRow names a row at fault.
    """
    header, rows = csv_table(path, delimiter)
    return ((line, dict(zip(header, cells, strict=True))) for line, cells in rows)


def csv_table(
    path: Path, delimiter: str = ","
) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the names of the columns, and the rows as `csv_rows` reads them.

    Raises:
        InputError: As `csv_rows`.
    """
    csv.field_size_limit(_LONGEST_CELL)
    lines = (line for _, line in text_lines(path, "a CSV file with a header"))
    skipped, delimiter, first = _separator(lines, delimiter)
    if not first.strip():
        raise InputError(f"{path} is empty", "a CSV file with a header")
    if first.lstrip().startswith('{"'):
        raise MalformedRow(path, 1 + skipped, "JSON", "a CSV header", do="name the file .jsonl")
    rows = _parsed(path, skipped, [first], lines, delimiter)
    line, header = next(rows, (1, []))
    if not header:
        raise InputError(f"{path} has no header", "a CSV file with a header")
    header = [name.strip() for name in header]
    named = _named(path, line, header)
    return [header[at] for at in named], _under_header(path, header, named, rows)


def cells_of(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the cells of each row of CSV text, each with its last line.

    Args:
        path: The text's file, for messages.
        text: The CSV, whose line endings may be mixed: inside a cell they are kept.

    Raises:
        MalformedRow: It isn't CSV.
    """
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader(io.StringIO(text, newline=""))
    try:
        for cells in reader:
            if len(cells) > MOST_COLUMNS:
                raise _wide(path, reader.line_num, len(cells))
            yield reader.line_num, cells
    except csv.Error as error:
        raise MalformedRow(path, reader.line_num, str(error), "CSV") from error


def _separator(lines: Iterator[str], delimiter: str) -> tuple[int, str, str]:
    """Return the number of lines before the header, the delimiter, and the header's first line."""
    skipped, first = 0, next(lines, "")
    if found := _EXCEL_SEPARATOR.fullmatch(first):
        delimiter, skipped, first = found[1], 1, next(lines, "")
    else:
        while first and not first.strip():
            skipped, first = skipped + 1, next(lines, "")
        if _cells(first, delimiter) == 1:
            wider = [each for each in _DELIMITERS if _cells(first, each) > 1]
            delimiter = wider[0] if len(wider) == 1 else delimiter
    return skipped, delimiter, first


def _too_wide(line: str, delimiter: str) -> bool:
    """Whether a line without quotes has too many cells, before they are split."""
    return len(line) > MOST_COLUMNS and '"' not in line and line.count(delimiter) >= MOST_COLUMNS


def _cells(line: str, delimiter: str) -> int:
    if _too_wide(line, delimiter):
        return MOST_COLUMNS + 1
    try:
        return len(next(csv.reader([line], delimiter=delimiter), []))
    except csv.Error:  # told with its line when the table is read
        return 0


def _parsed(
    path: Path, skipped: int, first: Iterable[str], rest: Iterator[str], delimiter: str
) -> Iterator[tuple[int, list[str]]]:
    """Yield rows that are not empty, each with its first line."""
    line, held = 1 + skipped, 0

    def lines() -> Iterator[str]:
        nonlocal held
        for text in chain(first, rest):
            held += len(text)
            if held > LINE_BYTES:
                saw = f"a row of more than {LINE_BYTES:,} characters"
                raise MalformedRow(path, line, saw, "a row that ends")
            if _too_wide(text, delimiter):
                raise _wide(path, line, text.count(delimiter) + 1)
            yield text

    reader = csv.reader(lines(), delimiter=delimiter, strict=True)
    try:
        for cells in reader:
            held = 0
            if len(cells) > MOST_COLUMNS:
                raise _wide(path, line, len(cells))
            if any(cell.strip() for cell in cells):
                yield line, cells
            line = reader.line_num + 1 + skipped
    except csv.Error as error:
        raise MalformedRow(path, line, str(error), "CSV") from error


def _wide(path: Path, line: int, columns: int) -> MalformedRow:
    return MalformedRow(path, line, f"{columns:,} columns", f"at most {MOST_COLUMNS:,}")


def _named(path: Path, line: int, header: list[str]) -> list[int]:
    """Return the positions of the columns that have a name."""
    names = [name for name in header if name]
    if len(set(names)) < len(names):
        saw = f"column {first_twice(names)!r} twice"
        raise MalformedRow(path, line, saw, "names that differ")
    for delimiter in _DELIMITERS:
        if len(header) == 1 and delimiter in header[0]:
            saw = f"the header has {delimiter!r} between its columns, among others"
            raise MalformedRow(path, line, saw, "commas, or a .tsv with tabs")
    return [at for at, name in enumerate(header) if name]


def _under_header(
    path: Path, header: list[str], named: list[int], rows: Iterator[tuple[int, list[str]]]
) -> Iterator[tuple[int, list[str]]]:
    nameless = [at for at, name in enumerate(header) if not name]
    for line, cells in rows:
        while len(cells) > len(header) and not cells[-1].strip():
            cells.pop()
        if len(cells) != len(header):
            saw, expected = f"{len(cells)} cells", f"{len(header)}, as the header has"
            raise MalformedRow(path, line, saw, expected)
        for at in nameless:
            if cells[at].strip() and not (at == 0 and cells[at].strip().isdecimal()):
                saw = f"{cells[at][:40]!r} under no name"
                raise MalformedRow(path, line, saw, "a header that names it", at + 1)
        yield line, [cells[at] for at in named]


def parquet_rows(path: Path, *, within: Path | None = None) -> Rows:
    """Yield a file's rows, each with its 1-based number.

    Args:
        path: The file.
        within: The folder that it is a part of, out of which no link may lead.

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
    number = unpacked = 0
    try:
        with (
            open_regular(path, "a Parquet file", within=within) as raw,
            parquet.ParquetFile(raw) as file,
        ):
            packed = os.fstat(raw.fileno()).st_size
            for batch in file.iter_batches(_rows_at_once(path, packed, file.metadata)):
                unpacked += batch.nbytes
                _check_unpacked(path, packed, unpacked)
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except FileNotFoundError as error:
        raise InputError(f"no file at {path}", "a Parquet file", "check the path") from error
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError, LookupError, TypeError,
            RecursionError) as error:  # fmt: skip
        raise InputError(
            f"{path} can't be read ({in_one_line(error)})",
            "a whole Parquet file",
            "fetch it again",
        ) from error


def _rows_at_once(path: Path, packed: int, metadata: Any) -> int:
    """Return how many rows to build at a time: a value that is stored once may be in each of them.

    Raises:
        InputError: By its own metadata the file holds too much.
    """
    if metadata.num_columns > MOST_COLUMNS:
        raise _wide(path, 1, metadata.num_columns)
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    sizes = [
        group.column(at).total_uncompressed_size
        for group in groups
        for at in range(group.num_columns)
    ]
    _check_unpacked(path, packed, sum(sizes))
    return min(_BATCH_ROWS, max(_LEAST_BATCH_ROWS, _BATCH_BYTES // max(sizes, default=1)))


def _check_unpacked(path: Path, packed: int, unpacked: int) -> None:
    if unpacked > max(UNPACKED_FREE_BYTES, packed * UNPACKED_RATIO):
        raise InputError(
            f"{path} unpacks to more than {UNPACKED_RATIO} times its size",
            "a table of ordinary contents",
            "if it is one, write it as JSONL",
        )


READERS: dict[str, Callable[[Path], Rows]] = {
    ".jsonl": jsonl_rows,
    ".ndjson": jsonl_rows,
    ".csv": csv_rows,
    ".tsv": lambda path: csv_rows(path, "\t"),
    ".parquet": parquet_rows,
}
