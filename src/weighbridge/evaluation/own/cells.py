"""Reads the cells of one row; errors name the file, line and column."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from weighbridge.errors import MalformedRow, UnknownName
from weighbridge.models.requests import half_character
from weighbridge.records import Json, canonical_json
from weighbridge.sources.documents import parse_json
from weighbridge.sources.tables import Row


@dataclass(frozen=True)
class Cells:
    """A row's cells by column.

    Attributes:
        path: The file.
        line: 1-based.
        row: The cells.
        first: Whether it is the file's first row: a column that is missing there is misspelt.
    """

    path: Path
    line: int
    row: Row
    first: bool

    def value(self, column: str) -> Json:
        """Return a cell that holds something, as plain JSON.

        Raises:
            UnknownName: The file has no such column.
            MalformedRow: This row has none, or nothing in it, or what JSON can't hold.
        """
        if column not in self.row:
            if self.first:
                raise UnknownName(f"column of {self.path}", column, self.row)
            self.refuse("no such field", "what the other rows have", column)
        value: Json = self.row[column]
        if value is None or value == [] or (isinstance(value, str) and not value.strip()):
            self.refuse("nothing there", "a value", column)
        if isinstance(value, str):  # most are, and there may be millions
            self._check_whole(value, column)
            return value
        try:
            written = json.dumps(value, ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError):
            shown = repr(value)[:60]
            self.refuse(f"{shown}, a {type(value).__name__}", "text, a number or JSON", column)
        self._check_whole(written, column)
        try:
            canonical_json(value)
        except ValueError:  # a whole number beyond 2**53
            self.refuse(f"{written[:60]}", "whole numbers below 2**53, or text", column)
        return value

    def _check_whole(self, text: str, column: str) -> None:
        if half := half_character(text):
            self.refuse(f"half a character, {half[0]}", "such escapes in pairs", column)

    def text(self, column: str) -> str:
        """Return a cell as text; values other than strings as JSON."""
        value = self.value(column)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

    def text_if_any(self, column: str) -> str | None:
        """Return a cell as text; None where this row, but not the first, lacks it or it is empty.

        Raises:
            UnknownName: The file has no such column.
        """
        missing = column not in self.row and not self.first
        if missing or self.row.get(column, column) in (None, ""):
            return None
        return self.text(column)

    def listed(self, column: str) -> list[Json]:
        """Return a cell that holds a list; as text it is read as JSON, since CSV has only text."""
        value = self.value(column)
        if isinstance(value, str):
            value = self._parsed(column, value)
        if not isinstance(value, list) or not value:
            self.refuse(repr(value)[:60], 'a list, such as ["Rome", "Oslo"]', column)
        return value

    def object_(self, column: str) -> dict[str, Json]:
        """Return a cell that holds a JSON object; as text it is read as JSON."""
        value = self.value(column)
        if isinstance(value, str):
            value = self._parsed(column, value)
        if not isinstance(value, dict):
            self.refuse(repr(value)[:60], 'a JSON object, such as {"team": "billing"}', column)
        return value

    def refuse(self, saw: str, expected: str, column: str | None = None) -> NoReturn:
        """Say what is wrong with the row.

        Raises:
            MalformedRow: Always.
        """
        raise MalformedRow(self.path, self.line, saw, expected, column) from None

    def _parsed(self, column: str, text: str) -> Json:
        try:
            parsed: Json = parse_json(self.path, self.line, text)
        except MalformedRow:
            self.refuse(repr(text)[:60], "JSON", column)
        return parsed
