"""Opening a model, finding benchmarks and their data, measuring: for commands and stages."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from weighbridge.errors import InputError, MissingPiece, boundary
from weighbridge.evaluation.benchmark import Benchmark, LoadRequest, Settings
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.place import Place, Progressed
from weighbridge.evaluation.prompt_shapes import Asked, PromptCheck, check_prompts
from weighbridge.evaluation.protocols import complete, require_capable, suited
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.evaluation.runner import evaluate
from weighbridge.evaluation.stopping import StopRule
from weighbridge.evidence import RunStore
from weighbridge.models.endpoint import EndpointAddress, is_endpoint
from weighbridge.models.protocol import Model
from weighbridge.pipeline.endpoints import Endpoints, UnopenedEndpoint, address_of
from weighbridge.records import EvalRun, Json, Sample
from weighbridge.records.scale import default_margin
from weighbridge.sources.datasets import DataPlaces, find_data
from weighbridge.sources.weights import WeightsLocation, find_weights

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.models.template_checks import UnloadedModel

    Unloaded = UnloadedModel | UnopenedEndpoint


@dataclass(frozen=True)
class Task:
    """One benchmark to run: the benchmark, the part of it, its data and the settings."""

    benchmark: Benchmark
    subset: str | None
    data: Path | None
    settings: Settings

    @property
    def title(self) -> str:
        """Benchmark and subset as typed."""
        return f"{self.benchmark.name}:{self.subset}" if self.subset else self.benchmark.name

    def items(self, settings: Settings) -> Iterable[Sample]:
        """Read its items, which may be a stream."""
        return self.benchmark.load(LoadRequest(self.data, self.subset, settings))


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
    if benchmark.data is not None:
        need = benchmark.data
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
        usual = benchmark.default_chat_shots if chat else benchmark.default_shots
        settings = replace(settings, shots=usual)
    return Task(benchmark, subset, data, settings)


def find_all(
    names: Sequence[str], places: DataPlaces, settings: Settings, shots: int | None
) -> list[Task]:
    """Resolve every name before anything is loaded, so that a typo costs nothing."""
    return [find_task(name, places, settings, shots) for name in names]


def what_would_run(model: str, tasks: Sequence[Task]) -> list[dict[str, Json]]:
    """Describe runs without starting them."""
    return [
        {
            "model": model,
            "benchmark": task.title,
            "n": sum(1 for _ in task.items(task.settings))
            * task.settings.repeats
            * task.benchmark.turns,
            "protocol": task.settings.protocol or task.benchmark.protocols[0],
        }
        for task in tasks
    ]


@contextmanager
def open_model(
    spec: str | WeightsLocation,
    cache: Path,
    device: str,
    threads: int,
    offline: bool,
    memory_bytes: int | None = None,
) -> "Iterator[OpenWeights]":
    """Load open weights and let go of them afterwards."""
    if isinstance(spec, str):
        if is_endpoint(spec):
            raise InputError(f"{spec} is an endpoint", "open weights, which this command needs")
        spec = find_weights(spec, offline=offline)
    _need_torch()
    from weighbridge.models.open_weights import load

    with boundary(f"loading {spec.name}"):
        model = load(spec, cache=cache, device=device, threads=threads, memory_bytes=memory_bytes)
    try:
        yield model
    finally:
        model.close()


@contextmanager
def open_any(
    spec: str | WeightsLocation | EndpointAddress,
    endpoints: Endpoints,
    cache: Path,
    device: str,
    threads: int,
    memory_bytes: int | None = None,
    by: Literal["model", "judge"] = "model",
) -> Iterator[Model]:
    """Open a model that is weights or an endpoint, as it is named."""
    if isinstance(spec, str):
        spec = address_of(spec) or spec
    if isinstance(spec, EndpointAddress):
        endpoint = endpoints.open(spec, by)
        try:
            yield endpoint
        finally:
            endpoint.close()
        return
    with open_model(spec, cache, device, threads, endpoints.offline, memory_bytes) as model:
        yield model


def _need_torch() -> None:
    import importlib.util

    missing = [n for n in ("torch", "transformers", "peft") if importlib.util.find_spec(n) is None]
    if missing:
        raise MissingPiece(
            f"{', '.join(missing)} not installed",
            "the extra [torch], to run open weights here",
            "pip install 'weighbridge[torch]'",
        )


def place_for(
    store: RunStore,
    threads: int,
    started: str,
    tasks: Sequence[Task],
    *,
    allow_weaker_sandbox: bool = False,
    already_paid: Callable[[float], None] = lambda usd: None,
) -> Place:
    """Describe where runs happen; asks for a sandbox only if something will run in it.

    Raises:
        SandboxUnavailable: A task runs model-written code and there is no jail for it.
    """
    place = Place(
        store, threads, started, graders=max(1, threads), already_paid=already_paid
    )  # fmt: skip
    if any(task.benchmark.executes_code for task in tasks):
        return at_sandbox_level(place, allow_weaker_sandbox)
    return place


def at_sandbox_level(place: Place, allow_weaker: bool) -> Place:
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
            f"--stop-when-decided with {len(tasks)} benchmarks", "one: a run is of one benchmark"
        )
    run = store.read(reference)
    return StopRule(run, default_margin(run.estimate.scale) if margin is None else margin)


def weigh(
    model: Model,
    task: Task,
    place: Place,
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


def look_at_prompts(model: Asked, task: Task, judge: Judge | None = None) -> PromptCheck:
    """Find what is peculiar about a task's prompts, before anything is spent.

    Raises:
        InputError: The model, or the judge, can't be asked so.
    """
    settings = complete(suited(task.settings, model), task.benchmark)
    return check_prompts(model, task.benchmark, settings, task.items(settings), judge)


def look_at_all_prompts(
    model: Model, tasks: Sequence[Task], judge: Judge | None = None
) -> tuple[str, ...]:
    """Look at the prompts of every task before the first one starts; return what was found."""
    for task in tasks:
        settings = complete(suited(task.settings, model), task.benchmark)
        require_capable(model, task.benchmark, settings)
    return _sentences([look_at_prompts(model, task, judge) for task in tasks])


def without_weights(spec: str | WeightsLocation | EndpointAddress, offline: bool) -> "Unloaded":
    """Open what is needed to check a model's prompts: its tokenizer; for an endpoint nothing.

    Raises:
        MissingPiece: It, or what reads it, is not here.
    """
    if isinstance(spec, EndpointAddress) or (isinstance(spec, str) and is_endpoint(spec)):
        return UnopenedEndpoint()
    location = find_weights(spec, offline=offline) if isinstance(spec, str) else spec
    _need_torch()
    from weighbridge.models.prompts import PromptWriter
    from weighbridge.models.reading import read_tokenizer, with_own_tokens
    from weighbridge.models.template_checks import UnloadedModel

    path = location.path
    is_file = location.kind == "gguf"
    with boundary(f"reading the tokenizer of {location.name}"):
        tokenizer = read_tokenizer(path.parent, path.name) if is_file else read_tokenizer(path)
        if location.adapter is not None:
            tokenizer = with_own_tokens(tokenizer, location.adapter)
    return UnloadedModel(PromptWriter(tokenizer, location.name))


def notes_before_loading(
    spec: str | WeightsLocation | EndpointAddress, tasks: Sequence[Task]
) -> tuple[str, ...]:
    """Look at the prompts of every task for a dry run, which fetches nothing."""
    try:
        model = without_weights(spec, offline=True)
    except MissingPiece as error:
        return (f"How the model is asked can't be seen yet: {error}.",)
    return _sentences([look_at_prompts(model, task) for task in tasks])


def _sentences(checks: Sequence[PromptCheck]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(note for check in checks for note in check.notes))


def first_prompt(model: "Unloaded", task: Task) -> str:
    """Return the first item's prompt as the model reads it; unpublished texts are left out."""
    limited = replace(complete(suited(task.settings, model), task.benchmark), limit=1)
    sample = next(iter(task.items(limited)))
    if not task.benchmark.publishes_questions:
        sample = replace(
            sample,
            messages=tuple(replace(m, content="[not published]") for m in sample.messages),
            choices=("[not published]",) * len(sample.choices),
        )
    prompt = task.benchmark.prompt(task.benchmark.turn(sample, 0), limited)
    return model.as_read(prompt)
