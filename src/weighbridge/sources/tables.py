"""Rows of the files that data sets come in: JSONL and Parquet."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow

Row = dict[str, Any]


def jsonl_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield a file's objects, each with its 1-based line; empty lines are passed over.

    Raises:
        InputError: The file can't be read; MalformedRow names a line that is no object.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror})", "a readable file") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.decode("utf-8"))
        except UnicodeDecodeError as error:
            raise MalformedRow(path, number, "a byte that is not UTF-8", "UTF-8 text") from error
        except (ValueError, RecursionError) as error:
            raise MalformedRow(path, number, str(error)[:80], "a JSON object") from error
        if not isinstance(row, dict):
            raise MalformedRow(path, number, f"a {type(row).__name__}", "a JSON object")
        yield number, row


def parquet_rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Yield a file's rows, each with its 1-based number.

    Raises:
        InputError: The file can't be read.
    """
    import pyarrow
    import pyarrow.parquet as parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise InputError(
            f"{path} can't be read ({str(error).splitlines()[0]})",
            "a whole Parquet file",
            "fetch it again",
        ) from error
    yield from enumerate(rows, start=1)
