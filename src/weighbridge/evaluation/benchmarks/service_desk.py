"""Customer messages turned into JSON objects: the demo's own task, as a benchmark.

The labelling rule is in `examples/service_desk/README.md`. Another desk's files of the same form
(`test.jsonl`, `validation.jsonl`) can stand in their place, with labels of their own under the same
five keys.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

from weighbridge.errors import InputError, MalformedRow, MissingPiece, UnknownName
from weighbridge.evaluation.benchmark import (
    About,
    Asking,
    Benchmark,
    Grading,
    LoadRequest,
    Settings,
)
from weighbridge.evaluation.items import rows_once
from weighbridge.evaluation.scorers.json_object import score_json_object
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Generation, Json, Message, Sample, Score
from weighbridge.sources.tables import Row, jsonl_rows

FIELDS = ("category", "urgency", "product", "ask", "sentiment")
SUBSETS = ("test", "validation")


def load(request: LoadRequest) -> Iterator[Sample]:
    """Stream the items of a subset ("test" unless named) from the given data or the shipped one.

    Args:
        request: `data` may be a folder with `test.jsonl` and `validation.jsonl`, or one file. With
            shots, the first rows of the `train.jsonl` beside it stand before each question.

    Raises:
        MalformedRow: A row can't be read; the message says which and what would have been right.
        InputError: The file is missing or empty, or too few rows can serve as worked examples.
        UnknownName: The subset is neither "test" nor "validation".
    """
    path = _file(request)
    examples = _worked_examples(path.parent / "train.jsonl", request.settings.shots)
    return _samples(path, request.settings.limit, examples)


def _worked_examples(path: Path, shots: int) -> tuple[Message, ...]:
    """Return the first training rows as turns, without their instruction."""
    if not shots:
        return ()
    if shots < 0 or not path.is_file():
        raise InputError(
            f"--shots {shots}, and {'no ' * (not path.is_file())}{path}",
            "a number of worked examples, taken from the training rows",
            "leave --shots out, or put train.jsonl beside the items",
        )
    turns: list[Message] = []
    for taken, (number, row) in enumerate(jsonl_rows(path)):
        if taken == shots:
            return tuple(turns)
        said = _Row(path, number).turns(row)
        turns += [message for message in said if message.role != "system"]
    raise InputError(f"--shots {shots}", f"at most as many as {path} has rows", "ask for fewer")


def _samples(path: Path, limit: int | None, examples: tuple[Message, ...]) -> Iterator[Sample]:
    def rows() -> Iterator[tuple[int, Sample]]:
        return (
            (number, _Row(path, number).sample(row, examples)) for number, row in jsonl_rows(path)
        )

    count = 0
    for sample in rows_once(rows, path, "id", limit):
        count += 1
        yield sample
    if not count:
        raise InputError(f"{path} has no rows", "one JSON object per line", "check the path")


def prompt(sample: Sample, settings: Settings) -> Prompt:
    """Return instruction and message as turns, or as plain paragraphs without a chat template."""
    if settings.chat_template is False:
        return Prompt(text="".join(f"{message.content}\n\n" for message in sample.messages))
    return Prompt(messages=sample.messages)


def grade(sample: Sample, generation: Generation) -> Score:
    """Compare the object in the answer with the target; `parts` has one mark a field."""
    return score_json_object(generation, sample.target_object)


def gold(sample: Sample) -> str:
    """Return the target as compact JSON."""
    return json.dumps(sample.target, ensure_ascii=False, separators=(",", ":"))


def _file(request: LoadRequest) -> Path:
    subset = request.subset or SUBSETS[0]
    if subset not in SUBSETS:
        raise UnknownName("subset of service_desk", subset, SUBSETS)
    data = request.data or _shipped()
    path = data / f"{subset}.jsonl" if data.is_dir() else data
    if not path.is_file():
        raise InputError(
            f"no file {path}", f"a JSONL file, or a folder with {subset}.jsonl", "check the path"
        )
    return path


def _shipped() -> Path:
    """Return the folder of the data that comes with Weighbridge, installed or checked out."""
    package = Path(__file__).resolve().parents[2]
    for root in (package, package.parents[1]):
        folder = root / "examples" / "service_desk" / "data"
        if folder.is_dir():
            return folder
    raise MissingPiece(
        "the service desk data is not in this installation",
        f"a folder examples/service_desk/data in {package}",
        "reinstall: pip install --force-reinstall weighbridge",
    )


class _Row:
    """Reads the cells of one row; errors name the file, line and column."""

    def __init__(self, path: Path, line: int) -> None:
        self._path, self._line = path, line

    def sample(self, row: Row, examples: tuple[Message, ...]) -> Sample:
        """Return the item; worked examples stand behind its instruction."""
        name = row.get("id")
        if not isinstance(name, str) or not name:
            self._refuse("id", name, "a non-empty string")
        *asked, answer = self.turns(row)
        said = sum(message.role == "system" for message in asked)
        messages = (*asked[:said], *examples, *asked[said:])
        return Sample(id=name, messages=messages, target=self._target(answer))

    def turns(self, row: Row) -> list[Message]:
        """Return all turns, the right answer last."""
        return self._messages(row.get("messages"))

    def _messages(self, turns: Json) -> list[Message]:
        """Return the turns, of which the last two are the user's and the assistant's."""
        expected = 'turns {"role", "content"}, the last two of user and assistant'
        if not isinstance(turns, list):
            self._refuse("messages", turns, expected)
        messages = []
        for turn in turns:
            match turn:
                case {"role": ("system" | "user" | "assistant") as role, "content": str(content)}:
                    messages.append(Message(role, content))
                case _:
                    self._refuse("messages", turn, expected)
        if [message.role for message in messages[-2:]] != ["user", "assistant"]:
            self._refuse("messages", [message.role for message in messages], expected)
        return messages

    def _target(self, answer: Message) -> dict[str, Json]:
        expected = f"a JSON object with the keys {', '.join(FIELDS)}, each a string or null"
        try:
            target = json.loads(answer.content)
        except (ValueError, RecursionError):
            self._refuse("messages", answer.content, expected)
        if (
            not isinstance(target, dict)
            or tuple(target) != FIELDS
            or not all(value is None or isinstance(value, str) for value in target.values())
        ):
            self._refuse("messages", answer.content, expected)
        return target

    def _refuse(self, column: str | int | None, saw: object, expected: str) -> NoReturn:
        shown = saw if isinstance(saw, str) else repr(saw)
        shown = shown if len(shown) <= 80 else f"{shown[:79]}…"
        raise MalformedRow(self._path, self._line, shown or "nothing", expected, column) from None


BENCHMARK = Benchmark(
    name="service_desk",
    version="2",
    about=About(
        title="Service desk",
        summary="Turns a customer's message into a JSON object of five fields, right as a whole.",
        licence="Apache-2.0",
        source="Weighbridge, examples/service_desk",
    ),
    asking=Asking(
        protocols=("generative",),
        load=load,
        prompt=prompt,
        subsets=SUBSETS,
        sampling=Sampling(temperature=0.0, max_tokens=64),
        unit_size=20,
    ),
    grading=Grading(gold=gold, grade=grade),
)
