"""Counts the parameters that a LoRA adapter trains, by target and rank.

An adapter adds A (rank × inputs) and B (outputs × rank) beside a weight (Hu et al. 2021,
arXiv:2106.09685), so it trains rank · (inputs + outputs) numbers for each weight; biases are not
trained.
"""

from collections.abc import Iterable

from weighbridge.errors import UnknownName
from weighbridge.planning.anatomy.parts import Architecture, Kind, Weight

ALL_LINEAR = "all-linear"
"""Every linear layer but the head, as peft 0.21 interprets this name.

Experts are parameters, not linear layers, so peft leaves them out. For some mixtures (Mixtral, Qwen
3 MoE, OLMoE, DeepSeek), however, peft translates names from transformers 4. There it adapts router
and experts, with gate and up as one matrix at twice the rank, and leaves out dense and shared
blocks, because it has used their names for the experts.
"""


_LEFT_ALONE = ("shared_expert_gate", "dt_proj")
"""Linear layers that `weighbridge tune` leaves alone.

One is a gate that weighs an expert as a router does, the other a recurrence's step size, whose
weight the model's code reads past its layer.
"""


def lora_targets(architecture: Architecture) -> dict[str, int]:
    """Return all names that can be targets, each with its number of parameters at rank 1.

    Names are the endings by which peft finds modules; peft finds experts that are held in one
    parameter by the same names in its `target_parameters`.
    """
    found: dict[str, int] = {}
    for weight, count in architecture.weights():
        if weight.kind in ("linear", "stacked", "table"):
            name = _ending(weight)
            found[name] = found.get(name, 0) + count * _at_rank_1(weight)
    return found


def lora_parameters(
    architecture: Architecture,
    rank: int,
    targets: str | Iterable[str] = ALL_LINEAR,
    experts: bool | None = None,
) -> int:
    """Count the parameters that an adapter of this rank trains.

    Args:
        architecture: The base model; of a model with a vision tower, the text model.
        rank: At least 1.
        targets: "all-linear", or endings of names as in `lora_targets`.
        experts: Whether "all-linear" is what `weighbridge tune` takes for it, which leaves routers
            alone, with routed experts or without; None for what peft takes for it.

    Raises:
        UnknownName: No weight has such a name.
    """
    chosen = [targets] if isinstance(targets, str) else list(dict.fromkeys(targets))
    if chosen == [ALL_LINEAR]:
        return rank * sum(
            count * _at_rank_1(weight) * _layers_taken_for(weight, experts)
            for weight, count in architecture.weights()
            if weight.role != "head"
        )
    known = lora_targets(architecture)
    for target in chosen:
        if target not in known:
            raise UnknownName(
                "LoRA target",
                target,
                (ALL_LINEAR, *known),
                "all-linear can't be combined with other names",
            )
    return rank * sum(known[target] for target in chosen)


def _layers_taken_for(weight: Weight, experts: bool | None) -> int:
    if experts is not None:
        return int(weight.role != "router" and is_tuned(weight.name, weight.kind, experts))
    return int(weight.kind == "linear") if weight.as_linear is None else weight.as_linear


def is_tuned(name: str, kind: Kind, experts: bool) -> bool:
    """Whether `weighbridge tune` adapts a weight, other than a router's, told "all-linear"."""
    if kind == "linear":
        return name.rpartition(".")[2] not in _LEFT_ALONE
    return kind == "stacked" and experts


def _at_rank_1(weight: Weight) -> int:
    return weight.held * (weight.inputs + weight.outputs)


def _ending(weight: Weight) -> str:
    """Return the last part of a name, or the last two where the last is a number or experts'."""
    words = weight.name.split(".")
    alone = weight.kind != "stacked" and not words[-1].isdigit()
    return words[-1] if alone else ".".join(words[-2:])
