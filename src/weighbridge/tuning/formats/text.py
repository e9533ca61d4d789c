"""Plain text: `text` alone, of which every token is learnt; no chat template writes it."""

from collections.abc import Mapping
from typing import Any

from weighbridge.tuning.data_format import DataFormat, RawRow
from weighbridge.tuning.rows import PlainText


def _recognises(row: Mapping[str, Any]) -> bool:
    return "text" in row


def _read(row: RawRow) -> PlainText:
    text = row.text("text")
    if not text.strip():
        raise row.refusal("an empty text", "text", "text")
    name, given = row.name
    return PlainText(name, (), row.path, row.line, given, text=text)


FORMAT = DataFormat(
    name="text",
    title="plain text",
    example={"text": "A parcel that left on Monday arrives on Thursday."},
    columns=frozenset({"id", "text"}),
    recognises=_recognises,
    read=_read,
    yields=True,
)
