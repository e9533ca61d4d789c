"""The options of `weighbridge tune`: one for each field of `TuneSettings`, and where files are."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from weighbridge.cli import options
from weighbridge.errors import InputError
from weighbridge.tuning.curve import curve_names
from weighbridge.tuning.expert_serving import ENGINES
from weighbridge.tuning.mixing import Mix, Mixing
from weighbridge.tuning.registry import find_method, find_objective, method_names, objective_names
from weighbridge.tuning.settings import METHOD_SETTINGS, OBJECTIVE_SETTINGS, TuneSettings

if TYPE_CHECKING:
    from weighbridge.tuning.method import Method, Objective


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
    safety_share: Annotated[
        float | None,
        typer.Option(
            help="Share of refusals that are mixed in, with as many harmless look-alikes that are "
            "answered; 0 for none. [default: 0.03 (sft on conversations)]"
        ),
    ] = None
    safety_data: Annotated[
        str,
        typer.Option(metavar="DATA", help="Where these are taken from; else the shipped ones."),
    ] = ""
    mix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DATA=SHARE",
            help="Mix other data in, such as general.jsonl=0.2 for a fifth of all rows; may be "
            "repeated.",
        ),
    ] = None
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
    experts: Annotated[
        bool | None,
        _setting("experts", "A mixture's routed experts get one, too.", "--experts/--no-experts"),
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
    checkpointing: Annotated[
        bool | None,
        _setting(
            "checkpointing",
            "Compute layers again instead of keeping them: less memory, a third more time.",
            "--checkpointing",
        ),
    ] = None
    packing: Annotated[
        str | None,
        _setting("packing", "Rows in one without padding, each for itself: auto, on or off."),
    ] = None
    precision: Annotated[
        str | None,
        _setting("precision", "Of products on a CPU: float32, or bfloat16, faster and rounded."),
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

    memory_check: Annotated[
        bool,
        typer.Option(
            "--memory-check/--no-memory-check",
            help="Refuse what by the forecast doesn't fit, before weights are loaded.",
        ),
    ] = True
    out: Annotated[
        Path | None, typer.Option(help="Folder of the tuning run; default: beside the runs.")
    ] = None
    curves: Annotated[
        str,
        typer.Option(metavar="NAME", help=f"Curves for {' or '.join(curve_names())}, too."),
    ] = ""
    merge: Annotated[Path | None, typer.Option(help="Also write merged safetensors here.")] = None
    serve_with: Annotated[
        str,
        typer.Option(
            metavar="ENGINE",
            help="Refuse, before weights are loaded, an adapter on experts that this engine "
            f"doesn't load: {', '.join(one.name for one in ENGINES)}.",
        ),
    ] = ""
    runs: options.Runs = options.DEFAULT_RUNS
    cache: options.Cache = None
    offline: options.Offline = False


@dataclass(frozen=True, kw_only=True)
class InsteadOptions:
    """What is done instead of a run."""

    panel: ClassVar[str] = "Instead of a run"

    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Check data, settings and memory, say what would be done, and load no weights.",
        ),
    ] = False
    find_lr: Annotated[
        bool, typer.Option("--find-lr", help="Try learning rates in short runs, and recommend one.")
    ] = False
    chart: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.svg|png", help="With --find-lr or --safety-frontier: draw the curve."
        ),
    ] = None
    safety_frontier: Annotated[
        bool,
        typer.Option(
            "--safety-frontier",
            help="Tune with 0, 1, 3 and 5 % of refusals, and measure what each costs and brings.",
        ),
    ] = False
    requests: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="NAME=PATH",
            help="With --safety-frontier: requests of your own, as harmful_requests=FILE or "
            "look_alikes=FILE.",
        ),
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
            InputError: A picture without a curve, or with a name that says no format; or two of
                them.
        """
        from weighbridge.cli.scaling_output import check_image, check_parent

        asked = [
            name
            for name, wanted in (
                ("--dry-run", self.dry_run),
                ("--find-lr", self.find_lr),
                ("--verify-resume", self.verify_resume),
                ("--safety-frontier", self.safety_frontier),
            )
            if wanted
        ]
        if len(asked) > 1:
            raise InputError(" and ".join(asked), "one of them at a time")
        if self.chart and not (self.find_lr or self.safety_frontier):
            raise InputError(f"--chart {self.chart} without --find-lr", "a curve to draw")
        if self.requests and not self.safety_frontier:
            raise InputError(
                f"--data {self.requests[0]} without --safety-frontier",
                "requests to measure with",
                "what is learnt from is named by --train",
            )
        check_image(self.chart)
        check_parent(self.chart)


def mixing_of(data: DataOptions) -> Mixing:
    """Return what is to be mixed in.

    Raises:
        InputError: An option isn't as it has to be.
    """
    mix = []
    for stated in data.mix or ():
        name, _, share = stated.rpartition("=")
        try:
            mix.append(Mix(name, float(share)))
        except ValueError:
            raise InputError(
                f"--mix {stated}", "DATA=SHARE, such as general.jsonl=0.2", "add the share"
            ) from None
    return Mixing(data.safety_share, data.safety_data, tuple(mix))


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
