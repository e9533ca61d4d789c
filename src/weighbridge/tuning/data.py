"""Reads a file of tuning data in any of the formats that are known, as it is.

    file, or split of a Hub data set -> rows -> the one format that they are in
    -> conversations | preference pairs | plain texts

Formats are in `weighbridge.tuning.formats`, one file each. Which one a file is in, its rows say by
their columns; nothing is guessed: a file of two formats, a row that could be read in two ways, and
a column that is a near miss of one that matters are refused by line. Columns that nothing reads are
named in a note.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, MalformedRow
from weighbridge.records import canonical_digest
from weighbridge.sources.data_files import data_rows
from weighbridge.sources.hub_data import hub_files, is_hub_name
from weighbridge.tuning.data_format import (
    DataFormat,
    RawRow,
    data_formats,
    format_of,
    require_read,
)
from weighbridge.tuning.rows import (
    Conversation,
    PlainText,
    PreferencePair,
    RowKind,
    TuningRow,
    Turn,
)

__all__ = [
    "Conversation",
    "ConversationSet",
    "TuningData",
    "Turn",
    "read_conversations",
    "read_rows",
    "read_tuning_data",
]

EXPECTED = 'rows such as {"messages": [{"role", "content"}, …]}'
_TRUTHS = ("true", "false")


@dataclass(frozen=True)
class TuningData:
    """A file of tuning data.

    Attributes:
        path: The file, or the name of a split on the Hub.
        files: Where its rows stand: the file itself, or those of the split.
        format: The format that it is in.
        rows: In the order of the file, all of one kind.
        duplicates: Rows that repeat the content of an earlier row exactly. They are kept:
            a repeated row may be meant, but it is never silent.
        notes: What was read over, each as a sentence.
    """

    path: Path
    files: tuple[Path, ...]
    format: DataFormat
    rows: tuple[TuningRow, ...]
    duplicates: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ConversationSet:
    """A file of conversations.

    Attributes:
        path: As in `TuningData`.
        conversations: In the order of the file.
        duplicates: As in `TuningData`.
        notes: As in `TuningData`.
        files: As in `TuningData`.
    """

    path: Path
    conversations: tuple[Conversation, ...]
    duplicates: int
    notes: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()


def read_conversations(path: Path, *, offline: bool = False) -> ConversationSet:
    """Read a file whose rows SFT learns from: answers, or plain text.

    Args:
        path: As in `read_tuning_data`.
        offline: Likewise.

    Raises:
        InputError: As `read_tuning_data`; or its rows are of another kind.
    """
    data = read_rows(path, "conversations", offline=offline)
    conversations = tuple(row for row in data.rows if isinstance(row, Conversation))
    return ConversationSet(path, conversations, data.duplicates, data.notes, data.files)


def read_rows(path: Path, kind: RowKind, *, offline: bool = False) -> TuningData:
    """Read a file as `read_tuning_data` does, all of whose rows must be of one kind.

    Args:
        path: As there.
        kind: What an objective learns from.
        offline: As there.

    Raises:
        InputError: As there; or its rows are of another kind.
    """
    data = read_tuning_data(path, offline=offline)
    pairs = sum(isinstance(row, PreferencePair) for row in data.rows)
    counted = f"{path} holds {len(data.rows):,} row{'s' * (len(data.rows) != 1)} of "
    if kind == "conversations" and pairs:
        raise InputError(
            f"{counted}{data.format.title}: of two answers, which is preferred",
            "answers to learn, for objective sft",
            "learn from them with --objective dpo or orpo; or keep the preferred answers alone, as "
            "conversations",
        )
    if kind == "pairs" and pairs < len(data.rows):
        raise InputError(
            f"{counted}{data.format.title}: one answer each",
            "two answers in each row, one of them preferred, for objective dpo or orpo",
            "learn from it with --objective sft, or add to each row an answer that is worse",
        )
    return data


def read_tuning_data(path: Path, *, offline: bool = False) -> TuningData:
    """Read a file: JSON Lines, a JSON array, CSV or Parquet, in any known format.

    Args:
        path: The file; or `org/name:split` of a data set on the Hub, where no such file is.
        offline: Never reach for the Hub; its client's cache is used.

    Raises:
        InputError: The file is missing, unreadable, of no known format, or empty.
        MalformedRow: A row can't be read, or is in another format than those before it.
        MissingPiece: It is a Parquet file, and pyarrow is not installed; or it isn't on the Hub.
    """
    files: tuple[Path, ...] = (path,)
    if not path.exists() and is_hub_name(path):
        files = hub_files(path.as_posix(), offline=offline)
    notes: Counter[str] = Counter()
    rows: list[TuningRow] = []
    first: RawRow | None = None
    found: DataFormat | None = None
    for raw in _raw_rows(files, notes):
        form = _known(raw)
        if first is None or found is None:
            first, found = raw, form
        found = _same(raw, form, first, found)
        require_read(raw, form)
        rows.append(form.read(raw))
    if found is None:
        raise InputError(
            f"{path} holds no rows to tune on", EXPECTED, "add rows, or point at another file"
        )
    _require_own_ids(rows)
    digests = {canonical_digest(_content(row)) for row in rows}
    said = tuple(f"{note} ({times:,} times)" for note, times in sorted(notes.items()))
    return TuningData(path, files, found, tuple(rows), len(rows) - len(digests), said)


def _raw_rows(files: Sequence[Path], notes: Counter[str]) -> Iterator[RawRow]:
    for path in files:
        for line, row in data_rows(path, "a file of tuning data"):
            # Exports write a column that has no value as null.
            cells = {name: value for name, value in row.items() if value is not None}
            yield RawRow(path, line, cells, notes)


def _known(raw: RawRow) -> DataFormat:
    """Return a row's format.

    Raises:
        MalformedRow: None knows it, several do, or its answers are judged one by one.
    """
    if _is_judged(raw.cells):
        raise raw.refusal(
            "an answer that is judged good or bad by itself (label, as for KTO)",
            "answers to learn, or pairs of which one is preferred",
            "label",
            f"keep the good ones: jq -c 'select(.label) | del(.label)' {raw.path.name} "
            f"> {raw.path.stem}.good.jsonl",
        )
    form = format_of(raw)
    if form is None:
        columns = ", ".join(sorted(raw.cells)) or "none"
        names = ", ".join(each.title for each in data_formats())
        raise raw.refusal(
            f"a row that no format knows (columns: {columns:.120})",
            f"one of: {names}",
            do="name its columns as one of these has them",
        )
    return form


def _is_judged(cells: Mapping[str, Any]) -> bool:
    label = cells.get("label")
    return isinstance(label, bool) or (isinstance(label, str) and label.lower() in _TRUTHS)


def _same(raw: RawRow, form: DataFormat, first: RawRow, found: DataFormat) -> DataFormat:
    """Return the format of the rows so far.

    Raises:
        MalformedRow: This row is in another one.
    """
    if form is found or form.name in found.covers:
        return found
    if found.name in form.covers:
        return form
    where = f"line {first.line}" + ("" if raw.path == first.path else f" of {first.path.name}")
    raise raw.refusal(
        f"a row of {form.title}, where {where} is one of {found.title}",
        "one format in a file",
        do="put the rows of each format into a file of their own",
    )


def _require_own_ids(rows: Sequence[TuningRow]) -> None:
    known: dict[str, TuningRow] = {}
    for row in rows:
        if row.given_id and (other := known.setdefault(row.id, row)) is not row:
            where = "" if other.path == row.path else f" of {other.path.name}"
            saw = f"id {row.id!r} stands on line {other.line}{where} already"
            raise MalformedRow(row.path, row.line, saw, "ids that differ", "id")


def _content(row: TuningRow) -> str:
    """Return what a row says, without its place and its id, as text that equal rows share."""
    if isinstance(row, PlainText):
        return row.text
    parts = (
        (row.messages,) if isinstance(row, Conversation) else (row.prompt, row.chosen, row.rejected)
    )
    said = [[(turn.as_message(), turn.learnt) for turn in turns] for turns in parts]
    return json.dumps([said, row.tools], sort_keys=True)
