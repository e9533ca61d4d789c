"""Judgments made with FastChat become sealed runs, one a model, read by the rules of our own."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import Benchmark, LoadRequest, Settings
from weighbridge.evaluation.fastchat import Judgment, read_judgments
from weighbridge.evaluation.grading import scored_line
from weighbridge.evaluation.judging import repeat_notes
from weighbridge.evaluation.place import Place
from weighbridge.evaluation.provenance import package_versions, platform_name
from weighbridge.evidence import RunHeader
from weighbridge.records import EvalRun, Json, ModelRef, Provenance, Sample, ScoredSample
from weighbridge.sources.digests import file_digest
from weighbridge.statistics import estimate
from weighbridge.statistics.slices import slicing_of

PROTOCOL = "generative"


@dataclass(frozen=True)
class Judged:
    """One model's judgments in a file, all by one judge.

    Attributes:
        path: The file.
        model: Whose answers.
        judge: Who judged.
        rows: Each with the turn's sample and the number of its repeat: a file that was appended to
            holds a turn's judgment several times.
    """

    path: Path
    model: str
    judge: str
    rows: tuple[tuple[Sample, int, Judgment], ...]


def seal_judgments(
    path: Path, benchmark: Benchmark, place: Place, request: LoadRequest, *, partial: bool = False
) -> list[EvalRun]:
    """Read a file of single-answer judgments and seal one run a model.

    Args:
        path: FastChat's `model_judgment/JUDGE_single.jsonl`.
        benchmark: What was judged.
        place: Where evidence goes.
        request: Where the questions are; rows of questions outside it are left out.
        partial: Whether questions may lack a judgment.

    Raises:
        InputError: A question lacks a judgment; MalformedRow names a row that is wrong.
    """
    if PROTOCOL not in benchmark.judges:
        raise InputError(f"{path} holds judgments", f"answers: {benchmark.name} needs no judge")
    found = _by_model(path, benchmark, request)
    if not found:
        raise InputError(f"{path} judges nothing that {benchmark.name} asks", "a judgment or more")
    items = [
        benchmark.turn(s, t).id for s in benchmark.load(request) for t in range(benchmark.turns)
    ]
    for judged in found:
        there = {sample.id for sample, _, _ in judged.rows}
        missing = [item for item in items if item not in there]
        if missing and not partial:
            raise InputError(
                f"{path} has no judgment of {judged.model}'s answer {missing[0]}"
                + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
                "one for each turn of each question",
                "add them, or take only those judged with --partial",
            )
    return [_seal(judged, benchmark, place, request) for judged in found]


def _by_model(path: Path, benchmark: Benchmark, request: LoadRequest) -> list[Judged]:
    every = LoadRequest(request.data, None, Settings())
    known = {sample.id for sample in benchmark.load(every)}
    wanted = {sample.id: sample for sample in benchmark.load(request)}
    seen = Counter[tuple[str, str, str]]()
    rows: dict[tuple[str, str], list[tuple[Sample, int, Judgment]]] = {}
    for row in read_judgments(path):
        if row.question_id not in known:
            raise MalformedRow(
                path, row.line, row.question_id, f"a question of {benchmark.name}", "question_id"
            )
        if row.question_id not in wanted:
            continue
        sample = benchmark.turn(wanted[row.question_id], row.turn - 1)
        judge = row.judge[0] if row.judge else "unknown"
        repeat = seen[row.model, judge, sample.id]
        seen[row.model, judge, sample.id] += 1
        rows.setdefault((row.model, judge), []).append((sample, repeat, row))
    return [Judged(path, model, judge, tuple(held)) for (model, judge), held in rows.items()]


def _seal(judged: Judged, benchmark: Benchmark, place: Place, request: LoadRequest) -> EvalRun:
    method = benchmark.judges[PROTOCOL]
    samples = list(_samples(judged, benchmark))
    digest = file_digest(judged.path)
    model = ModelRef(
        name=judged.model,
        source=f"judgments:{judged.path.name}",
        weights_digest=f"{digest}#{judged.model}",
        dtype="none",
    )
    judge: dict[str, Json] = {"method": method.name, "model": f"judgments:{judged.judge}"}
    fields: dict[str, Json] = {
        "model": dict(model.identity),
        "benchmark": benchmark.name,
        "benchmark_version": benchmark.version,
        "subset": request.subset,
        "items": [[s.sample_digest, s.repeat] for s in samples],
        "settings": request.settings.as_json(),
        "judge": judge,
    }
    header = RunHeader(
        model=model,
        benchmark=benchmark.name,
        benchmark_version=benchmark.version,
        subset=request.subset,
        protocol=PROTOCOL,
        settings=request.settings.as_json() | {"judge": judge},
        aggregate=benchmark.aggregate,
        planned_samples=len(samples),
        planned_units=1,
        started=place.started,
    )
    with place.store.open(fields, header) as run:
        if run.finished is not None:
            return run.finished
        if not run.journal.finished_units():
            run.journal.append_unit(0, samples)
        slicing = (
            slicing_of((sample.id, benchmark.labels(sample)) for sample, _, _ in judged.rows)
            if benchmark.labels is not None
            else {}
        )
        result = estimate(samples, benchmark.aggregate, method.scale, slicing)
        notes = (*method.notes(samples), *repeat_notes(samples, None))
        return run.seal(result, _provenance(place, judged, notes), slicing)


def _samples(judged: Judged, benchmark: Benchmark) -> Iterator[ScoredSample]:
    method = benchmark.judges[PROTOCOL]
    for sample, repeat, row in judged.rows:
        # The model's answer is inside what the judge was shown; the file holds it nowhere else.
        yield scored_line(
            benchmark,
            sample,
            repeat=repeat,
            prompt_text=row.shown,
            output=row.shown,
            stop="judged",
            input_tokens=0,
            score=method.read((row.text,)),
        )


def _provenance(place: Place, judged: Judged, notes: Sequence[str]) -> Provenance:
    import platform

    where = f"Answers and judgments by {judged.judge} were read from {judged.path.name}."
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
