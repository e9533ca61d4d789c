"""Reads answers made elsewhere from a file, to be graded like a model's own."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import Benchmark, LoadRequest
from weighbridge.evaluation.fastchat import answer_turns
from weighbridge.models.protocol import (
    Capability,
    Generated,
    GenerateRequest,
    OnDone,
    PromptFinding,
    ScoreRequest,
    ScoreResult,
    Shape,
)
from weighbridge.records import Generation, ModelRef, Sample
from weighbridge.sources.digests import file_digest
from weighbridge.sources.documents import HALF_KEPT
from weighbridge.sources.tables import Row, jsonl_rows

_ENDS = (".gz", ".jsonl", ".ndjson", ".json", ".txt")
_COMPLETION = "completion"
_FORMS = (("sample_id", "text"), ("task_id", _COMPLETION))


@dataclass(frozen=True)
class Answers:
    """A file's answers by sample id, in the order of the file.

    Attributes:
        path: The file.
        by_sample: The answers.
        completions: Whether they continue a prompt's text, as HumanEval's own rows do; else they
            may be chat replies.
    """

    path: Path
    by_sample: dict[str, list[str]]
    completions: bool = False

    @property
    def name(self) -> str:
        """Name of the model that answered: the file's name without the endings of its format."""
        return name_of(self.path)

    @property
    def repeats(self) -> int:
        """Answers per sample.

        Raises:
            InputError: Some samples have more answers than others.
        """
        counts = {len(texts) for texts in self.by_sample.values()}
        if len(counts) > 1:
            raise InputError(
                f"{self.path} has {min(counts)} to {max(counts)} answers per sample",
                "the same number for each",
            )
        return counts.pop()


def name_of(path: Path) -> str:
    """Return a file's name without the extensions of its format; a version's dot is kept."""
    name = path.name
    while (end := Path(name).suffix).lower() in _ENDS:
        name = name.removesuffix(end)
    return name


def read_answers(path: Path) -> Answers:
    """Read a JSONL file of answers.

    Raises:
        InputError: The file is missing or empty; MalformedRow names a row that is wrong.
    """
    found: dict[str, list[str]] = {}
    # An answer with half a character was paid for: it is judged as it can be shown.
    completions = True
    for number, row in jsonl_rows(path, "a JSONL file of answers", halves="replace"):
        completions = completions and _COMPLETION in row and _FORMS[0][0] not in row
        for sample_id, text in _texts(path, number, row):
            found.setdefault(sample_id, []).append(text)
    if not found:
        raise InputError(f"{path} holds no answers", "at least one")
    return Answers(path, found, completions)


def _texts(path: Path, number: int, row: Row) -> list[tuple[str, str]]:
    for id_key, text_key in _FORMS:
        if id_key in row:
            if text_key not in row:
                raise MalformedRow(
                    path,
                    number,
                    f"{id_key} without {text_key}, beside {', '.join(row)}"[:100],
                    f'"{text_key}", or for whole programs {{"sample_id": …, "text": …}}',
                )
            if not isinstance(row[text_key], str):
                raise MalformedRow(path, number, repr(row[text_key])[:60], "text", text_key)
            return [(str(row[id_key]), row[text_key])]
    if {"question_id", "choices"} <= row.keys():  # MT-Bench, FastChat
        turns = answer_turns(path, number, row)
        return [(f"{row['question_id']}/{n}", text) for n, text in enumerate(turns, start=1)]
    raise MalformedRow(
        path,
        number,
        f"keys {', '.join(row)}"[:60],
        '{"sample_id": …, "text": …}, or HumanEval\'s or MT-Bench\'s own keys',
    )


class RecordedAnswers:
    """A model that replays the answers of a file."""

    device = "none"
    computed_tokens = 0
    capabilities = frozenset({Capability.GENERATE, Capability.CHAT})

    def __init__(self, answers: Answers, *, partial: bool = False) -> None:
        self._answers, self._partial = answers, partial
        self.on_done: OnDone = lambda requests: None
        broken = sum(HALF_KEPT in text for texts in answers.by_sample.values() for text in texts)
        self.notes: tuple[str, ...] = (
            (f"{broken} answers hold U+FFFD, which half a character in the file is kept as.",)
            if broken
            else ()
        )
        digest = file_digest(answers.path)
        self.ref = ModelRef(
            name=answers.name,
            source=f"answers:{answers.path.name}",
            weights_digest=digest,
            dtype="none",
        )

    def note_strangers(self, benchmark: Benchmark, items: Iterable[Sample]) -> None:
        """Note answers to items that the benchmark doesn't have; they are left out."""
        asked = {turn.id for item in items for turn in benchmark.asking.turns_of(item)}
        strangers = [sample_id for sample_id in self._answers.by_sample if sample_id not in asked]
        if strangers:
            self.notes += (
                f"{len(strangers)} answers in {self._answers.path.name} are to no item of "
                f"{benchmark.name}, such as {strangers[0]!r}: they were left out.",
            )

    def only_answered(self, benchmark: Benchmark) -> Benchmark:
        """Return the benchmark cut down to the items that the file answers."""
        asking = benchmark.asking

        def load(request: LoadRequest) -> Iterator[Sample]:
            return (item for item in asking.load(request) if answered(item))

        def answered(item: Sample) -> bool:
            return all(turn.id in self._answers.by_sample for turn in asking.turns_of(item))

        return replace(benchmark, asking=replace(asking, load=load))

    def check_prompts(self, shapes: Collection[Shape]) -> tuple[PromptFinding, ...]:
        """Answers that exist already need no prompts."""
        return ()

    def generate(self, requests: Iterable[GenerateRequest]) -> Iterator[Generated]:
        """Yield the recorded answers.

        Raises:
            InputError: An item has no answer in the file.
        """
        for request in requests:
            texts = self._answers.by_sample.get(request.sample_id)
            if texts is None:
                raise InputError(
                    f"{self._answers.path} has no answer to {request.sample_id}",
                    "one for each item",
                    "add it, or judge only the items answered with --partial",
                )
            text = texts[request.repeat]
            generation = Generation(request.sample_id, request.repeat, text, "end", 0, 0, 0)
            yield Generated(generation, request.prompt.text or "")

    def score(self, requests: Iterable[ScoreRequest]) -> Iterator[ScoreResult]:
        """Recorded text has no likelihoods."""
        raise InputError("recorded answers have no likelihoods", "protocol generative")

    def close(self) -> None:
        """Nothing to release."""
