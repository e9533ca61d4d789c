"""How many parameters a LoRA adapter trains, by target and rank.

An adapter puts A (rank × inputs) and B (outputs × rank) beside a weight (Hu et al. 2021,
arXiv:2106.09685), so it trains rank · (inputs + outputs) numbers for each; biases stay.
"""

from collections.abc import Iterable

from weighbridge.errors import UnknownName
from weighbridge.planning.anatomy.parts import Architecture, Weight

ALL_LINEAR = "all-linear"
"""Every linear layer but the head, as peft 0.21 reads that word.

Experts are parameters, not layers, so it passes them over. But for some mixtures (Mixtral, Qwen 3
MoE, OLMoE, DeepSeek) it translates names from transformers 4: there it adapts router and experts,
gate and up together at twice the rank, and passes dense and shared blocks over, whose names it has
used up.
"""


def lora_targets(architecture: Architecture) -> dict[str, int]:
    """Return all names that can be targets, each with its parameters at rank 1.

    Names are the endings by which peft finds modules; experts held in one parameter are found by
    peft's `target_parameters` under the same names.
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
    """Count what an adapter of this rank trains.

    Args:
        architecture: The base; of a model with a vision tower, the text model.
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
    """The last word of a name, and the one before where it says too little by itself."""
    words = weight.name.split(".")
    alone = weight.kind != "stacked" and not words[-1].isdigit()
    return words[-1] if alone else ".".join(words[-2:])
