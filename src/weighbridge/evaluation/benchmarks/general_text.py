"""What general text costs a model, in bits per byte: sees what tuning made it forget.

Tuning on one task can cost a model what it knew of everything else. A handful of problems that a
small model hardly solves can't show that; the log-loss of plain text can, because every word of it
is evidence. Documents of many subjects, short conversations, programs and other languages than
English come with Weighbridge (`texts/`, written for it). A file of one's own in the same form takes
their place: `--data general_text=FILE`, of rows with `text`, or `messages` of which the last turn
is measured.

A document is read from its beginning; one that is longer than the model's context is refused, since
a loss over pieces is another number.
"""

from collections.abc import Iterator
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.benchmark import (
    About,
    Asking,
    Benchmark,
    Grading,
    LoadRequest,
    Settings,
)
from weighbridge.evaluation.items import rows_once
from weighbridge.models.protocol import Prompt
from weighbridge.records import Message, Sample
from weighbridge.records.scale import BITS_PER_BYTE
from weighbridge.sources.tables import Row, jsonl_rows

KINDS = ("prose", "conversation", "code", "language")
_SHIPPED = Path(__file__).resolve().parent / "texts" / "general_text.jsonl"
_EXPECTED = 'a row with "text", or with "messages" of which the last is the assistant\'s'


def load(request: LoadRequest) -> Iterator[Sample]:
    """Stream the documents of a kind, or all of them.

    Raises:
        MalformedRow: A row can't be read.
        InputError: There are none.
        UnknownName: No such kind.
    """
    if request.subset is not None and request.subset not in KINDS:
        raise UnknownName("kind of text", request.subset, KINDS)
    path = request.data or _SHIPPED
    if not path.is_file():
        raise InputError(f"no file {path}", "a JSONL file of texts", "check the path")

    def rows() -> Iterator[tuple[int, Sample]]:
        read = ((number, _sample(path, number, row)) for number, row in jsonl_rows(path))
        return (one for one in read if request.subset in (None, _kind(one[1])))

    found = False
    for sample in rows_once(rows, path, "id", request.settings.limit):
        found = True
        yield sample
    if not found:
        raise InputError(f"{path} holds no texts", _EXPECTED)


def _sample(path: Path, number: int, row: Row) -> Sample:
    """Read one row: a document is a lone turn, and its own question."""
    name = row.get("id", f"{path.stem}-{number:06d}")
    text, turns = row.get("text"), row.get("messages")
    kind = row.get("kind", "prose" if turns is None else "conversation")
    if not isinstance(name, str) or not isinstance(kind, str):
        raise MalformedRow(path, number, f"id {name!r:.40}, kind {kind!r:.40}", "texts")
    if isinstance(text, str) and text.strip() and turns is None:
        return Sample(name, (Message("user", text),), text, metadata={"kind": kind})
    read = _turns(turns) if text is None else []
    if len(read) < 2 or read[-1].role != "assistant" or not read[-1].content.strip():
        raise MalformedRow(path, number, ", ".join(map(str, row)) or "nothing", _EXPECTED)
    return Sample(name, tuple(read[:-1]), read[-1].content, metadata={"kind": kind, "chat": True})


def _turns(value: object) -> list[Message]:
    """Return a conversation's turns; none where it is no conversation."""
    found = []
    for turn in value if isinstance(value, list) else []:
        match turn:
            case {"role": ("system" | "user" | "assistant") as role, "content": str(content)}:
                found.append(Message(role, content))
            case _:
                return []
    return found


def _kind(sample: Sample) -> str:
    return sample.text("kind")


def prompt(sample: Sample, settings: Settings) -> Prompt:
    """Return the turns before the text that is measured; nothing before a document."""
    if "chat" not in sample.metadata:
        return Prompt(text="")
    if settings.chat_template is False:
        before = [f"{message.role.capitalize()}: {message.content}" for message in sample.messages]
        return Prompt(text="\n\n".join([*before, "Assistant:"]))
    return Prompt(messages=sample.messages)


def continuations(sample: Sample, settings: Settings) -> tuple[str, ...]:
    """Return the text that is measured."""
    apart = "chat" in sample.metadata and settings.chat_template is False
    return (" " * apart + sample.target_text,)


BENCHMARK = Benchmark(
    name="general_text",
    version="1",
    about=About(
        title="General text",
        summary="Log-loss on prose, conversations, code and other languages, in bits per byte.",
        licence="Apache-2.0",
        source="Weighbridge, evaluation/benchmarks/texts",
        labels=lambda sample: {"kind": _kind(sample)},
    ),
    asking=Asking(
        protocols=("bits_per_byte",),
        load=load,
        prompt=prompt,
        continuations=continuations,
        subsets=KINDS,
        chat_by_default=True,
        unit_size=16,
    ),
    grading=Grading(gold=lambda sample: sample.target_text, scale=BITS_PER_BYTE),
)
