"""Plans a project: finds everything that it names before anything is loaded or spent."""

from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from pathlib import Path

from weighbridge.errors import InputError, MissingPiece, SandboxUnavailable
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.human_labels import read_human_labels
from weighbridge.evaluation.requests import SAFETY_BENCHMARKS
from weighbridge.evaluation.run_context import RunContext
from weighbridge.evaluation.task import Task
from weighbridge.evidence import RunStore
from weighbridge.models.endpoint import EndpointAddress
from weighbridge.opening.endpoints import Endpoints, address_of
from weighbridge.opening.judge import JudgeChoice
from weighbridge.opening.tasks import at_sandbox_level, find_task
from weighbridge.project.attack_campaign import plan_campaign
from weighbridge.project.data_licence import require_releasable
from weighbridge.project.offers import offers_of
from weighbridge.project.overlap import overlaps_of, validation_overlaps
from weighbridge.project.project_file import Project, refuse_margin
from weighbridge.project.prompting import Prompts, plan_prompts
from weighbridge.project.tuning import TuningFiles, read_tuning_files, with_mixture
from weighbridge.records import BenchmarkSpec, Contamination, HumanLabel, SkippedBenchmark
from weighbridge.redteam.runner import Prepared
from weighbridge.sources.datasets import DataPlaces
from weighbridge.sources.hub_data import is_hub_name
from weighbridge.sources.weights import WeightsLocation, find_weights
from weighbridge.verdict.comparators import Offer


@dataclass(frozen=True)
class RunEnvironment:
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
class Plan:
    """What will run, checked before anything is loaded."""

    project: Project
    base: WeightsLocation | EndpointAddress
    tasks: tuple[tuple[BenchmarkSpec, Task], ...]
    left: tuple[SkippedBenchmark, ...]
    files: TuningFiles | None
    place: RunContext
    judge: JudgeChoice = field(default_factory=JudgeChoice)
    labels: tuple[HumanLabel, ...] = ()
    incumbent: EndpointAddress | None = None
    overlaps: tuple[Contamination, ...] = ()
    notes: tuple[str, ...] = ()
    prompts: tuple[Prompts, ...] = ()
    offers: tuple[Offer, ...] = ()
    campaign: Prepared | None = None

    def overlap_of(self, task: Task) -> Contamination | None:
        """Return which items of one of the tasks stand in the training data; None without any."""
        pairs = zip(self.tasks, self.overlaps, strict=False)
        return next((found for (_, each), found in pairs if each is task), None)


def make_plan(project: Project, where: RunEnvironment) -> Plan:
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
            _data(project, project.tune.train),
            _data(project, validation) if validation else None,
            project.tune.settings.objective,
            project.tune.licence,
            mixing=project.tune.mixing,
            locate=partial(_data, project),
            offline=where.offline,
        )
    unknown = _licensed(project, files)
    tasks: list[tuple[BenchmarkSpec, Task]] = []
    left: list[SkippedBenchmark] = []
    place = RunContext(
        where.store, where.threads, where.started, max(1, where.threads),
        already_paid=where.endpoints.budget.already_paid,
    )  # fmt: skip
    for wanted in project.evaluate:
        try:
            task = _task(project, wanted, where)
            if task.benchmark.grading.executes_code:
                place = at_sandbox_level(place, where.allow_weaker_sandbox)
        except (MissingPiece, SandboxUnavailable) as error:
            if wanted.role == "target":
                raise
            command = error.do.removeprefix("get it with: ")
            left.append(SkippedBenchmark(wanted, f"{error.saw}; needs {error.expected}", command))
            continue
        tasks.append((wanted, task))
    if files is not None and project.tune is not None:
        files = with_mixture(files, project.tune.settings.seed, _questions(tasks))
    judge, labels = _judge(project, [task for _, task in tasks])
    found = [task for _, task in tasks]
    return Plan(
        project, base, tuple(tasks), tuple(left), files, place, judge, labels, incumbent,
        _overlaps(project, files, found),
        (
            *files.notes,
            *unknown,
            *validation_overlaps(found, files.validation_files),
            *_unmeasured(project),
        )
        if files
        else (),
        plan_prompts(project, files, tasks),
        offers_of(project, date.fromisoformat(where.started[:10])),
        plan_campaign(project),
    )  # fmt: skip


def _questions(tasks: list[tuple[BenchmarkSpec, Task]]) -> list[str]:
    """Return all that the model will be asked: none of it is mixed into what it learns."""
    return [
        turn.question
        for _, task in tasks
        for item in task.items(task.settings)
        for turn in task.benchmark.asking.turns_of(item)
    ]


def _unmeasured(project: Project) -> tuple[str, ...]:
    """Say it where tuning is weighed without a look at what it costs in safety."""
    asked = {wanted.benchmark for wanted in project.evaluate}
    if asked & set(SAFETY_BENCHMARKS):
        return ()
    wanted = " and ".join(f'benchmark = "{name}"' for name in SAFETY_BENCHMARKS)
    return (f"what tuning costs in safety is not measured: [[evaluate]] with {wanted} does that",)


def _licensed(project: Project, files: TuningFiles | None) -> tuple[str, ...]:
    """Check that what is learnt from may become what the project is for."""
    if files is None:
        return ()
    data = [(files.train, files.licence)]
    if files.components is not None:
        data += [(Path(one.data), one.licence) for one in files.components.parts]
    use = project.project.use
    return tuple(note for path, name in data for note in require_releasable(path, name, use))


def _overlaps(
    project: Project, files: TuningFiles | None, tasks: list[Task]
) -> tuple[Contamination, ...]:
    """Look for what is measured in what is trained on, before anything is spent."""
    if files is None or project.tune is None:
        return ()
    return overlaps_of(tasks, files.train_files, allowed=project.tune.allow_overlap)


def _judge(project: Project, tasks: list[Task]) -> tuple[JudgeChoice, tuple[HumanLabel, ...]]:
    """Return who judges, and what people said of the answers.

    Raises:
        InputError: Something must be judged and `[judge]` does not say by whom, or what it names is
            not there.
    """
    named = project.judge
    judged = [task for task in tasks if task.benchmark.judge_for(task.settings) is not None]
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
    scale = judged[0].benchmark.scale_for(judged[0].settings)
    return choice, read_human_labels(project.folder / named.human, scale)


def _beside(project: Project, name: str) -> str:
    """A path in a project file is relative to it; other names stand as they are."""
    beside = project.folder / name
    try:
        there = beside.exists() and not Path(name).is_absolute()
    except OSError:  # such as a name longer than any file's
        return name
    return str(beside) if there else name


def _data(project: Project, name: str) -> Path:
    """A file is beside the project file; a data set on the Hub is not."""
    beside = project.folder / name
    return Path(name) if is_hub_name(Path(name)) and not beside.exists() else beside


def _task(project: Project, wanted: BenchmarkSpec, where: RunEnvironment) -> Task:
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
    if wanted.margin is not None:
        scale = task.benchmark.scale_for(task.settings)
        refuse_margin(project.path, wanted.benchmark, wanted.margin, scale)
    # Reading the items now means that a malformed row costs seconds, not the tuning run.
    if not sum(1 for _ in task.items(task.settings)):
        raise InputError(f"{wanted.benchmark} has no items", "at least one")
    return task


def _for_both(task: Task, project: Project, wanted: BenchmarkSpec, where: RunEnvironment) -> Task:
    """Return settings that both models can follow: a conversation, answered in text."""
    settings = task.settings
    if not settings.protocol and "generative" in task.benchmark.asking.protocols:
        settings = replace(settings, protocol="generative")
    if settings.chat_template is None:
        settings = replace(settings, chat_template=True)
    name = _beside(project, wanted.benchmark)
    return find_task(name, where.places, settings, wanted.shots)
