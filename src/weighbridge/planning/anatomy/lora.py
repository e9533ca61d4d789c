"""Counts the parameters that a LoRA adapter trains, by target and rank.

An adapter adds A (rank × inputs) and B (outputs × rank) beside a weight (Hu et al. 2021,
arXiv:2106.09685), so it trains rank · (inputs + outputs) numbers for each weight; biases are not
trained.
"""

from collections.abc import Iterable

from weighbridge.errors import UnknownName
from weighbridge.planning.anatomy.parts import Architecture, Weight

ALL_LINEAR = "all-linear"
"""Every linear layer but the head, as peft 0.21 interprets this name.

Experts are parameters, not linear layers, so peft leaves them out. For some mixtures (Mixtral, Qwen
3 MoE, OLMoE, DeepSeek), however, peft translates names from transformers 4. There it adapts router
and experts, with gate and up as one matrix at twice the rank, and leaves out dense and shared
blocks, because it has used their names for the experts.
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
    architecture: Architecture, rank: int, targets: str | Iterable[str] = ALL_LINEAR
) -> int:
    """Count the parameters that an adapter of this rank trains.

    Args:
        architecture: The base model; of a model with a vision tower, the text model.
        rank: At least 1.
        targets: "all-linear", or endings of names as in `lora_targets`.

    Raises:
        UnknownName: No weight has such a name.
    """
    chosen = [targets] if isinstance(targets, str) else list(dict.fromkeys(targets))
    if chosen == [ALL_LINEAR]:
        return rank * sum(
            count * _at_rank_1(weight) * _layers_taken_for(weight)
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


def _layers_taken_for(weight: Weight) -> int:
    return int(weight.kind == "linear") if weight.as_linear is None else weight.as_linear


def _at_rank_1(weight: Weight) -> int:
    return weight.held * (weight.inputs + weight.outputs)


def _ending(weight: Weight) -> str:
    """Return the last part of a name, or the last two where the last is a number or experts'."""
    words = weight.name.split(".")
    alone = weight.kind != "stacked" and not words[-1].isdigit()
    return words[-1] if alone else ".".join(words[-2:])
