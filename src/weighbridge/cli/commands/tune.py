"""Tune a model on your own conversations or preferences: an adapter, or every parameter.

Killed at any moment, the same command goes on and ends with the same weights, bit for bit.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import emit, emit_masks
from weighbridge.cli.tune_output import outcome
from weighbridge.cli.tuning_options import (
    DataOptions,
    InsteadOptions,
    MethodOptions,
    ResultOptions,
    TrainingOptions,
    mixing_of,
    settings_of,
)
from weighbridge.tuning.curve import curves_written, find_curves
from weighbridge.tuning.expert_serving import require_served
from weighbridge.tuning.registry import find_method

if TYPE_CHECKING:
    from weighbridge.tuning.mixing import Mixing
    from weighbridge.tuning.settings import TuneSettings


@grouped
def command(
    model: Annotated[str, typer.Argument(help="Alias, folder, .gguf or Hub id.")],
    data: DataOptions,
    method: MethodOptions,
    training: TrainingOptions,
    instead: InsteadOptions,
    result: ResultOptions,
    compute: options.Compute,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.cli.drawing import Drawn
    from weighbridge.cli.forecast_output import show_forecast
    from weighbridge.cli.rate_output import find_rate
    from weighbridge.opening.models import open_model
    from weighbridge.project.tuning import (
        base_digest_of,
        masks_of,
        merge_tuned,
        quantised_twice,
        read_tuning_files,
        run_folder,
        tune_model,
        with_mixture,
    )
    from weighbridge.project.tuning_forecast import forecast_run, require_room
    from weighbridge.project.tuning_progress import tuning_bar
    from weighbridge.tuning.merging import merged_before, require_free

    around = options.surroundings(
        runs=result.runs, cache=result.cache, data=instead.requests, device=compute.device,
        threads=compute.threads, offline=result.offline,
    )  # fmt: skip
    instead.check()
    settings, mixing = settings_of(data, method, training), mixing_of(data)
    files = read_tuning_files(
        data.train,
        data.validation,
        settings.objective,
        data.data_licence,
        mixing=mixing,
        offline=around.offline,
    )
    served = require_served(result.serve_with, bool(settings.experts), result.merge is not None)
    files = replace(files, notes=(*files.notes, *served))
    files = with_mixture(files, settings.seed)
    if result.curves:
        find_curves(result.curves)
    if result.merge:
        require_free(result.merge)
    root = result.runs.parent / "tuning"
    needed = (model, settings, files, around.device, around.offline)
    if instead.dry_run:
        show_forecast(forecast_run(*needed), files, result.memory_check, json)
        return
    if result.memory_check and not data.show_mask:
        files = replace(files, notes=(*files.notes, *require_room(*needed)))
    if instead.safety_frontier:
        _show_frontier(model, data, settings, mixing, around, instead.chart, root, json)
        return
    if instead.verify_resume:
        _verify_resume(model, data, settings, mixing, around, root, json)
        return
    four_bits = not find_method(settings.method).keeps_base
    with open_model(
        model, around.cache, around.device, around.threads, around.offline, four_bits=four_bits
    ) as opened:
        if data.show_mask:
            masks = masks_of(opened, files, data.show_mask)
            emit_masks([(mask.header, mask.parts) for mask in masks], json)
            return
        if instead.find_lr:
            find_rate(opened, files, settings, root, instead.chart, json)
            return
        folder = result.out or run_folder(root, base_digest_of(opened.ref), settings, files)
        artefact = folder / find_method(settings.method).output
        merged = merged_before(result.merge, artefact, folder) if result.merge else None
        with (
            curves_written(result.curves, folder) as drawn,
            tuning_bar(Drawn(), "tune", drawn) as on_event,
        ):
            tuned = tune_model(opened, model, settings, files, folder, on_event)
        if result.merge and not merged:
            merged = merge_tuned(opened, tuned, result.merge, files, settings)
        notes = (*files.notes, *quantised_twice(opened.ref, settings))
    emit(*outcome(tuned, merged, replace(files, notes=notes)), json)


def _show_frontier(
    model: str, data: DataOptions, settings: "TuneSettings", mixing: "Mixing",
    around: options.Surroundings, chart: Path | None, root: Path, json: bool,
) -> None:  # fmt: skip
    from weighbridge.cli.frontier_output import show_frontier
    from weighbridge.evaluation.run_context import RunContext
    from weighbridge.project.safety_frontier import FrontierPlan

    place = RunContext(around.store, around.threads, around.started)
    frontier = FrontierPlan(
        model, data.train, data.validation, data.data_licence, settings, mixing, around.places,
        place, root, around.cache, around.device, around.offline,
    )  # fmt: skip
    show_frontier(frontier, chart, json)


def _verify_resume(
    model: str, data: DataOptions, settings: "TuneSettings", mixing: "Mixing",
    around: options.Surroundings, root: Path, json: bool,
) -> None:  # fmt: skip
    from weighbridge.cli.resume_output import verify_resume
    from weighbridge.project.resume_child import ChildRun

    child = ChildRun(
        model, data.train, data.validation, settings, around.cache, around.device,
        around.threads, around.offline, root, root, mixing=mixing,
    )  # fmt: skip
    verify_resume(child, root, json)
