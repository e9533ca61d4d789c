"""What `run` and `demo` do, in order; each stage finds its own finished work and goes on from it.

plan -> weigh the base -> tune -> weigh the tuned model -> compare -> report
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from weighbridge.errors import InputError, MissingPiece, SandboxUnavailable
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.human_labels import read_human_labels
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.place import Place
from weighbridge.evaluation.stopping import DECIDED, TARGET_DECIDED, StopRule, can_stop
from weighbridge.evidence import RunStore
from weighbridge.models.endpoint import EndpointAddress
from weighbridge.models.protocol import Model
from weighbridge.pipeline.comparing import compare_with_evidence, without_samples
from weighbridge.pipeline.contamination import find_overlap, score_without, without
from weighbridge.pipeline.endpoints import Endpoints, address_of
from weighbridge.pipeline.judge import JudgeChoice, open_judge
from weighbridge.pipeline.project import Project, Weigh
from weighbridge.pipeline.tuning import (
    TuningFiles,
    read_tuning_files,
    run_folder,
    settings_from,
    tune_model,
)
from weighbridge.pipeline.weighing import (
    Task,
    at_sandbox_level,
    find_task,
    look_at_all_prompts,
    open_any,
    open_model,
    weigh,
)
from weighbridge.records import (
    CleanSubset,
    Comparison,
    Contamination,
    EvalRun,
    HumanLabel,
    JudgeAudit,
)
from weighbridge.records.scale import default_margin, figure
from weighbridge.sources.datasets import DataPlaces
from weighbridge.sources.weights import WeightsLocation, find_weights
from weighbridge.statistics import compare

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.tuning import TuneResult


class Bar(Protocol):
    """Shows how far a stage has come."""

    def __call__(self, done: float, total: float, tokens_per_second: float | None = None) -> None:
        """Show it."""


@dataclass(frozen=True)
class Where:
    """Everything that stages need and that is not in the project file."""

    store: RunStore
    state: Path
    cache: Path
    places: DataPlaces
    device: str
    threads: int
    offline: bool
    started: str
    endpoints: Endpoints
    allow_weaker_sandbox: bool = False
    stop_when_decided: bool = False


@dataclass(frozen=True)
class Left:
    """A benchmark that was not run: which, why, and the command that makes it run."""

    weigh: Weigh
    why: str
    get_it: str


@dataclass(frozen=True)
class Plan:
    """What will run, checked before anything is loaded."""

    project: Project
    base: WeightsLocation | EndpointAddress
    tasks: tuple[tuple[Weigh, Task], ...]
    left: tuple[Left, ...]
    files: TuningFiles | None
    place: Place
    judge: JudgeChoice = field(default_factory=JudgeChoice)
    labels: tuple[HumanLabel, ...] = ()
    incumbent: EndpointAddress | None = None


@dataclass(frozen=True)
class Weighed:
    """One benchmark before and after, and the comparison of the two.

    Attributes:
        weigh: What was asked for.
        before: The base's run, without samples.
        after: The tuned model's.
        comparison: After minus before, over all items.
        parts: The same for each named part.
        contamination: Items that overlap with the tuning data; None where that was not looked for.
        clean: The comparison without them; None where none overlap, or all do.
        clean_scores: Headline beside clean score, before and after; empty where none overlap.
    """

    weigh: Weigh
    before: EvalRun
    after: EvalRun
    comparison: Comparison
    parts: tuple[Comparison, ...]
    audit: JudgeAudit | None = None
    contamination: Contamination | None = None
    clean: Comparison | None = None
    clean_scores: tuple[CleanSubset, ...] = ()

    @property
    def decisive(self) -> Comparison | None:
        """What a verdict rests on: the items that were not learnt; None if there are none."""
        overlapping = self.contamination is not None and self.contamination.found
        return self.clean if overlapping else self.comparison


@dataclass(frozen=True)
class Outcome:
    """What the stages brought."""

    plan: Plan
    weighed: tuple[Weighed, ...]
    tuned: "TuneResult | None"
    single: tuple[tuple[Weigh, EvalRun], ...] = ()


class Show(Protocol):
    """How stages tell what happens; the command line draws it, tests collect it."""

    def say(self, line: str) -> None:
        """Tell one line."""

    def bar(self, title: str) -> AbstractContextManager[Bar]:
        """Open a progress bar."""


def make_plan(project: Project, where: Where) -> Plan:
    """Find everything that the project names; what is missing is left out by name, never silently.

    Raises:
        InputError: Something that the project itself brings is wrong.
        MissingPiece: The base model, or a target's data, is not here.
    """
    if not project.evaluate:
        raise InputError(f"{project.path} evaluates nothing", "at least one [[evaluate]]")
    base = address_of(project.model.base) or find_weights(
        _beside(project, project.model.base), offline=where.offline
    )
    incumbent = project.incumbent.address if project.incumbent else None
    if incumbent is not None and where.stop_when_decided:
        raise InputError(
            "--stop-when-decided with an [incumbent]",
            "a project that tunes",
            "leave it out, or use --max-usd",
        )
    for address in (base, incumbent):
        if isinstance(address, EndpointAddress):
            # Its key is there, and a price where there's a cap.
            where.endpoints.open(address).close()
    files = None
    if project.tune is not None:
        if isinstance(base, EndpointAddress):
            raise InputError(f"[tune] with the endpoint {base.host}", "open weights to tune")
        validation = project.tune.validation
        files = read_tuning_files(
            project.folder / project.tune.train,
            project.folder / validation if validation else None,
        )
        settings_from(project.tune)
    tasks: list[tuple[Weigh, Task]] = []
    left: list[Left] = []
    place = Place(
        where.store, where.threads, where.started, max(1, where.threads),
        already_paid=where.endpoints.budget.already_paid,
    )  # fmt: skip
    for wanted in project.evaluate:
        try:
            task = _task(project, wanted, where)
            if task.benchmark.executes_code:
                place = at_sandbox_level(place, where.allow_weaker_sandbox)
        except (MissingPiece, SandboxUnavailable) as error:
            if wanted.role == "target":
                raise
            command = error.do.removeprefix("get it with: ")
            left.append(Left(wanted, f"{error.saw}; needs {error.expected}", command))
            continue
        tasks.append((wanted, task))
    judge, labels = _judge(project, [task for _, task in tasks])
    return Plan(project, base, tuple(tasks), tuple(left), files, place, judge, labels, incumbent)


def _judge(project: Project, tasks: list[Task]) -> tuple[JudgeChoice, tuple[HumanLabel, ...]]:
    """Return who judges, and what people said of the answers.

    Raises:
        InputError: Something must be judged and `[judge]` does not say by whom, or what it names is
            not there.
    """
    named = project.judge
    judged = [task for task in tasks if task.benchmark.judges.get(_protocol(task)) is not None]
    if judged and named is None:
        raise InputError(
            f"{project.path}: {judged[0].title} without a judge",
            "a model that judges the answers",
            'add [judge] with model = "NAME"',
        )
    if named is None:
        JudgeChoice().check((task.benchmark, task.settings) for task in tasks)
        return JudgeChoice(), ()
    choice = JudgeChoice(
        _beside(project, named.model), named.repeats, named.max_tokens,
        _beside(project, named.baseline) if named.baseline else "",
    )  # fmt: skip
    choice.check((task.benchmark, task.settings) for task in tasks)
    if not named.human or not judged:
        return choice, ()
    scale = judged[0].benchmark.scale(_protocol(judged[0]))
    return choice, read_human_labels(project.folder / named.human, scale)


def _protocol(task: Task) -> str:
    return task.settings.protocol or task.benchmark.protocols[0]


def _beside(project: Project, name: str) -> str:
    """A path in a project file is relative to it; other names stand as they are."""
    beside = project.folder / name
    return str(beside) if beside.exists() and not Path(name).is_absolute() else name


def _task(project: Project, wanted: Weigh, where: Where) -> Task:
    settings = Settings(
        protocol=wanted.protocol,
        shots=wanted.shots or 0,
        limit=wanted.limit,
        repeats=wanted.repeats,
        seed=wanted.seed,
        temperature=wanted.temperature,
        max_tokens=wanted.max_tokens,
        chat_template=wanted.chat_template,
    )
    task = find_task(_beside(project, wanted.benchmark), where.places, settings, wanted.shots)
    if project.incumbent is not None:
        task = _for_both(task, project, wanted, where)
    # Reading the items now means that a malformed row costs seconds, not the tuning run.
    if not sum(1 for _ in task.items(task.settings)):
        raise InputError(f"{wanted.benchmark} has no items", "at least one")
    return task


def _for_both(task: Task, project: Project, wanted: Weigh, where: Where) -> Task:
    """Ask both models alike, in the way that endpoints can: a conversation, answered in text."""
    settings = task.settings
    if not settings.protocol and "generative" in task.benchmark.protocols:
        settings = replace(settings, protocol="generative")
    if settings.chat_template is None:
        settings = replace(settings, chat_template=True)
    name = _beside(project, wanted.benchmark)
    return find_task(name, where.places, settings, wanted.shots)


def run_stages(plan: Plan, where: Where, show: Show) -> Outcome:
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


def _against_incumbent(plan: Plan, address: EndpointAddress, where: Where, show: Show) -> Outcome:
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
    plan: Plan, where: Where, show: Show, before: list[EvalRun], after: list[EvalRun]
) -> tuple[Weighed, ...]:
    return tuple(
        compare_runs(
            wanted, where.store, old.run_id, new.run_id, plan.labels, _overlap(plan, task, show)
        )
        for (wanted, task), old, new in zip(plan.tasks, before, after, strict=True)
    )


def _weigh_and_tune(
    plan: Plan, where: Where, show: Show
) -> "tuple[list[EvalRun], TuneResult | None]":
    with open_any(plan.base, where.endpoints, where.cache, where.device, where.threads) as model:
        _look(model, plan, show)
        before = _weigh_all(model, plan, where, show, "base")
        return before, _tune_opened(model, plan, where, show)


def _tune(plan: Plan, where: Where, show: Show) -> "TuneResult | None":
    if plan.files is None or isinstance(plan.base, EndpointAddress):
        return None
    with open_model(plan.base, where.cache, where.device, where.threads, where.offline) as model:
        return _tune_opened(model, plan, where, show)


def _tune_opened(model: Model, plan: Plan, where: Where, show: Show) -> "TuneResult | None":
    if plan.files is None or plan.project.tune is None:
        return None
    settings = settings_from(plan.project.tune)
    folder = run_folder(where.state / "tuning", model.ref.weights_digest, settings, plan.files)
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
    where: Where,
    show: Show,
    who: str,
    stops: Sequence[StopRule | None] = (),
) -> list[EvalRun]:
    """Run every task; the judge is in memory only meanwhile."""
    judged = any(task.benchmark.judges.get(_protocol(task)) for _, task in plan.tasks)
    choice = plan.judge if judged else JudgeChoice()
    with open_judge(
        choice, where.store, where.endpoints, where.cache, where.device, where.threads
    ) as judge:
        return [
            _weigh(model, task, plan.place, show, who, judge, stop)
            for (_, task), stop in zip_longest(plan.tasks, stops)
        ]


def _stop(where: Where, wanted: Weigh, task: Task, old: EvalRun) -> StopRule | None:
    """When the tuned model's run may end: a target is to improve, a guard only not to get worse."""
    if not where.stop_when_decided or not can_stop(task.benchmark):
        return None
    until = TARGET_DECIDED if wanted.role == "target" else DECIDED
    margin = default_margin(old.estimate.scale) if wanted.margin is None else wanted.margin
    return StopRule(where.store.read(old.run_id), margin, until)


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
    place: Place,
    show: Show,
    who: str,
    judge: Judge | None,
    stop: StopRule | None,
) -> EvalRun:
    with show.bar(f"{task.title} {who}") as bar:
        run = weigh(
            model, task, place, lambda p: bar(p.done, p.total, p.computed_tokens), judge, stop
        )
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
                if event.predicted_seconds:
                    show.say(
                        f"tuning: {event.lengths.rows} rows, {event.total_steps} steps, forecast "
                        f"{event.predicted_seconds:,.0f} s and "
                        f"{event.predicted_memory_bytes / 1e9:.1f} GB"
                    )
                elif event.resumed_step:
                    show.say(f"tuning goes on from step {event.resumed_step}")
            elif isinstance(event, StepDone):
                tokens = event.tokens_per_second
                bar(event.step, event.total_steps, tokens)

        yield on_event


def compare_runs(
    wanted: Weigh,
    store: RunStore,
    before: str,
    after: str,
    labels: tuple[HumanLabel, ...] = (),
    contamination: Contamination | None = None,
) -> Weighed:
    """Compare the tuned model's run with the base's, in the headline and in each part.

    Where items overlap with the tuning data, the two are compared without them, too.
    """
    old, new = store.read(before), store.read(after)
    parts = tuple(
        compare(new, old, margin=wanted.margin, metric=name)
        for name in dict.fromkeys([*new.estimate.parts, *old.estimate.parts])
    )
    # A report is made again from its own runs, whatever else the store holds by then.
    found = compare_with_evidence(new, old, None, margin=wanted.margin, labels=labels)
    clean: Comparison | None = None
    scores: tuple[CleanSubset, ...] = ()
    if contamination is not None and contamination.found:
        kept = without(new, contamination), without(old, contamination)
        if kept[0].samples and kept[1].samples:
            clean = compare_with_evidence(
                *kept, None, margin=wanted.margin, labels=labels
            ).comparison
        scores = (score_without(old, contamination), score_without(new, contamination))
    return Weighed(
        wanted, without_samples(old), without_samples(new), found.comparison, parts, found.audit,
        contamination, clean, scores,
    )  # fmt: skip
