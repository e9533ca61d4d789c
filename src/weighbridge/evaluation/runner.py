"""From a model and a benchmark to a sealed run.

    survey the items -> look at how they will be asked -> name the run by its identity -> for each
    unit not yet done: ask, grade, write it down -> estimate -> seal

Units are cut from all items in their order, whatever is done already, and a unit is redone whole,
so that an interrupted run asks exactly what an undisturbed one would have asked. Each step reads a
stream: a run of millions of items holds the units in work, and some tens of bytes a sample.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from weighbridge.errors import CapReached, InputError
from weighbridge.evaluation.asking import RunProgress, answers
from weighbridge.evaluation.benchmark import Benchmark, LoadRequest, Settings
from weighbridge.evaluation.conversations import Judging, judging_of
from weighbridge.evaluation.items import Items, Load, Unit, cut, survey, verify_unchanged
from weighbridge.evaluation.journal_check import check_journal
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.prompt_shapes import PromptCheck, PromptShapes
from weighbridge.evaluation.protocols import (
    BY_LIKELIHOOD,
    check_repeats,
    complete,
    force_chat_for_endpoints,
    require_capable,
)
from weighbridge.evaluation.run_context import OnProgress, RunContext
from weighbridge.evaluation.sealing import Sealing, seal_part
from weighbridge.evaluation.stopping import Stopping, StopRule, cut_at_clusters
from weighbridge.evaluation.task import as_graded
from weighbridge.evidence import OpenEvaluation, RunHeader
from weighbridge.models.protocol import LETTERS, Capability, Model, Sampling
from weighbridge.models.thoughts import REPLIES
from weighbridge.records import EvalRun, Json, Sample, ScoredSample


def evaluate(
    model: Model,
    benchmark: Benchmark,
    place: RunContext,
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

    Where a cap on spending stops it, the run stays open, for a higher cap to go on, and what was
    answered until then is sealed as a run of its own: see `EvalRun.unasked_samples`.

    Raises:
        InputError: The settings contradict the benchmark, the model, the judge or the stop rule;
            or a prompt can't be put to one of the models.
        EndpointUnusable: An endpoint refuses everything or is away; the run can be gone on with.
        CapReached: A cap on spending allows no answer at all.
    """
    settings = complete(force_chat_for_endpoints(settings or Settings(), model), benchmark)
    require_capable(model, benchmark, settings)
    check_repeats(settings, benchmark, model)
    benchmark = as_graded(benchmark, settings, weaker_sandbox=place.weaker_sandbox)
    planned = _plan(model, benchmark, settings, LoadRequest(data, subset, settings), judge, stop)
    only_weaker = benchmark.grading.only_weaker
    if only_weaker is not None and not place.weaker_sandbox:
        place = _at_level_of_items(only_weaker, planned, place)
    fields, header = _named(planned, place)
    with place.store.open(fields, header) as run:
        if run.finished is not None:
            place.already_paid(run.finished.provenance.cost_usd)
            return run.finished
        _check(run, planned)
        place.already_paid(_paid(run))
        seal = Sealing(
            model, benchmark, place, planned.judging, planned.load, planned.prompts,
            planned.stopping,
        )  # fmt: skip
        begun: list[ScoredSample] = []  # of a unit that a cap on spending cut off
        try:
            _fill(run, planned, place, begun, on_progress)
        except CapReached as reached:
            return seal_part(run, begun, place.store, fields, header, reached, seal)
        _check(run, planned)
        return seal(run)


def _paid(run: OpenEvaluation) -> float:
    """Return what the answers in an unfinished run's journal cost (USD)."""
    return math.fsum(charge.usd for sample in run.journal.samples() for charge in sample.charges)


def _check(run: OpenEvaluation, planned: "_Planned") -> None:
    """Compare the journal with the items; see `check_journal`."""
    finished = run.journal.finished_units()
    if finished:
        units = (unit for unit in planned.units() if unit.number in finished)
        judgements = planned.judging.judge.repeats if planned.judging else 1
        check_journal(
            run.journal.samples(), units, planned.benchmark, judgements, str(run.journal.path)
        )


@dataclass(frozen=True)
class _Planned:
    """A planned run: model, items in order, settings, and grading."""

    model: Model
    benchmark: Benchmark
    settings: Settings
    subset: str | None
    load: Load
    cutting: Callable[[Iterable[Sample], int, int], Iterator[Unit]]
    items: Items
    judging: Judging | None
    prompts: PromptCheck
    stopping: Stopping | None

    @property
    def samples_an_item(self) -> int:
        """Number of samples per item, not counting repeats."""
        return self.benchmark.asking.turns * (self.judging.judge.repeats if self.judging else 1)

    def units(self) -> Iterator[Unit]:
        """Cut the items into units; they must still be those that were surveyed."""
        size = self.benchmark.asking.unit_size
        return verify_unchanged(self.items, self.cutting(self.load(), self.settings.repeats, size))


def _plan(
    model: Model,
    benchmark: Benchmark,
    settings: Settings,
    wanted: LoadRequest,
    judge: Judge | None,
    stop: StopRule | None,
) -> _Planned:
    """Survey the items, and look at how they will be asked; nothing is spent yet."""
    load: Load = partial(benchmark.asking.load, wanted)
    stopping = Stopping(stop, benchmark, settings, load) if stop else None
    load, cutting = (stopping.load, cut_at_clusters) if stopping else (load, cut)
    shapes = PromptShapes(benchmark, settings, model)
    size = benchmark.asking.unit_size
    items = survey(lambda: shapes.noting(load()), settings.repeats, size, cutting)
    if not items.samples:
        raise InputError(f"{benchmark.name} has no items to ask", "at least one", "raise --limit")
    judging = judging_of(benchmark, settings, judge, load)
    prompts = shapes.check(model, judge)
    return _Planned(
        model, benchmark, settings, wanted.subset, load, cutting, items, judging, prompts, stopping
    )


def _named(planned: _Planned, place: RunContext) -> tuple[dict[str, Json], RunHeader]:
    """Return the run's identity, and the header of its evidence."""
    benchmark, settings, items = planned.benchmark, planned.settings, planned.items
    judge = {"judge": planned.judging.identity} if planned.judging else {}
    stop = {"stop": planned.stopping.settings.as_json()} if planned.stopping else {}
    fields = _identity_fields(planned.model, benchmark, planned.subset, settings, items, place)
    fields |= {"judge": None} | judge | planned.prompts.changes | stop
    header = RunHeader(
        model=planned.model.ref,
        benchmark=benchmark.name,
        benchmark_version=benchmark.version,
        subset=planned.subset,
        protocol=settings.protocol,
        settings=settings.as_json() | judge | stop,
        aggregate=benchmark.grading.aggregate,
        planned_samples=items.samples * planned.samples_an_item,
        planned_units=items.units,
        started=place.started,
    )
    if planned.stopping:
        planned.stopping.check_asked_alike(planned.model.ref, header.settings, fields)
    return fields, header


def _fill(
    run: OpenEvaluation,
    planned: _Planned,
    place: RunContext,
    begun: list[ScoredSample],
    on_progress: OnProgress,
) -> None:
    """Ask for the answers that are not in the journal yet, and append them unit by unit.

    Raises:
        CapReached: `begun` then holds what was answered of the unit in work.
    """
    finished = run.journal.finished_units()
    to_do = (unit for unit in planned.units() if unit.number not in finished)
    told = RunProgress(run, planned.model, on_progress)
    asked = answers(
        planned.model, planned.benchmark, planned.settings, to_do, place, told, planned.judging
    )
    if planned.stopping:
        planned.stopping.add(run.journal.samples())
        asked = planned.stopping.watch(asked)
    for unit, scored in asked:
        if len(scored) < planned.samples_an_item * len(unit.samples):
            begun[:] = scored
            continue
        run.journal.append_unit(unit.number, scored)
        run.record(*told.since_last_unit(), *told.judged(planned.judging))
    told.within_call(0.0)


def _at_level_of_items(
    only_weaker: Callable[[Sample], bool], planned: "_Planned", place: RunContext
) -> RunContext:
    """Return where items run: at the weaker level if one of them can't be judged at the full one.

    Raises:
        InputError: There are such items, and the weaker level is not allowed.
    """
    weaker = [sample.id for sample in planned.load() if only_weaker(sample)]
    if not weaker:
        return place
    if not place.weaker_allowed:
        named = ", ".join(weaker[:20]) + (", …" if len(weaker) > 20 else "")
        raise InputError(
            f"{len(weaker)} items whose tests need names of the model's own code: {named}",
            "tests that can be run outside the jail of the model's code",
            "correct their tests; or accept verdicts that hostile code can fake: "
            "--allow-weaker-sandbox",
        )
    level = f"bubblewrap for {len(weaker)} items, else {place.sandbox_level}"
    return replace(place, sandbox_level=level)


def _identity_fields(
    model: Model,
    benchmark: Benchmark,
    subset: str | None,
    settings: Settings,
    items: Items,
    place: RunContext,
) -> dict[str, Json]:
    # What is not drawn has no sampling, whatever the benchmark's is where text is written.
    by_likelihood = settings.protocol in BY_LIKELIHOOD
    sampling = Sampling() if by_likelihood else benchmark.asking.usual_sampling(settings)
    return {
        "model": dict(model.ref.identity),
        "benchmark": benchmark.name,
        "benchmark_version": benchmark.version,
        "subset": subset,
        "items": items.digest,
        "sampling": asdict(sampling) | {"stop": list(sampling.stop)},
        "settings": settings.as_json(),
        "sandbox": place.sandbox_level if benchmark.grading.executes_code else None,
        # A model is asked unit by unit, so its batches have other shapes where units have: the
        # last bits of a likelihood change, and at a near tie the answer. A journal, too, is one
        # of units of this size. Clock, threads and speed are no part of what a run is.
        "unit_size": benchmark.asking.unit_size,
    } | _reading(model, settings)


def _reading(model: Model, settings: Settings) -> dict[str, Json]:
    """Return the versions of what stands between a reply and its answer."""
    if settings.protocol not in BY_LIKELIHOOD:
        return {"replies": REPLIES}
    shown_by_a_server = Capability.ONLY_CHAT in model.capabilities
    return {"letters": LETTERS} if shown_by_a_server else {}
