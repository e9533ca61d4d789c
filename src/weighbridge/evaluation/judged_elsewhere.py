"""Turns judgments made with FastChat into sealed runs, one per model, by our own rules."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.benchmark import Benchmark, LoadRequest, Settings
from weighbridge.evaluation.fastchat import read_judgments, rows
from weighbridge.evaluation.fastchat_pairs import KEYS, read_pairs
from weighbridge.evaluation.grading import scored_line
from weighbridge.evaluation.judging import repeat_notes
from weighbridge.evaluation.run_context import RunContext, package_versions, platform_name
from weighbridge.evidence import Evaluated, RunHeader
from weighbridge.records import EvalRun, Json, ModelRef, Provenance, Sample, Score, ScoredSample
from weighbridge.sources.digests import file_digest
from weighbridge.statistics import estimate
from weighbridge.statistics.slices import slicing_of

SINGLE, PAIRS = "generative", "pairwise"


@dataclass(frozen=True)
class Verdict:
    """One judgment of one model's answer.

    Attributes:
        sample: The turn's.
        repeat: 0-based: a turn's judgments in a file, against several models or appended.
        shown: What the judge read.
        score: What it was worth.
    """

    sample: Sample
    repeat: int
    shown: str
    score: Score


@dataclass(frozen=True)
class JudgedAnswers:
    """One model's judgments in a file, all by one judge.

    Attributes:
        path: The file.
        model: Whose answers.
        judge: Who judged.
        rows: In the order of the file.
        opponents: Whom the answers were judged against; empty for single answers.
    """

    path: Path
    model: str
    judge: str
    rows: tuple[Verdict, ...]
    opponents: tuple[str, ...] = ()

    @property
    def protocol(self) -> str:
        """How answers were judged, by our name for it."""
        return PAIRS if self.opponents else SINGLE


def seal_judgments(
    path: Path,
    benchmark: Benchmark,
    place: RunContext,
    request: LoadRequest,
    *,
    partial: bool = False,
    baseline: str = "",
) -> list[EvalRun]:
    """Read a file of judgments and seal one run a model: of a pair, one for each of both.

    Args:
        path: FastChat's `model_judgment/JUDGE_single.jsonl` or `JUDGE_pair.jsonl`.
        benchmark: What was judged.
        place: Where evidence goes.
        request: Where the questions are; rows of questions outside it are left out.
        partial: Whether questions may lack a judgment.
        baseline: Of pairs: only those with this model, seen from the other.

    Raises:
        InputError: A question lacks a judgment; MalformedRow names a row that is wrong.
    """
    first = next((row for _, row in rows(path)), {})
    paired = first.keys() >= KEYS
    if (PAIRS if paired else SINGLE) not in benchmark.grading.judges:
        raise InputError(f"{path} holds judgments", f"answers: {benchmark.name} needs no judge")
    if baseline and not paired:
        raise InputError(f"--baseline {baseline} for single judgments", "judgments of pairs")
    asked = _Asked(path, benchmark, request)
    found = _pairs(asked, baseline) if paired else _singles(asked)
    if not found:
        raise InputError(f"{path} judges nothing that {benchmark.name} asks", "a judgment or more")
    asking = benchmark.asking
    items = [turn.id for item in asking.load(request) for turn in asking.turns_of(item)]
    for judged in found:
        there = {row.sample.id for row in judged.rows}
        missing = [item for item in items if item not in there]
        if missing and not partial:
            raise InputError(
                f"{path} has no judgment of {judged.model}'s answer {missing[0]}"
                + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
                "one for each turn of each question",
                "add them, or take only those judged with --partial",
            )
    return [_seal(judged, benchmark, place, request) for judged in found]


class _Asked:
    """The turns that a file's rows must be of; those outside the request are passed over."""

    def __init__(self, path: Path, benchmark: Benchmark, request: LoadRequest) -> None:
        self.path, self.benchmark = path, benchmark
        every = LoadRequest(request.data, None, Settings())
        self._known = {sample.id for sample in benchmark.asking.load(every)}
        self._wanted = {sample.id: sample for sample in benchmark.asking.load(request)}

    def turn(self, line: int, question_id: str, turn: int) -> Sample | None:
        """Return the sample of a row's turn.

        Raises:
            MalformedRow: The benchmark asks no such question.
        """
        if question_id not in self._known:
            expected = f"a question of {self.benchmark.name}"
            raise MalformedRow(self.path, line, question_id, expected, "question_id")
        if question_id not in self._wanted:
            return None
        return self.benchmark.asking.turn(self._wanted[question_id], turn - 1)


def _singles(asked: _Asked) -> list[JudgedAnswers]:
    method = asked.benchmark.grading.judges[SINGLE]
    seen = Counter[tuple[str, str, str]]()
    found: dict[tuple[str, str], list[Verdict]] = {}
    for row in read_judgments(asked.path):
        sample = asked.turn(row.line, row.question_id, row.turn)
        if sample is None:
            continue
        judge = row.judge[0] if row.judge else "unknown"
        repeat = seen[row.model, judge, sample.id]
        seen[row.model, judge, sample.id] += 1
        verdict = Verdict(sample, repeat, row.shown, method.read((row.text,)))
        found.setdefault((row.model, judge), []).append(verdict)
    return [JudgedAnswers(asked.path, *who, tuple(held)) for who, held in found.items()]


def _pairs(asked: _Asked, baseline: str) -> list[JudgedAnswers]:
    """Gather each model's judgments against all others, as FastChat's table does."""
    seen = Counter[tuple[str, str, str]]()
    found: dict[tuple[str, str], list[Verdict]] = {}
    against: dict[tuple[str, str], dict[str, None]] = {}
    models = dict[str, None]()
    for row in read_pairs(asked.path):
        models |= dict.fromkeys(row.models)
        sample = asked.turn(row.line, row.question_id, row.turn)
        for model in row.models if sample is not None else ():
            opponent = row.opponent(model)
            if baseline and opponent != baseline:
                continue
            assert sample is not None
            repeat = seen[model, row.judge, sample.id]
            seen[model, row.judge, sample.id] += 1
            shown = row.shown[0] or f"{model} against {opponent}"
            verdict = Verdict(sample, repeat, shown, row.score(model))
            found.setdefault((model, row.judge), []).append(verdict)
            against.setdefault((model, row.judge), {})[opponent] = None
    if baseline and baseline not in models:
        raise UnknownName("model", baseline, models)
    return [
        JudgedAnswers(asked.path, *who, tuple(held), tuple(sorted(against[who])))
        for who, held in found.items()
    ]


def _seal(
    judged: JudgedAnswers, benchmark: Benchmark, place: RunContext, request: LoadRequest
) -> EvalRun:
    method = benchmark.grading.judges[judged.protocol]
    samples = list(_samples(judged, benchmark))
    digest = file_digest(judged.path)
    model = ModelRef(
        name=judged.model,
        source=f"judgments:{judged.path.name}",
        weights_digest=f"{digest}#{judged.model}",
        dtype="none",
    )
    judge: dict[str, Json] = {"method": method.name, "model": f"judgments:{judged.judge}"}
    settings = replace(request.settings, protocol=judged.protocol).as_json()
    if judged.opponents:
        judge["baseline"] = list(judged.opponents)
    fields: dict[str, Json] = {
        "model": dict(model.identity),
        "benchmark": benchmark.name,
        "benchmark_version": benchmark.version,
        "subset": request.subset,
        "items": [[s.sample_digest, s.repeat] for s in samples],
        "settings": settings,
        "judge": judge,
    }
    header = RunHeader(
        model=model,
        benchmark=benchmark.name,
        benchmark_version=benchmark.version,
        subset=request.subset,
        protocol=judged.protocol,
        settings=settings | {"judge": judge},
        aggregate=benchmark.grading.aggregate,
        planned_samples=len(samples),
        planned_units=1,
        started=place.started,
    )
    with place.store.open(fields, header) as run:
        if run.finished is not None:
            return run.finished
        if not run.journal.finished_units():
            run.journal.append_unit(0, samples)
        labels = benchmark.about.labels
        slicing = (
            slicing_of((row.sample.id, labels(row.sample)) for row in judged.rows)
            if labels is not None
            else {}
        )
        result = estimate(samples, benchmark.grading.aggregate, method.scale, slicing)
        notes = (*method.notes(samples), *repeat_notes(samples, None))
        return run.seal(Evaluated(result, _provenance(place, judged, notes), slicing))


def _samples(judged: JudgedAnswers, benchmark: Benchmark) -> Iterator[ScoredSample]:
    for row in judged.rows:
        # The model's answer is inside what the judge was shown; the file holds it nowhere else.
        yield scored_line(
            benchmark,
            row.sample,
            repeat=row.repeat,
            prompt_text=row.shown,
            output=row.shown,
            stop="judged",
            input_tokens=0,
            score=row.score,
        )


def _provenance(place: RunContext, judged: JudgedAnswers, notes: Sequence[str]) -> Provenance:
    import platform

    where = f"Answers and judgments by {judged.judge} were read from {judged.path.name}."
    if judged.opponents:
        where = f"{where[:-1]}, against {', '.join(judged.opponents)}."
    return Provenance(
        packages=package_versions(),
        python=platform.python_version(),
        platform=platform_name(),
        device="none",
        threads=place.threads,
        started=place.started,
        notes=(where, *notes),
        judge=judged.judge,
    )
