"""From a model and a benchmark to a sealed run.

    survey the items -> look at how they will be asked -> name the run by its identity -> for each
    unit not yet done: ask, grade, write it down -> estimate -> seal

Units are cut from all items in their order, whatever is done already, and a unit is redone whole,
so that an interrupted run asks exactly what an undisturbed one would have asked. Each step reads a
stream: a run of millions of items holds the units in work, and some tens of bytes a sample.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.benchmark import Benchmark, LoadRequest, Settings
from weighbridge.evaluation.conversations import Judging, converse, judging_of
from weighbridge.evaluation.extraction import extraction_alarms
from weighbridge.evaluation.grading import (
    grade_reply,
    sample_seed,
    sampling_for,
    scored_line,
    usual_sampling,
    written_line,
)
from weighbridge.evaluation.items import Items, Load, Unit, cut, still, survey
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.prompt_shapes import PromptCheck, PromptShapes
from weighbridge.evaluation.provenance import package_versions, platform_name
from weighbridge.evaluation.slicing import slicing_by_labels
from weighbridge.evaluation.stopping import Stopping, StopRule, cut_at_clusters, note_of
from weighbridge.evidence import OpenRun, RunHeader, RunStore
from weighbridge.models.near_ties import NearTies
from weighbridge.models.protocol import (
    Capability,
    GenerateRequest,
    Model,
    Sampling,
    ScoreRequest,
)
from weighbridge.models.thoughts import REPLIES
from weighbridge.process_memory import peak_memory_bytes
from weighbridge.records import (
    EvalRun,
    Graded,
    Json,
    Provenance,
    Sample,
    ScoredSample,
)
from weighbridge.records.scale import SHARE
from weighbridge.statistics import estimate

NEEDS = {
    "loglikelihood": Capability.SCORE,
    "letter": Capability.LETTER_LOGPROBS,
    "generative": Capability.GENERATE,
    "pairwise": Capability.GENERATE,
}
BY_LIKELIHOOD = ("loglikelihood", "letter")


@dataclass(frozen=True)
class Progressed:
    """How far a run has come; `done` samples, the parts of a unit in work included."""

    done: float
    total: int
    computed_tokens: int


@dataclass(frozen=True)
class Place:
    """Where a run happens: what its provenance records, and where its evidence goes.

    Attributes:
        store: Evidence.
        threads: For arithmetic.
        started: ISO 8601, UTC.
        graders: Answers judged at a time, where judging runs code.
        sandbox_level: The level at which model-written code runs; None where none does.
        weaker_sandbox: Whether that is a level at which verdicts can be faked, as a person allowed.
    """

    store: RunStore
    threads: int
    started: str
    graders: int = 2
    sandbox_level: str | None = None
    weaker_sandbox: bool = False


OnProgress = Callable[[Progressed], None]


def evaluate(
    model: Model,
    benchmark: Benchmark,
    place: Place,
    *,
    subset: str | None = None,
    settings: Settings | None = None,
    data: Path | None = None,
    judge: Judge | None = None,
    stop: StopRule | None = None,
    on_progress: OnProgress = lambda _: None,
) -> EvalRun:
    """Run one benchmark on one model, or return the run that already did exactly this.

    Args:
        model: The model.
        benchmark: The benchmark.
        place: Where evidence goes.
        subset: Part of the benchmark; None for all of it.
        settings: What a person chose; part of the run's identity.
        data: Where the items are, if the benchmark does not carry them.
        judge: Who judges, where the benchmark needs a judge; part of the run's identity there.
        stop: When the run may end before every item was asked; part of its identity.
        on_progress: Told while answers are computed.

    Raises:
        InputError: The settings contradict the benchmark, the model, the judge or the stop rule;
            or a prompt can't be put to one of the models.
    """
    settings = complete(settings or Settings(), benchmark)
    require_capable(model, benchmark, settings)
    _check_repeats(settings, benchmark, model)
    if benchmark.executes_code and place.weaker_sandbox:
        benchmark = _at_weaker_level(benchmark)
    load: Load = partial(benchmark.load, LoadRequest(data, subset, settings))
    stopping = Stopping(stop, benchmark, settings, load) if stop else None
    load, cutting = (stopping.load, cut_at_clusters) if stopping else (load, cut)
    shapes = PromptShapes(benchmark, settings)
    items = survey(lambda: shapes.noting(load()), settings.repeats, benchmark.unit_size, cutting)
    if not items.samples:
        raise InputError(f"{benchmark.name} has no items to ask", "at least one", "raise --limit")
    judging = judging_of(benchmark, settings, judge, load)
    prompts = shapes.check(model, judge)
    fields = _identity_fields(model, benchmark, subset, settings, items, place)
    fields |= {"judge": judging.identity if judging else None} | prompts.changes
    fields |= {"stop": stopping.settings} if stopping else {}
    header = RunHeader(
        model=model.ref,
        benchmark=benchmark.name,
        benchmark_version=benchmark.version,
        subset=subset,
        protocol=settings.protocol,
        settings=settings.as_json()
        | ({"judge": judging.identity} if judging else {})
        | ({"stop": stopping.settings} if stopping else {}),
        aggregate=benchmark.aggregate,
        planned_samples=items.samples * benchmark.turns * (judging.judge.repeats if judging else 1),
        planned_units=items.units,
        started=place.started,
    )
    with place.store.open(fields, header) as run:
        if run.finished is not None:
            return run.finished
        finished = run.journal.finished_units()
        units = still(items, cutting(load(), settings.repeats, benchmark.unit_size))
        to_do = (unit for unit in units if unit.number not in finished)
        told = _Told(run, model, on_progress)
        answers = _answers(model, benchmark, settings, to_do, place, told, judging)
        if stopping:
            stopping.add(run.journal.samples())
            answers = stopping.watch(answers)
        for unit, scored in answers:
            run.journal.append_unit(unit.number, scored)
            run.record(*told.since_last_unit(), told.judged(judging))
        told.within_call(0.0)
        return _seal(run, model, benchmark, place, judging, load, prompts, stopping)


def _seal(
    run: OpenRun,
    model: Model,
    benchmark: Benchmark,
    place: Place,
    judging: Judging | None,
    load: Load,
    prompts: PromptCheck,
    stopping: Stopping | None = None,
) -> EvalRun:
    """Read the finished journal once more: its figures, and what a reader must know of them."""
    ties = NearTies(model.ref.dtype)
    scale = judging.method.scale if judging else SHARE
    slicing = slicing_by_labels(benchmark, load())
    result = estimate(ties.counted(run.journal.samples()), benchmark.aggregate, scale, slicing)
    where = _provenance(model, place, run.wall_seconds, run.computed_tokens)
    alarms: tuple[str, ...] = ()
    if judging is None:  # what can't be read is the judge's doing there, and its notes say so
        alarms = extraction_alarms(
            benchmark, run.planned_samples, result.ungraded, run.journal.samples()
        )
    notes = [*alarms, *prompts.notes, *where.notes, *ties.notes]
    if judging:
        notes += judging.notes(run.journal.samples())
        where = replace(where, judge=judging.judge.model.ref.name, judge_tokens=run.judge_tokens)
    if benchmark.executes_code:
        notes += benchmark.notes(load())
        where = replace(where, sandbox=place.sandbox_level)
    stopped = stopping.ended(run.journal.samples(), run.planned_samples) if stopping else None
    if stopping and stopped:
        notes.append(note_of(stopped, stopping.settings["reference"]))
    return run.seal(result, replace(where, notes=tuple(notes)), slicing, stopped)


def _at_weaker_level(benchmark: Benchmark) -> Benchmark:
    """Return the benchmark as a person allowed it to be judged; every run of it says so."""
    if benchmark.grade_weaker is None:
        raise InputError(
            f"{benchmark.name} can't be judged at a weaker level of the sandbox",
            "a machine that reaches the full one",
            "see: weighbridge doctor",
        )
    note = (
        "Model-written code was run and tested in one process (--allow-weaker-sandbox), where "
        "hostile code can fake its verdict."
    )
    return replace(benchmark, grade=benchmark.grade_weaker, notes=lambda _: (note,))


class _Told:
    """Turns what a model says of one call into samples of the run."""

    def __init__(self, run: OpenRun, model: Model, on_progress: OnProgress) -> None:
        self._run, self._model, self._on_progress = run, model, on_progress
        self._judge_tokens_before = 0
        self._unit_began, self._tokens_before = time.perf_counter(), model.computed_tokens
        self.start_call()

    def start_call(self, done: float = 0.0) -> None:
        """Count from what is in the journal now, and what else is done of the unit in work."""
        self._before = self._run.journal.finished_samples + done
        self._model.on_done = self.within_call
        self.within_call(0.0)

    def within_call(self, requests: float) -> None:
        """Say how far the run is; what the journal holds is certain, the rest an estimate."""
        done = max(self._before + requests, self._run.journal.finished_samples)
        planned = self._run.planned_samples
        self._on_progress(Progressed(done, planned, self._model.computed_tokens))

    def since_last_unit(self) -> tuple[float, int]:
        """Return the seconds and tokens that the unit just finished took."""
        began, before = self._unit_began, self._tokens_before
        self._unit_began, self._tokens_before = time.perf_counter(), self._model.computed_tokens
        return self._unit_began - began, self._tokens_before - before

    def judged(self, judging: Judging | None) -> int:
        """Return the tokens that the judge took for the unit just finished."""
        now = judging.tokens if judging is not None else 0
        before, self._judge_tokens_before = self._judge_tokens_before, now
        return now - before


def complete(settings: Settings, benchmark: Benchmark) -> Settings:
    """Fill in the benchmark's own protocol and what it brings with it.

    Raises:
        InputError: The settings contradict the benchmark or each other.
    """
    protocol = settings.protocol or benchmark.protocols[0]
    if protocol not in benchmark.protocols:
        raise UnknownName(f"protocol of {benchmark.name}", protocol, benchmark.protocols)
    if protocol == "letter":
        if settings.chat_template is False:
            raise InputError(
                "--no-chat-template with protocol letter",
                "a chat: the letter is the first token of a reply",
                "leave it out, or take protocol loglikelihood",
            )
        settings = replace(settings, chat_template=True)
    if settings.limit is not None and settings.limit < 1:
        raise InputError(f"--limit {settings.limit}", "at least 1")
    if settings.repeats < 1:
        raise InputError(f"--repeats {settings.repeats}", "at least 1")
    if protocol in BY_LIKELIHOOD and settings.repeats > 1:
        raise InputError(
            f"--repeats {settings.repeats} with protocol {protocol}",
            "1: likelihoods are not drawn, so each repeat would be the same",
            "leave --repeats out",
        )
    return replace(settings, protocol=protocol)


def _check_repeats(settings: Settings, benchmark: Benchmark, model: Model) -> None:
    """Refuse repeats that can only be alike."""
    if settings.repeats == 1:
        return
    temperature = settings.temperature
    if temperature is None:
        temperature = usual_sampling(benchmark, settings).temperature
    computed_here = Capability.SCORE in model.capabilities  # elsewhere greedy answers may differ
    if computed_here and benchmark.temperature is None and temperature == 0:
        raise InputError(
            f"--repeats {settings.repeats} at temperature 0",
            "a temperature above 0: greedy answers are all alike",
            "add --temperature 0.8, or leave --repeats out",
        )


def require_capable(model: Model, benchmark: Benchmark, settings: Settings) -> None:
    """Refuse a protocol that a model has no way to follow.

    Raises:
        InputError: It can't.
    """
    needed = NEEDS[settings.protocol]
    if needed in model.capabilities:
        return
    able = [p for p in benchmark.protocols if NEEDS[p] in model.capabilities]
    raise InputError(
        f"benchmark {benchmark.name}: {model.ref.name} can't {needed}",
        f"a model that can, for protocol {settings.protocol}",
        f"try --protocol {able[0]}" if able else "",
    )


def _identity_fields(
    model: Model,
    benchmark: Benchmark,
    subset: str | None,
    settings: Settings,
    items: Items,
    place: Place,
) -> dict[str, Json]:
    # What is not drawn has no sampling, whatever the benchmark's is where text is written.
    by_likelihood = settings.protocol in BY_LIKELIHOOD
    sampling = Sampling() if by_likelihood else usual_sampling(benchmark, settings)
    return {
        "model": dict(model.ref.identity),
        "benchmark": benchmark.name,
        "benchmark_version": benchmark.version,
        "subset": subset,
        "items": items.digest,
        "sampling": asdict(sampling) | {"stop": list(sampling.stop)},
        "settings": settings.as_json(),
        "sandbox": place.sandbox_level if benchmark.executes_code else None,
    } | ({} if settings.protocol in BY_LIKELIHOOD else {"replies": REPLIES})


def _answers(
    model: Model,
    benchmark: Benchmark,
    settings: Settings,
    units: Iterator[Unit],
    place: Place,
    told: "_Told",
    judging: Judging | None,
) -> Iterator[tuple[Unit, list[ScoredSample]]]:
    """Yield one unit after the other with its answers."""
    if settings.protocol in BY_LIKELIHOOD:
        for unit in units:
            told.start_call()
            samples = [sample for sample, _ in unit.samples]
            yield unit, list(_by_likelihood(model, benchmark, settings, samples))
    elif judging is not None or benchmark.turns > 1:
        yield from converse(model, benchmark, settings, units, judging, told.start_call)
    else:
        # One call for all: places of finished answers are taken across the units' borders.
        told.start_call()
        yield from _by_generation(model, benchmark, settings, units, place)


def _by_likelihood(
    model: Model, benchmark: Benchmark, settings: Settings, samples: Sequence[Sample]
) -> Iterator[ScoredSample]:
    """Choose the likeliest continuation; the first wins ties, as in numpy's argmax."""
    assert benchmark.continuations is not None, f"{benchmark.name} lists no continuations"
    offered = [benchmark.continuations(sample, settings) for sample in samples]
    requests = [
        ScoreRequest(sample.id, benchmark.prompt(sample, settings), options)
        for sample, options in zip(samples, offered, strict=True)
    ]
    for sample, options, result in zip(samples, offered, model.score(requests), strict=True):
        best = max(range(len(options)), key=lambda i: result.logprobs[i])
        answer = options[best].strip()
        right = answer == str(sample.target)
        why = ("" if right else f"expected {sample.target}") + (
            " (near tie)" if result.near_tie else ""
        )
        yield scored_line(
            benchmark,
            sample,
            prompt_text=result.prompt_text,
            output=answer,
            logprobs=result.logprobs,
            stop="scored",
            input_tokens=result.input_tokens,
            score=Graded(float(right), answer, why.strip()),
        )


def _by_generation(
    model: Model,
    benchmark: Benchmark,
    settings: Settings,
    units: Iterator[Unit],
    place: Place,
) -> Iterator[tuple[Unit, list[ScoredSample]]]:
    asked = deque[Unit]()  # in the order in which their answers come

    def requests() -> Iterator[GenerateRequest]:
        for unit in units:
            asked.append(unit)
            for sample, repeat in unit.samples:
                seed = sample_seed(settings.seed, sample.id, repeat)
                prompt = benchmark.prompt(sample, settings)
                sampling = replace(sampling_for(benchmark, settings, sample), seed=seed)
                yield GenerateRequest(sample.id, prompt, sampling, repeat)

    answers = iter(model.generate(requests()))
    workers = place.graders if benchmark.executes_code else 1
    with ThreadPoolExecutor(max_workers=workers) as graders:
        for first in answers:
            unit = asked.popleft()
            following, waiting = chain([first], answers), []
            for sample, _ in unit.samples:
                generated = next(following)
                job = graders.submit(grade_reply, benchmark, sample, generated)
                waiting.append((sample, generated, job))
            scored = [written_line(benchmark, s, one, job.result()) for s, one, job in waiting]
            yield unit, scored


def _provenance(
    model: Model, place: Place, wall_seconds: float, computed_tokens: int
) -> Provenance:
    import platform

    return Provenance(
        packages=package_versions(),
        python=platform.python_version(),
        platform=platform_name(),
        device=model.device,
        threads=place.threads,
        started=place.started,
        wall_seconds=wall_seconds,
        computed_tokens=computed_tokens,
        peak_memory_bytes=peak_memory_bytes(),
        notes=model.notes,
    )
