"""Tune a model on your own conversations or preferences: an adapter, or every parameter.

Killed at any moment, the same command goes on and ends with the same weights, bit for bit.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.cli.artefact_output import divergence_document, merged_lines
from weighbridge.cli.option_groups import grouped
from weighbridge.cli.output import emit, emit_masks
from weighbridge.documents.tuning import (
    CheckDocument,
    RewardsDocument,
    RowsDocument,
    SelfTestDocument,
    TuningDocument,
)
from weighbridge.errors import InputError
from weighbridge.sources.artefacts import artefact_digest
from weighbridge.tuning.curve import curve_names, curves_written, find_curves
from weighbridge.tuning.registry import find_method, find_objective, method_names, objective_names
from weighbridge.tuning.settings import METHOD_SETTINGS, OBJECTIVE_SETTINGS, TuneSettings

if TYPE_CHECKING:
    from weighbridge.project.tuning import TuningFiles
    from weighbridge.tuning import TuneResult
    from weighbridge.tuning.merging import Merged
    from weighbridge.tuning.method import Method, Objective
    from weighbridge.tuning.rewards import Rewards


def _setting(name: str, told: str, *flags: str, **more: Any) -> Any:
    """Return the option of a field of `TuneSettings`, where its default stands."""
    return typer.Option(*flags, help=f"{told} {_default(name)}".strip(), **more)


def _default(name: str) -> str:
    """Say a field's default; where methods or objectives differ, that of each."""
    if name in OBJECTIVE_SETTINGS:
        owners: list[Method | Objective] = [find_objective(each) for each in objective_names()]
    elif name in METHOD_SETTINGS:
        owners = [find_method(each) for each in method_names()]
    else:
        value = getattr(TuneSettings(), name)
        return "" if value is None else f"[default: {_shown(value)}]"
    found: dict[str, list[str]] = {}
    for owner in owners:
        if name in owner.defaults:
            found.setdefault(_shown(owner.defaults[name]), []).append(owner.name)
    if len(found) == 1:
        return f"[default: {next(iter(found))}]"
    return f"[default: {'; '.join(f'{v} ({_listed(by)})' for v, by in found.items())}]"


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(map(_shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(names: list[str]) -> str:
    return ", ".join(names)


_METHODS = "; ".join(f"{name}: {find_method(name).summary}" for name in method_names())
_PARTS = ", ".join(
    f"{name} takes 1/{find_objective(name).slower:g}"
    for name in objective_names()
    if find_objective(name).slower != 1
)
_RATE = f"At its peak. Defaults are for sft; of them {_PARTS}."
_OBJECTIVES = "; ".join(f"{name}: {find_objective(name).summary}" for name in objective_names())


@dataclass(frozen=True, kw_only=True)
class DataOptions:
    """What is learnt from."""

    panel: ClassVar[str] = "Data"

    train: Annotated[Path, typer.Option(help="File to learn from, or ORG/NAME:SPLIT of the Hub.")]
    validation: Annotated[
        Path | None, typer.Option(help="The same, to measure the validation loss.")
    ] = None
    max_tokens: Annotated[
        int | None, _setting("max_tokens", "Longest row; else the model's context.")
    ] = None
    overflow: Annotated[
        str | None,
        _setting("overflow", "What becomes of longer rows: refuse, drop or truncate_left."),
    ] = None
    data_licence: Annotated[
        str, typer.Option(help="Licence of the data (SPDX); else that of a Hub data set's card.")
    ] = ""
    show_mask: Annotated[int, typer.Option(help="Show what is learnt of N rows, and stop.")] = 0


@dataclass(frozen=True, kw_only=True)
class MethodOptions:
    """What is trained."""

    panel: ClassVar[str] = "Method"

    method: Annotated[str | None, _setting("method", f"{_METHODS}.", metavar="NAME")] = None
    objective: Annotated[str | None, _setting("objective", f"{_OBJECTIVES}.", metavar="NAME")] = (
        None
    )
    beta: Annotated[
        float | None, _setting("beta", "Weighs the preference: DPO's beta, ORPO's lambda.")
    ] = None
    rank: Annotated[int | None, _setting("rank", "Rank of the update.")] = None
    alpha: Annotated[float | None, _setting("alpha", "Scales the update.")] = None
    dropout: Annotated[float | None, _setting("dropout", "On the adapter's input.")] = None
    target: Annotated[
        list[str] | None,
        _setting("target", "A layer's name that gets an adapter; may be repeated.", metavar="NAME"),
    ] = None


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How it is trained."""

    panel: ClassVar[str] = "Training"

    learning_rate: Annotated[
        float | None, _setting("learning_rate", _RATE, "--learning-rate", "--lr")
    ] = None
    learning_rate_ratio: Annotated[
        float | None, _setting("learning_rate_ratio", "How many times faster B learns than A.")
    ] = None
    schedule: Annotated[
        str | None, _setting("schedule", "How it falls: cosine, linear or constant.")
    ] = None
    warmup_share: Annotated[
        float | None, _setting("warmup_share", "Share of the steps in which it rises.")
    ] = None
    epochs: Annotated[int | None, _setting("epochs", "Passes over the data.")] = None
    max_steps: Annotated[int | None, _setting("max_steps", "Stop after so many steps.")] = None
    batch_size: Annotated[int | None, _setting("batch_size", "Rows in one pass.")] = None
    accumulation: Annotated[int | None, _setting("accumulation", "Passes in one step.")] = None
    packing: Annotated[
        str | None,
        _setting("packing", "Rows in one without padding, each for itself: auto, on or off."),
    ] = None
    weight_decay: Annotated[float | None, _setting("weight_decay", "AdamW's.")] = None
    betas: Annotated[tuple[float, float] | None, _setting("betas", "AdamW's.", metavar="B1 B2")] = (
        None
    )
    clip_norm: Annotated[
        float | None, _setting("clip_norm", "Longest gradient; 0 for any length.")
    ] = None
    seed: Annotated[int | None, _setting("seed", "Seed of everything random.")] = None
    patience: Annotated[
        int | None,
        _setting("patience", "End after so many validations without a lower loss; keep the best."),
    ] = None
    validation_steps: Annotated[
        int | None, _setting("validation_steps", "Steps between validations within an epoch.")
    ] = None
    checkpoint_steps: Annotated[
        int | None, _setting("checkpoint_steps", "Steps between checkpoints.")
    ] = None
    self_test: Annotated[
        bool | None,
        _setting(
            "self_test",
            "Try the whole run out first, in a minute; else only where it is long.",
            "--self-test/--no-self-test",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class ResultOptions:
    """What is written and where files are."""

    panel: ClassVar[str] = "Result and files"

    out: Annotated[
        Path | None, typer.Option(help="Folder of the tuning run; default: beside the runs.")
    ] = None
    curves: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"Curves for {' or '.join(curve_names())}, too."),
    ] = ""
    merge: Annotated[Path | None, typer.Option(help="Also write merged safetensors here.")] = None
    runs: options.Runs = options.DEFAULT_RUNS
    cache: options.Cache = None
    offline: options.Offline = False


@dataclass(frozen=True, kw_only=True)
class InsteadOptions:
    """What is done instead of a run."""

    panel: ClassVar[str] = "Instead of a run"

    find_lr: Annotated[
        bool, typer.Option("--find-lr", help="Try learning rates in short runs, and recommend one.")
    ] = False
    chart: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg|png", help="With --find-lr: draw loss against rate."),
    ] = None
    verify_resume: Annotated[
        bool,
        typer.Option(
            "--verify-resume", help="Kill a short run, also as it saves; compare all bits."
        ),
    ] = False

    def check(self) -> None:
        """Refuse what can't go together.

        Raises:
            InputError: A picture without a curve, or with a name that says no format; or both.
        """
        from weighbridge.cli.scaling_output import check_image, check_parent

        if self.find_lr and self.verify_resume:
            raise InputError("--find-lr and --verify-resume", "one of them at a time")
        if self.chart and not self.find_lr:
            raise InputError(f"--chart {self.chart} without --find-lr", "a curve to draw")
        check_image(self.chart)
        check_parent(self.chart)


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
    from weighbridge.cli.rate_output import find_rate
    from weighbridge.cli.resume_output import verify_resume
    from weighbridge.opening.models import open_model
    from weighbridge.project.resume_child import ChildRun
    from weighbridge.project.tuning import (
        base_digest_of,
        masks_of,
        merge_tuned,
        quantised_twice,
        read_tuning_files,
        run_folder,
        tune_model,
    )
    from weighbridge.project.tuning_progress import tuning_bar
    from weighbridge.tuning.merging import merged_before, require_free

    around = options.surroundings(
        runs=result.runs, cache=result.cache, device=compute.device, threads=compute.threads,
        offline=result.offline,
    )  # fmt: skip
    instead.check()
    settings = settings_of(data, method, training)
    files = read_tuning_files(
        data.train,
        data.validation,
        settings.objective,
        data.data_licence,
        offline=around.offline,
    )
    if result.curves:
        find_curves(result.curves)
    if result.merge:
        require_free(result.merge)
    root = result.runs.parent / "tuning"
    if instead.verify_resume:
        child = ChildRun(
            model, data.train, data.validation, settings, around.cache, around.device,
            around.threads, around.offline, root, root,
        )  # fmt: skip
        verify_resume(child, root, json)
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
    emit(*_outcome(tuned, merged, replace(files, notes=notes)), json)


def settings_of(*groups: DataOptions | MethodOptions | TrainingOptions) -> TuneSettings:
    """Fill the settings with what was stated; the rest are their defaults."""
    names = {field.name for field in fields(TuneSettings)}
    stated = {
        name: value
        for group in groups
        for name, value in vars(group).items()
        if name in names and value is not None
    }
    if target := stated.pop("target", None):
        stated["target"] = target[0] if target == ["all-linear"] else tuple(target)
    return TuneSettings(**stated)


def _self_test_document(result: "TuneResult") -> SelfTestDocument | None:
    made = result.self_test
    if made is None:
        return None
    checks = tuple(CheckDocument(**vars(one)) for one in made.checks)
    return SelfTestDocument(checks=checks, seconds=made.seconds)


def _outcome(
    result: "TuneResult", merged: "Merged | None", files: "TuningFiles"
) -> tuple[TuningDocument, str]:
    """Return what a run came to, as a document and as text."""
    validation, whole = result.validation_lengths, result.adapter is None
    document = TuningDocument(
        method=result.method,
        objective=result.objective,
        adapter=None if whole else str(result.artefact),
        adapter_digest=None if whole else result.artefact_digest,
        model=str(result.artefact) if whole else None,
        model_digest=result.artefact_digest if whole else None,
        trainable_parameters=result.trainable_parameters,
        trained_tokens=result.trained_tokens,
        tokens=result.tokens,
        tokens_per_second=result.tokens_per_second,
        loss_first=result.loss_first,
        loss_last=result.loss_last,
        validation_loss_first=result.validation_loss_first,
        validation_loss_last=result.validation_loss_last,
        rewards_first=_rewards(result.rewards, 0),
        rewards_last=_rewards(result.rewards, 1),
        validation_rewards_first=_rewards(result.validation_rewards, 0),
        validation_rewards_last=_rewards(result.validation_rewards, 1),
        peak_memory_bytes=result.peak_memory_bytes,
        predicted_memory_bytes=result.predicted_memory_bytes,
        seconds=result.seconds,
        predicted_seconds=result.predicted_seconds,
        steps=result.steps,
        kept_step=result.kept_step,
        arrangement=result.arrangement,
        computed_tokens=result.computed_tokens,
        padded_tokens=result.padded_tokens,
        data=RowsDocument(**vars(result.lengths)),
        validation_data=RowsDocument(**vars(validation)) if validation else None,
        template_date=result.template_date,
        data_licence=files.licence or None,
        notes=(*files.notes, *result.notes),
        self_test=_self_test_document(result),
        merged=str(merged.path) if merged else None,
        merged_before=merged.before if merged else False,
        merged_max_logit_difference=merged.max_logit_difference if merged else None,
        merged_digest=artefact_digest(merged.path) if merged else None,
        merged_divergence=divergence_document(merged.divergence, merged.kl_bound, merged.dtype)
        if merged
        else None,
    )
    lines = [
        *result.told(),
        *files.notes,
        f"loss {result.loss_first:.3f} to {result.loss_last:.3f} in {result.steps} steps",
        *_told_rewards("at the last step", result.rewards),
        *_told_rewards("on validation pairs", result.validation_rewards),
        f"{result.tokens_per_second:,.0f} tokens a second; peak memory "
        f"{result.peak_memory_bytes / 1e9:.2f} GB (forecast "
        f"{result.predicted_memory_bytes / 1e9:.2f})",
        f"{result.output} {result.artefact}",
    ]
    lines += merged_lines(merged) if merged else []
    return document, "\n".join(lines)


def _rewards(measured: "tuple[Rewards, Rewards] | None", place: int) -> RewardsDocument | None:
    return RewardsDocument(**vars(measured[place])) if measured else None


def _told_rewards(where: str, measured: "tuple[Rewards, Rewards] | None") -> tuple[str, ...]:
    if not measured:
        return ()
    first, last = measured
    before = f" ({first.accuracy:.0%} before)" if first.accuracy else ""  # DPO starts at 0
    return (f"{where} {last}{before}",)
