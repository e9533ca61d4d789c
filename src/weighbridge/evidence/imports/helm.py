"""HELM's run folders, or its answers as tables: one row a question, one column a model.

Run folders are read by `weighbridge.evidence.helm_runs`. Tables, a file a subject, have the
layout of `original_helm_combined` in aryopg/mmlu-redux: columns `question`, `choices` (a Python
list of texts), then one for each model with the first token that it wrote. The tables hold no right
answers; these are joined from `--gold` by subject, question and choices.

HELM asks for one token and compares it with the letter. An answer that is no letter of a choice
("To", "Let": the model began to reason) is `Ungraded("unparsed")`: it counts as wrong in the mean,
as HELM counts it, and the mean over graded answers stands beside it.
"""

import string
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evidence.helm_runs import read_runs, run_folders
from weighbridge.evidence.importing import (
    UNREADABLE,
    HarnessRun,
    HarnessRuns,
    Importer,
    ImportRequest,
    imported_sample,
    why_unread,
)
from weighbridge.records import Graded, Sample, Score, ScoredSample, Ungraded
from weighbridge.sources.python_code import literal
from weighbridge.sources.tables import cells_of
from weighbridge.sources.text_files import read_text

COLUMNS = ("question", "choices")
_RUN_FILE = "scenario_state.json"
_LONGEST_CHOICES = 1 << 20  # characters, read as Python writes a list
UNKNOWN = (
    "prompts and shots", "sampling", "tokens", "when and where it ran", "the models' weights"
)  # fmt: skip


@dataclass(frozen=True)
class _Row:
    """A question with every model's answer."""

    line: int
    question: str
    choices: tuple[str, ...]
    answers: dict[str, str]


def _read(request: ImportRequest) -> HarnessRuns:
    if folders := run_folders(request.path):
        return read_runs(folders, request)
    if request.gold is None:
        raise InputError(
            f"no {_RUN_FILE} in {request.path}, and HELM's tables hold no right answers",
            "a run folder as HELM writes it, or --gold PATH with the items",
        )
    paths = _paths(request.path)
    gold = _Gold(request.gold())
    shown = request.shows(request.benchmark)
    samples: dict[str, list[ScoredSample]] = defaultdict(list)
    counts = Counter[str]()
    within, left_out = request.path if request.path.is_dir() else None, list[str]()
    for path in paths:
        try:
            rows = list(_rows(path, within))
        except UNREADABLE as error:
            if within is None:
                raise
            left_out.append(f"{path.name}: {why_unread(error)}")
            continue
        for row in rows:
            item, how = gold.find(path.stem, row)
            counts[how] += 1
            if item is None:
                continue
            for model, answer in row.answers.items():
                samples[model].append(_sample(item, row, answer, shown))
    if left_out and not samples:
        return HarnessRuns((), tuple(left_out))
    if not samples:
        raise InputError(
            f"none of {sum(counts.values())} questions in {request.path} is in --gold",
            "the benchmark's items that were asked",
            "check --gold and --benchmark",
        )
    notes = _notes(counts, gold)
    return HarnessRuns(
        tuple(
            HarnessRun(
                model=model,
                benchmark=request.benchmark,
                benchmark_version="helm",
                protocol="generative",
                samples=tuple(answered),
                files=paths,
                unknown=UNKNOWN,
                notes=notes,
            )
            for model, answered in samples.items()
        ),
        tuple(left_out),
    )


def _paths(path: Path) -> tuple[Path, ...]:
    if not path.is_dir():
        return (path,)
    found = tuple(sorted(path.glob("*.csv"))) or tuple(sorted(path.rglob("*.csv")))
    if not found:
        raise InputError(f"no .csv in {path}", "one table a subject")
    return found


def _rows(path: Path, within: Path | None) -> Iterator[_Row]:
    rows = cells_of(path, read_text(path, "a table of answers", within=within))
    _, header = next(rows, (1, []))
    if tuple(header[:2]) != COLUMNS or len(header) < 3:
        raise MalformedRow(path, 1, f"columns {header[:3]}", "question, choices, one a model")
    models = [name.strip() for name in header[2:]]
    for line, row in rows:
        if len(row) != len(header):
            raise MalformedRow(path, line, f"{len(row)} columns", f"{len(header)}")
        choices = _choices(path, line, row[1])
        yield _Row(line, row[0], choices, dict(zip(models, row[2:], strict=True)))


def _choices(path: Path, line: int, text: str) -> tuple[str, ...]:
    if len(text) > _LONGEST_CHOICES:
        raise MalformedRow(path, line, f"{len(text):,} characters", "a list of texts", "choices")
    try:
        read = literal(text)  # literals alone: nothing in the text is run
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise MalformedRow(path, line, text[:60], "a list of texts", "choices") from error
    if not isinstance(read, list) or not 2 <= len(read) <= len(string.ascii_uppercase):
        raise MalformedRow(path, line, text[:60], "a list of two texts or more", "choices")
    return tuple(map(str, read))


class _Gold:
    """The items with their right answers, found by subject, question and choices."""

    def __init__(self, items: Iterable[Sample]) -> None:
        self._items: dict[tuple[str | None, tuple[str, ...]], list[tuple[str, Sample]]]
        self._items = defaultdict(list)
        self.count = 0
        for item in items:
            choices = tuple(map(_plain, item.choices))
            self._items[item.cluster, choices].append((_plain(item.question), item))
            self.count += 1

    def find(self, subject: str, row: _Row) -> tuple[Sample | None, str]:
        """Return the row's item, and how it was found: once, again, ambiguous or unmatched.

        An item's text is the question with the choices after it. Of items with the same choices
        whose texts begin with the question, the shortest are those with nothing else in between.
        """
        question = _plain(row.question)
        same_choices = self._items.get((subject, tuple(map(_plain, row.choices))), [])
        fitting = [(text, item) for text, item in same_choices if text.startswith(question)]
        if not fitting:
            return None, "unmatched"
        shortest = min(len(text) for text, _ in fitting)
        items = [item for text, item in fitting if len(text) == shortest]
        if len({str(item.target) for item in items}) > 1:
            return None, "ambiguous"
        return items[0], "once" if len(items) == 1 else "again"


def _plain(text: str) -> str:
    return " ".join(text.split())


def _sample(item: Sample, row: _Row, answer: str, shown: bool) -> ScoredSample:
    return imported_sample(
        shown=shown,
        sample_id=item.id,
        item=["helm", item.cluster, _plain(row.question), list(row.choices), item.target],
        prompt=None,
        question=item.question,
        target=item.target,
        output=answer.strip(),
        score=_score(answer, str(item.target), len(row.choices)),
        cluster=item.cluster,
    )


def _score(answer: str, target: str, choices: int) -> Score:
    letter = answer.strip()
    letters = string.ascii_uppercase[:choices]
    if len(letter) != 1 or letter not in letters:
        return Ungraded("unparsed", f"no letter from {letters[0]} to {letters[-1]}")
    right = letter == target
    return Graded(float(right), letter, "" if right else f"expected {target}")


def _notes(counts: Counter[str], gold: _Gold) -> tuple[str, ...]:
    joined = counts["once"] + counts["again"]
    notes = [f"{joined} of {counts.total()} questions were joined to their right answers."]
    if counts["again"]:
        notes.append(
            f"{counts['again']} of them stand in the gold items more than once, with one answer."
        )
    if counts["ambiguous"]:
        notes.append(f"{counts['ambiguous']} stand there with different answers and were left out.")
    if counts["unmatched"]:
        notes.append(f"{counts['unmatched']} do not stand there and were left out.")
    if gold.count > joined:
        notes.append(f"{gold.count - joined} gold items have no answer here.")
    return tuple(notes)


IMPORTER = Importer(
    name="helm",
    reads="run folders with scenario_state.json, or tables: question, choices, one column a model",
    read=_read,
)
