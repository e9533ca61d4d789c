"""What a data format is, and the row that its file is given to read.

The folder `weighbridge.tuning.formats` is the registry: each of its files defines one `FORMAT`,
named as the file is.
"""

import difflib
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from weighbridge.errors import MalformedRow
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.records import Json
from weighbridge.sources.documents import parse_json
from weighbridge.tuning.rows import TuningRow

_FOLDER = Path(__file__).parent / "formats"
_NEAR = 0.8
_MEDIA = ("image", "images", "audio", "audios", "video", "videos")


@dataclass(frozen=True)
class RawRow:
    """One row as it stands in a file.

    Attributes:
        path: The file.
        line: Its 1-based line.
        cells: By column; exports write a column that has no value as null, which is left out here.
        notes: What is to be said of the file, with how often; all of its rows share one.
    """

    path: Path
    line: int
    cells: Mapping[str, Any]
    notes: Counter[str] = field(default_factory=Counter)

    def refusal(
        self,
        saw: str,
        expected: str,
        column: str | None = None,
        do: str = "correct the row and run again",
    ) -> MalformedRow:
        """Return the error that refuses this row; arguments are as in `MalformedRow`."""
        return MalformedRow(self.path, self.line, saw, expected, column, do)

    @property
    def name(self) -> tuple[str, bool]:
        """The row's id, and whether the file gives it."""
        given = "id" in self.cells
        return (str(self.cells["id"]) if given else f"line {self.line}"), given

    def text(self, column: str) -> str:
        """Return a column's text; "" where it is absent.

        Raises:
            MalformedRow: Something else stands there.
        """
        value = self.cells.get(column, "")
        if not isinstance(value, str):
            raise self.refusal(f"a value of type {type(value).__name__}", "text", column)
        return value

    def first_text(self, columns: Collection[str]) -> str:
        """Return the text of the one column that is there and not empty; "" where none is.

        Raises:
            MalformedRow: There are two, or it is no text.
        """
        there = [name for name in columns if self.cells.get(name)]
        if len(there) > 1:
            raise self.refusal(f"both {there[0]} and {there[1]}", "one of them", there[1])
        return self.text(there[0]) if there else ""

    def listed(self, column: str) -> list[Any]:
        """Return a column's list; tables hold it as JSON text.

        Raises:
            MalformedRow: It is none.
        """
        value = self.cells.get(column)
        if isinstance(value, str):
            value = self.parsed(value, column, "a list")
        if not isinstance(value, list):
            raise self.refusal(f"a value of type {type(value).__name__}", "a list", column)
        return value

    def parsed(self, text: str, column: str, expected: str) -> Any:
        """Return the value of JSON that stands as text in a cell.

        Raises:
            MalformedRow: It is none.
        """
        try:
            return parse_json(self.path, self.line, text)
        except MalformedRow as error:
            saw = f"text that is no JSON ({text.strip():.40})"
            raise self.refusal(saw, expected, column) from error

    def say(self, note: str) -> None:
        """Count something that a person must know of the whole file."""
        self.notes[note] += 1


@dataclass(frozen=True)
class DataFormat:
    """How rows of one format are known and read.

    Attributes:
        name: The file's stem.
        title: What people call it.
        example: A small row of our own, for the documentation and the contract tests.
        columns: All columns that it reads; a row may have others, which are named in a note.
        recognises: Whether a row (without nulls) is one of its own, by its columns and their kinds.
        read: Returns what a row becomes; raises MalformedRow.
        covers: Formats whose rows it reads as well, so that a file may hold both.
        yields: Whether a row that another format knows, too, is that one's.
    """

    name: str
    title: str
    example: Mapping[str, Json]
    columns: frozenset[str]
    recognises: Callable[[Mapping[str, Any]], bool]
    read: Callable[[RawRow], TuningRow]
    covers: frozenset[str] = frozenset()
    yields: bool = False


def format_names() -> tuple[str, ...]:
    """Names of all formats."""
    return names_in(_FOLDER)


@cache
def data_formats() -> tuple[DataFormat, ...]:
    """Return all formats, in the order of their names."""
    return tuple(
        defined_in(f"weighbridge.tuning.formats.{name}", "FORMAT", DataFormat)
        for name in format_names()
    )


def format_of(row: RawRow) -> DataFormat | None:
    """Return the format that a row is in; None where none knows it.

    Raises:
        MalformedRow: Several formats know it, so that reading it as one would be a guess.
    """
    known = [form for form in data_formats() if form.recognises(row.cells)]
    known = [form for form in known if not form.yields] or known
    if len(known) < 2:
        return known[0] if known else None
    one, other = known[:2]
    kept = ", ".join(sorted(one.columns & set(row.cells)))
    path = row.path
    raise row.refusal(
        f"a row that is {one.title} as well as {other.title} (columns "
        f"{', '.join(sorted(row.cells))})",
        "one format",
        do=f"keep the columns of one: jq -c '{{{kept}}}' {path.name} > {path.stem}.kept.jsonl",
    )


def require_read(row: RawRow, form: DataFormat) -> None:
    """Check columns that the format doesn't read: they are noted, unless one was meant otherwise.

    Raises:
        MalformedRow: A column is a near miss of one that would be read, or holds pictures or sound.
    """
    wider = form.columns.union(*(f.columns for f in data_formats() if form.name in f.covers))
    for column in sorted(set(row.cells) - form.columns):
        if column in _MEDIA and row.cells[column]:
            raise row.refusal(f"{column}, which can't be learnt here", "rows of text alone", column)
        near = difflib.get_close_matches(column, wider - set(row.cells), 1, _NEAR)
        if near:
            raise row.refusal(
                f"key {column!r}, which nothing reads",
                ", ".join(sorted(wider)),
                column,
                f"did you mean {near[0]}?",
            )
        row.say(f"column {column!r} is not read")
