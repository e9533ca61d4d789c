"""What `run` and `demo` do, in order; each stage finds its own finished work and goes on from it.

plan -> weigh the base -> tune -> weigh the tuned model -> compare -> report
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol, cast

from weighbridge.comparison.before_after import BenchmarkComparison, compare_runs
from weighbridge.comparison.contamination import find_overlap
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.run_context import RunContext
from weighbridge.evaluation.stopping import DECIDED, TARGET_DECIDED, StopRule, can_stop
from weighbridge.models.endpoint import EndpointAddress
from weighbridge.models.protocol import Model
from weighbridge.opening.judge import JudgeChoice, open_judge
from weighbridge.opening.models import open_any, open_model
from weighbridge.opening.preview import look_at_all_prompts
from weighbridge.opening.tasks import Task, weigh
from weighbridge.project.plan import Plan, RunEnvironment, protocol_of
from weighbridge.project.tuning import base_digest_of, run_folder, settings_from, tune_model
from weighbridge.records import BenchmarkSpec, Contamination, EvalRun
from weighbridge.records.scale import default_margin, figure
from weighbridge.sources.weights import WeightsLocation
from weighbridge.statistics.conditions import ANYTHING

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.tuning import TuneResult


class StageBar(Protocol):
    """Shows how far a stage has come."""

    def __call__(self, done: float, total: float, tokens_per_second: float | None = None) -> None:
        """Show it."""


@dataclass(frozen=True)
class Outcome:
    """Results of the stages."""

    plan: Plan
    weighed: tuple[BenchmarkComparison, ...]
    tuned: "TuneResult | None"
    single: tuple[tuple[BenchmarkSpec, EvalRun], ...] = ()


class Show(Protocol):
    """Receives progress of the stages: the command line prints it, tests collect it."""

    def say(self, line: str) -> None:
        """Tell one line."""

    def bar(self, title: str) -> AbstractContextManager[StageBar]:
        """Open a progress bar."""


def run_stages(plan: Plan, where: RunEnvironment, show: Show) -> Outcome:
    """Do the work. Stopped anywhere, the same call goes on from there with the same result."""
    for left in plan.left:
        show.say(f"skipped {left.weigh.benchmark}: {left.why}")
        if left.get_it:
            show.say(f"        {left.get_it}")
    if plan.incumbent is not None:
        return _against_incumbent(plan, plan.incumbent, where, show)
    before, tuned = _weigh_and_tune(plan, where, show)
    if tuned is None:
        runs = tuple((w, run) for (w, _), run in zip(plan.tasks, before, strict=True))
        return Outcome(plan, (), None, runs)
    assert isinstance(plan.base, WeightsLocation)
    location = replace(plan.base, adapter=tuned.adapter)
    with open_model(location, where.cache, where.device, where.threads, where.offline) as model:
        stops = [
            _stop(where, wanted, task, old)
            for (wanted, task), old in zip(plan.tasks, before, strict=True)
        ]
        after = _weigh_all(model, plan, where, show, "tuned", stops)
    return Outcome(plan, _compared(plan, where, show, before, after), tuned)


def _against_incumbent(
    plan: Plan, address: EndpointAddress, where: RunEnvironment, show: Show
) -> Outcome:
    """Tune the candidate if asked to, and measure it and the incumbent on the same items."""
    stated = plan.project.incumbent
    assert stated is not None
    asking = replace(
        where.endpoints,
        patience=replace(where.endpoints.patience, request_seconds=stated.request_seconds),
        most_at_a_time=stated.max_at_a_time,
    )
    with closing(asking.open(address)) as incumbent:
        _ = incumbent.capabilities  # a wrong key or model costs seconds, not the tuning run
        tuned = _tune(plan, where, show)
        base = plan.base
        if tuned is not None:
            assert isinstance(base, WeightsLocation)
            base = replace(base, adapter=tuned.adapter)
        with open_any(base, where.endpoints, where.cache, where.device, where.threads) as model:
            _look(model, plan, show)
            after = _weigh_all(model, plan, where, show, "candidate")
        before = _weigh_all(incumbent, plan, where, show, "incumbent")
    return Outcome(plan, _compared(plan, where, show, before, after), tuned)


def _look(model: Model, plan: Plan, show: Show) -> None:
    """Say what is peculiar about how the model is asked, before anything is spent."""
    for note in look_at_all_prompts(model, [task for _, task in plan.tasks]):
        show.say(f"note: {note}")


def _compared(
    plan: Plan, where: RunEnvironment, show: Show, before: list[EvalRun], after: list[EvalRun]
) -> tuple[BenchmarkComparison, ...]:
    return tuple(
        compare_runs(
            wanted, where.store, old.run_id, new.run_id, plan.labels, _overlap(plan, task, show)
        )
        for (wanted, task), old, new in zip(plan.tasks, before, after, strict=True)
    )


def _weigh_and_tune(
    plan: Plan, where: RunEnvironment, show: Show
) -> "tuple[list[EvalRun], TuneResult | None]":
    with open_any(plan.base, where.endpoints, where.cache, where.device, where.threads) as model:
        _look(model, plan, show)
        before = _weigh_all(model, plan, where, show, "base")
        return before, _tune_opened(model, plan, where, show)


def _tune(plan: Plan, where: RunEnvironment, show: Show) -> "TuneResult | None":
    if plan.files is None or isinstance(plan.base, EndpointAddress):
        return None
    with open_model(plan.base, where.cache, where.device, where.threads, where.offline) as model:
        return _tune_opened(model, plan, where, show)


def _tune_opened(
    model: Model, plan: Plan, where: RunEnvironment, show: Show
) -> "TuneResult | None":
    if plan.files is None or plan.project.tune is None:
        return None
    settings = settings_from(plan.project.tune)
    folder = run_folder(where.state / "tuning", base_digest_of(model.ref), settings, plan.files)
    with tuning_bar(show, "tune") as on_event:
        tuned = tune_model(
            cast("OpenWeights", model), plan.project.model.base, settings, plan.files, folder,
            on_event,
        )  # fmt: skip
    show.say(
        f"tuned: loss {tuned.loss_first:.3f} to {tuned.loss_last:.3f} in {tuned.steps} steps, "
        f"{tuned.tokens_per_second:,.0f} tok/s"
    )
    return tuned


def _weigh_all(
    model: Model,
    plan: Plan,
    where: RunEnvironment,
    show: Show,
    who: str,
    stops: Sequence[StopRule | None] = (),
) -> list[EvalRun]:
    """Run every task. The judge is loaded only for this time."""
    judged = any(task.benchmark.judges.get(protocol_of(task)) for _, task in plan.tasks)
    choice = plan.judge if judged else JudgeChoice()
    with open_judge(
        choice, where.store, where.endpoints, where.cache, where.device, where.threads
    ) as judge:
        return [
            _weigh(model, task, plan.place, show, who, judge, stop)
            for (_, task), stop in zip_longest(plan.tasks, stops)
        ]


def _stop(
    where: RunEnvironment, wanted: BenchmarkSpec, task: Task, old: EvalRun
) -> StopRule | None:
    """Return the stop rule of the tuned model's run, by the benchmark's role."""
    if not where.stop_when_decided or not can_stop(task.benchmark):
        return None
    until = TARGET_DECIDED if wanted.role == "target" else DECIDED
    margin = default_margin(old.estimate.scale) if wanted.margin is None else wanted.margin
    return StopRule(where.store.read(old.run_id), margin, until, ANYTHING)


def _overlap(plan: Plan, task: Task, show: Show) -> Contamination | None:
    """Look for a benchmark's items in the tuning data."""
    if plan.files is None:
        return None
    found = find_overlap(task.benchmark, task.items(task.settings), plan.files.train)
    if found.found:
        show.say(
            f"{task.title}: {len(found.found)} of {found.items} items overlap with the tuning data"
        )
    return found


def _weigh(
    model: Model,
    task: Task,
    place: RunContext,
    show: Show,
    who: str,
    judge: Judge | None,
    stop: StopRule | None,
) -> EvalRun:
    with show.bar(f"{task.title} {who}") as bar:
        run = weigh(
            model, task, place, lambda p: bar(p.done, p.total, p.computed_tokens), judge, stop
        )
    if why := run.estimate.why_unknown:
        show.say(f"{task.title} {who}: {why}")
        return run
    mean, low, high = (
        figure(value, run.estimate.scale) for value in (run.estimate.mean, *run.estimate.interval)
    )
    show.say(f"{task.title} {who}: {mean} [{low}, {high}] n={run.estimate.n}")
    return run


@contextmanager
def tuning_bar(show: Show, title: str) -> "Iterator[Callable[[object], None]]":
    """Draw tuning events as a progress bar."""
    from weighbridge.tuning import Planned, StepDone

    tokens = 0.0
    with show.bar(title) as bar:

        def on_event(event: object) -> None:
            nonlocal tokens
            if isinstance(event, Planned):
                bar(event.resumed_step, event.total_steps, None)
                for sentence in event.lengths.sentences("learns from"):
                    show.say(sentence)
                if event.predicted_seconds:
                    show.say(
                        f"tuning: {event.total_steps} steps, forecast "
                        f"{event.predicted_seconds:,.0f} s and "
                        f"{event.predicted_memory_bytes / 1e9:.1f} GB"
                    )
                elif event.resumed_step:
                    show.say(f"tuning goes on from step {event.resumed_step}")
            elif isinstance(event, StepDone):
                tokens = event.tokens_per_second
                bar(event.step, event.total_steps, tokens)

        yield on_event
