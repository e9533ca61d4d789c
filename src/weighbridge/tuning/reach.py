"""Which tensors of a model an adapter is put on: layers, and a mixture's routed experts.

transformers holds the experts of a mixture in tensors of three dimensions, which peft adapts by
name (`target_parameters`). For some mixtures peft (0.21) also rewrites what it is told: with
"all-linear" it adapts routers and experts as well and drops shared experts and dense layers,
because their names are those that experts had in older releases of transformers. So for these,
layers are named one kind at a time, and what peft would take for experts is named as a parameter.
"""

import copy
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from weighbridge.errors import InputError
from weighbridge.models.peft_library import LoraConfig

ROUTER = re.compile(r"(gate|router|shared_expert_gate)(\.|$)")
"""Names within a mixture's block of what weighs experts, routed or shared."""
_BEFORE_LAYER = re.compile(r"^.*?\.\d+\.")


@dataclass(frozen=True)
class Reach:
    """What peft is told.

    Attributes:
        modules: Of `target_modules`.
        parameters: Of `target_parameters`; None where there are none.
        notes: Sentences on what stays without an adapter.
    """

    modules: str | list[str]
    parameters: list[str] | None = None
    notes: tuple[str, ...] = ()


def expert_tensors(module: Any) -> dict[str, torch.Tensor]:
    """Return the tensors that hold many experts' matrices each, by name."""
    return {
        f"{name}.{weight}": value
        for name, part in module.named_modules()
        for weight, value in part.named_parameters(recurse=False)
        if value.dim() == 3 and getattr(part, "num_experts", 1) == len(value) > 1
    }


def linear_routers(module: Any) -> list[str]:
    """Return the linear layers that weigh a mixture's experts: an adapter is put on none."""
    blocks = {name.rsplit(".", 2)[0] for name in expert_tensors(module)}
    return [
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
        and any(
            name.startswith(f"{block}.") and ROUTER.match(name.removeprefix(f"{block}."))
            for block in blocks
        )
    ]


def reach_of(
    module: Any,
    target: str | Sequence[str],
    experts: bool,
    left_out: Iterable[str],
    plain: bool,
) -> Reach:
    """Decide what of a model gets an adapter.

    Args:
        module: The base.
        target: As in the settings.
        experts: Whether the routed experts do.
        left_out: Linear layers that "all-linear" doesn't mean.
        plain: Whether the adapter is LoRA without dropout on weights that aren't quantised, which
            peft can put on parameters.

    Raises:
        InputError: There are no experts in tensors of their own.
    """
    tensors = expert_tensors(module)
    if experts and not tensors:
        raise InputError(
            f"experts = true, and {type(module).__name__} holds no experts in tensors of their own",
            "a mixture of experts whose experts transformers holds together",
            "leave experts out: experts that are layers of their own are among all-linear",
        )
    wanted = sorted({_within_layer(name) for name in tensors}) if experts else []
    asked: str | list[str] = target if isinstance(target, str) else list(target)
    if not tensors or not _rewritten(module, asked):
        return Reach(asked, wanted or None)
    names = _linear_names(module, asked, set(left_out))
    taken = {name for name in names if _rewritten(module, [name])}
    kinds = sorted({_within_layer(name) for name in taken})
    notes: tuple[str, ...] = ()
    if kinds and plain:
        wanted += [f"{kind}.weight" for kind in kinds]
    elif kinds:
        notes = (
            f"no adapter on {', '.join(kinds)}: peft takes their names for experts', which it "
            "adapts by plain LoRA without dropout on weights that aren't quantised",
        )
    return Reach(_short(module, names - taken), sorted(wanted) or None, notes)


def _rewritten(module: Any, target: str | list[str]) -> bool:
    """Whether peft makes something else of these names, for this architecture."""
    from peft.utils.transformers_weight_conversion import convert_peft_config_for_transformers

    config = LoraConfig(target_modules=copy.copy(target))
    before = copy.copy(config.target_modules)
    try:
        convert_peft_config_for_transformers(config, model=module, conversions=None)
    except ValueError:  # that several names are wanted together
        return True
    return bool(config.target_modules != before)


def _linear_names(module: Any, target: str | list[str], left_out: set[str]) -> set[str]:
    head = module.get_output_embeddings()
    return {
        name
        for name, layer in module.named_modules()
        if isinstance(layer, nn.Linear)
        and layer is not head
        and name not in left_out
        and (isinstance(target, str) or any(f".{name}".endswith(f".{one}") for one in target))
    }


def _short(module: Any, names: set[str]) -> list[str]:
    """Name layers by their kind where all of the kind are meant."""
    every: dict[str, set[str]] = {}
    for name, _ in module.named_modules():
        every.setdefault(name.rpartition(".")[2], set()).add(name)
    kinds = {name.rpartition(".")[2] for name in names}
    whole = {kind for kind in kinds if every[kind] <= names}
    return sorted(whole | {name for name in names if name.rpartition(".")[2] not in whole})


def _within_layer(name: str) -> str:
    """Return a name without what stands before the layer's number, and without the number."""
    return _BEFORE_LAYER.sub("", name)
