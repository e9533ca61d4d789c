"""Tunes with several shares of safety examples, and measures what each costs and brings.

    base -> measured on both kinds of request -> tuned with each share -> each measured likewise

Every run is a tuning run as any other, in its own folder, so that the share that is taken
afterwards is tuned already; and measured ones are found again.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.comparison.safety_delta import Measured, delta_of
from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.requests import SAFETY_BENCHMARKS
from weighbridge.evaluation.run_context import Progressed, RunContext
from weighbridge.opening.models import open_model
from weighbridge.opening.tasks import find_all, weigh
from weighbridge.project.tuning import (
    base_digest_of,
    read_tuning_files,
    run_folder,
    tune_model,
    tuned_weights,
    with_mixture,
)
from weighbridge.records import EvalRun, SafetyDelta
from weighbridge.sources.weights import find_weights
from weighbridge.statistics import compare
from weighbridge.statistics.conditions import ANYTHING
from weighbridge.tuning.mixing import SAFETY, Mixed, Mixing
from weighbridge.tuning.registry import find_method, find_objective

if TYPE_CHECKING:
    from weighbridge.evaluation.task import Task
    from weighbridge.project.stage import StageBar
    from weighbridge.project.tuning import TuningFiles
    from weighbridge.sources.datasets import DataPlaces
    from weighbridge.sources.weights import WeightsLocation
    from weighbridge.tuning import TuneEvent, TuneResult, TuneSettings

SHARES = (0.0, 0.01, 0.03, 0.05)


@dataclass(frozen=True)
class FrontierPlan:
    """What is tuned and measured, and where.

    Attributes:
        model: The base, as at the command line.
        train: What is learnt from.
        validation: What the loss is watched on.
        licence: Of `train`, as a person states it.
        settings: Of every run.
        mixing: What is mixed in; the share of refusals is tried.
        places: Where requests of one's own lie.
        place: Where and how models are measured.
        root: The folder of tuning runs.
        cache: Of converted models.
        device: Where it computes.
        offline: Whether to stay off the network.
        shares: Of refusals, in rising order.
    """

    model: str
    train: Path
    validation: Path | None
    licence: str
    settings: "TuneSettings"
    mixing: Mixing
    places: "DataPlaces"
    place: RunContext
    root: Path
    cache: Path
    device: str
    offline: bool
    shares: tuple[float, ...] = SHARES


@dataclass(frozen=True)
class FrontierPoint:
    """One share, tuned and measured.

    Attributes:
        share: Of refusals, as asked for.
        mixed: The safety examples that were mixed in.
        folder: Of the tuning run.
        runs: Ids of the tuned model's runs over both kinds of request.
        delta: Against the base.
        best: Whether no other share has lower rates on both sides, nor an equal and a lower one.
    """

    share: float
    mixed: Mixed
    folder: str
    runs: tuple[str, ...]
    delta: SafetyDelta
    best: bool = False


@dataclass(frozen=True)
class Frontier:
    """What each share costs and brings.

    Attributes:
        base: Ids of the base's runs.
        points: By share.
        notes: What was read over or fell short, each as a sentence.
    """

    base: tuple[str, ...]
    points: tuple[FrontierPoint, ...]
    notes: tuple[str, ...]


Bar = Callable[[str], "AbstractContextManager[StageBar]"]
TuningBar = Callable[[str], "AbstractContextManager[Callable[[TuneEvent], None]]"]


def draw_frontier(plan: FrontierPlan, bar: Bar, tuning_bar: TuningBar) -> Frontier:
    """Tune with each share, and measure base and tuned models on the same requests.

    Args:
        plan: What is tuned and measured.
        bar: Opens a bar of this title.
        tuning_bar: Opens one for a tuning run.

    Raises:
        InputError: Nothing can be mixed in, or data can't be read.
    """
    if find_objective(plan.settings.objective).learns_from != "conversations":
        raise InputError(
            f"--safety-frontier with objective {plan.settings.objective}",
            "objective sft, into whose rows safety examples are mixed",
            "leave one of them out",
        )
    tasks = find_all(SAFETY_BENCHMARKS, plan.places, Settings(), None)
    mixtures = _mixtures(plan, tasks)
    location = find_weights(plan.model, offline=plan.offline)
    base = _measured(plan, location, tasks, "base", bar)
    tuned = _tuned(plan, mixtures, tuning_bar)
    points = []
    for share, files, result in zip(plan.shares, mixtures, tuned, strict=True):
        where = tuned_weights(location, result)
        runs = _measured(plan, where, tasks, f"{share:.0%}", bar)
        (safety,) = [one for one in files.mixed if one.name == SAFETY]
        found = _delta(plan, base, runs)
        folder = str(result.artefact.parent)
        points.append(FrontierPoint(share, safety, folder, _ids(runs), found))
    notes = tuple(dict.fromkeys(note for files in mixtures for note in files.notes))
    return Frontier(_ids(base), _marked(points), notes)


def _mixtures(plan: FrontierPlan, tasks: "Sequence[Task]") -> "list[TuningFiles]":
    """Mix each share in, before anything is loaded."""
    measured = [sample.question for task in tasks for sample in task.items(task.settings)]
    made = []
    for share in plan.shares:
        named = plan.mixing.safety_data if share else ""
        mixing = replace(plan.mixing, safety_share=share, safety_data=named)
        files = read_tuning_files(
            plan.train, plan.validation, plan.settings.objective, plan.licence,
            mixing=mixing, offline=plan.offline,
        )  # fmt: skip
        made.append(with_mixture(files, plan.settings.seed, measured))
    if not any(files.mixed[0].rows for files in made):
        raise InputError(
            f"{plan.train} holds {len(made[0].own_rows):,} rows: {max(plan.shares):.0%} of them is "
            "less than one",
            "enough rows to mix safety examples into, such as 100",
            "add rows",
        )
    return made


def _tuned(
    plan: FrontierPlan, mixtures: "Sequence[TuningFiles]", tuning_bar: TuningBar
) -> "list[TuneResult]":
    four_bits = not find_method(plan.settings.method).keeps_base
    results = []
    with open_model(
        plan.model, plan.cache, plan.device, plan.place.threads, plan.offline, four_bits=four_bits
    ) as opened:
        for share, files in zip(plan.shares, mixtures, strict=True):
            folder = run_folder(plan.root, base_digest_of(opened.ref), plan.settings, files)
            with tuning_bar(f"tune {share:.0%}") as on_event:
                results.append(
                    tune_model(opened, plan.model, plan.settings, files, folder, on_event)
                )
    return results


def _measured(
    plan: FrontierPlan, where: "WeightsLocation", tasks: "Sequence[Task]", who: str, bar: Bar
) -> list[EvalRun]:
    """Measure a model on both kinds of request; runs that are there are used again."""
    runs = []
    with open_model(where, plan.cache, plan.device, plan.place.threads, plan.offline) as opened:
        for task in tasks:
            with bar(f"{task.title} {who}") as shown:
                run = weigh(opened, task, plan.place, partial(_progressed, shown))
            runs.append(plan.place.store.read(run.run_id))
    return runs


def _progressed(bar: "StageBar", made: Progressed) -> None:
    bar(made.done, made.total, made.computed_tokens)


def _delta(plan: FrontierPlan, base: Sequence[EvalRun], runs: Sequence[EvalRun]) -> SafetyDelta:
    found = delta_of([
        Measured(old, new, compare(new, old, accepted=ANYTHING))
        for old, new in zip(base, runs, strict=True)
    ])  # fmt: skip
    if found is None or len(found.rates) < len(base):
        silent = next((run for run in (*base, *runs) if run.estimate.why_unknown), runs[0])
        raise InputError(
            f"{silent.title} of {silent.model.name}: {silent.estimate.why_unknown}",
            "a model that writes words",
            "see what it says with: weighbridge chat",
        )
    return found


def _ids(runs: Sequence[EvalRun]) -> tuple[str, ...]:
    return tuple(run.run_id for run in runs)


def _marked(points: Sequence[FrontierPoint]) -> tuple[FrontierPoint, ...]:
    """Mark the shares that no other beats on both sides."""
    rates = [tuple(rate.candidate[0] for rate in point.delta.rates) for point in points]

    def beaten(own: tuple[float, ...]) -> bool:
        return any(
            other != own and all(a <= b for a, b in zip(other, own, strict=True)) for other in rates
        )

    return tuple(
        replace(point, best=not beaten(own)) for point, own in zip(points, rates, strict=True)
    )
