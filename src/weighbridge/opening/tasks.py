"""Finding benchmarks and their data, and running them: for commands and stages."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from weighbridge.documents.intentions import IntendedRun
from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.evaluation.run_context import Progressed, RunContext
from weighbridge.evaluation.runner import evaluate
from weighbridge.evaluation.stopping import StopRule
from weighbridge.evaluation.task import Task
from weighbridge.evidence import RunStore
from weighbridge.models.protocol import Model
from weighbridge.records import EvalRun
from weighbridge.records.scale import margin_or_default
from weighbridge.sources.datasets import DataPlaces, find_data


def find_task(name: str, places: DataPlaces, settings: Settings, shots: int | None = None) -> Task:
    """Resolve `NAME[:SUBSET]` and find its data.

    Raises:
        UnknownName: No such benchmark or subset.
        MissingPiece: Its data is nowhere; says the command that gets it.
    """
    subset = None
    if not name.endswith(".toml"):
        name, _, rest = name.partition(":")
        subset = rest or None
    benchmark = find_benchmark(name)
    data = places.named.get(benchmark.name)
    asking = benchmark.asking
    if (need := asking.data) is not None:
        data = find_data(
            need.name,
            places,
            package=need.package,
            package_file_name=need.package_file,
            hub=need.hub,
            hub_files=need.hub_files,
            get_it=need.get_it,
        )
    if shots is None:
        chat = settings.chat_template
        usual = asking.default_chat_shots if chat else asking.default_shots
        settings = replace(settings, shots=usual)
    return Task(benchmark, subset, data, settings, found_as=name)


def find_all(
    names: Sequence[str], places: DataPlaces, settings: Settings, shots: int | None
) -> list[Task]:
    """Resolve every name before anything is loaded, so that a typo costs nothing."""
    return [find_task(name, places, settings, shots) for name in names]


def what_would_run(model: str, tasks: Sequence[Task]) -> list[IntendedRun]:
    """Describe runs without starting them."""
    return [
        IntendedRun(
            model=model,
            benchmark=task.title,
            n=sum(1 for _ in task.items(task.settings))
            * task.settings.repeats
            * task.benchmark.asking.turns,
            protocol=task.benchmark.protocol_for(task.settings),
        )
        for task in tasks
    ]


def place_for(
    store: RunStore,
    threads: int,
    started: str,
    tasks: Sequence[Task],
    *,
    allow_weaker_sandbox: bool = False,
    already_paid: Callable[[float], None] = lambda usd: None,
) -> RunContext:
    """Describe where runs happen; asks for a sandbox only if something will run in it.

    Raises:
        SandboxUnavailable: A task runs model-written code and there is no jail for it.
    """
    place = RunContext(
        store, threads, started, graders=max(1, threads), already_paid=already_paid
    )  # fmt: skip
    if any(task.benchmark.grading.executes_code for task in tasks):
        return at_sandbox_level(place, allow_weaker_sandbox)
    return place


def at_sandbox_level(place: RunContext, allow_weaker: bool) -> RunContext:
    """Note the best level of the sandbox on this machine in a place.

    Raises:
        SandboxUnavailable: No sandbox works, or only a weaker one that is not allowed.
    """
    from weighbridge.errors import SandboxUnavailable
    from weighbridge.sandbox import Level, probe

    found = probe()
    weaker = found.level is not Level.OUTSIDE_TESTER
    if found.level is Level.NONE:
        raise SandboxUnavailable(
            f"no sandbox for model-written code ({found.detail})", "bubblewrap", found.fix
        )
    if weaker and not allow_weaker:
        raise SandboxUnavailable(
            f"only the weaker sandbox works here ({found.detail})",
            f"level {Level.OUTSIDE_TESTER}",
            f"{found.fix}; or accept verdicts that hostile code can fake: --allow-weaker-sandbox",
        )
    return replace(
        place, sandbox_level=str(found.level), weaker_sandbox=weaker, weaker_allowed=allow_weaker
    )


def stop_rule(
    reference: str, margin: float | None, store: RunStore, tasks: Sequence[Task]
) -> StopRule | None:
    """Read the run that a new one is to be decided against; None where none is named.

    Raises:
        InputError: There are several benchmarks, and the run is of one; or a margin to no run.
    """
    if not reference:
        if margin is not None:
            raise InputError(
                f"--margin {margin:g} without a run",
                "--stop-when-decided RUN, which it belongs to",
                "leave it out; `compare` takes a margin, too",
            )
        return None
    if len(tasks) > 1:
        raise InputError(
            f"--stop-when-decided with {len(tasks)} benchmarks", "exactly one benchmark"
        )
    run = store.read(reference)
    return StopRule(run, margin_or_default(margin, run.estimate.scale))


def weigh(
    model: Model,
    task: Task,
    place: RunContext,
    on_progress: Callable[[Progressed], None],
    judge: Judge | None = None,
    stop: StopRule | None = None,
) -> EvalRun:
    """Run one task; the judge is asked only where the benchmark needs one."""
    return evaluate(
        model,
        task.benchmark,
        place,
        subset=task.subset,
        settings=task.settings,
        data=task.data,
        judge=judge,
        stop=stop,
        on_progress=on_progress,
    )
