"""Whether the layers that `target` names are there, and which of a model's an adapter leaves out.

peft takes a list of names of which one is right, passes over the others, and says nothing of layers
or experts that no name reaches.
"""

import difflib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import torch

from weighbridge.errors import InputError

_LAYER = re.compile(r"(?:^|\.)(\d+)\.")


def require_named(module: Any, target: Sequence[str], known: str) -> None:
    """Require that each target name is that of a layer, with the nearest names where it isn't.

    Args:
        module: The base.
        target: Names as in the settings.
        known: The names of layers that an adapter can change, listed.

    Raises:
        InputError: One of them matches nothing.
    """
    names = [name for name, _ in module.named_modules() if name]
    for wanted in target:
        if any(_matches(name, wanted) for name in names):
            continue
        last = {name.rpartition(".")[2] for name in names} - {str(n) for n in range(1000)}
        near = difflib.get_close_matches(wanted.rpartition(".")[2], sorted(last), n=3, cutoff=0.6)
        raise InputError(
            f"target {wanted} of {type(module).__name__}: no layer has that name",
            f'"all-linear", or names of linear layers that this model has: {known}',
            f"did you mean {' or '.join(near)}?" if near else "correct target",
        )


def _matches(name: str, wanted: str) -> bool:
    return name == wanted or name.endswith(f".{wanted}")


def passed_over(module: Any, target: str | Sequence[str]) -> tuple[str, ...]:
    """Return a sentence for each part of a model that an adapter might be thought to reach.

    Args:
        module: The base, with the adapter in it.
        target: As in the settings.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    reached = [name for name, part in module.named_modules() if isinstance(part, BaseTunerLayer)]
    depth = int(getattr(module.config.get_text_config(), "num_hidden_layers", 0) or 0)
    said = []
    for wanted in () if isinstance(target, str) else target:
        layers = _layers_of(name for name in reached if _matches(name, wanted))
        if layers and len(layers) < depth:
            said.append(
                f"target {wanted} is in {len(layers)} of {depth} layers alone: {_spans(layers)}"
            )
    if bare := sorted(set(range(depth)) - _layers_of(reached)):
        said.append(f"no adapter in {len(bare)} of {depth} layers: {_spans(bare)}")
    if isinstance(target, str) and (experts := _untouched_experts(module)):
        kinds = sorted({name.rpartition(".")[2] for name in experts})
        where = _layers_of(experts)
        said.append(
            f"no adapter on the experts' {' and '.join(kinds)}, which stay as they are"
            + (f", in {len(where)} of {depth} layers" if where else "")
        )
    if isinstance(target, str) and (packed := _untouched_integers(module)):
        kinds = sorted({name.rpartition(".")[2] for name in packed})
        said.append(
            f"no adapter on {len(packed)} layers that are quantised in a way that peft doesn't "
            f"know: {', '.join(kinds)}"
        )
    return tuple(said)


def _untouched_experts(module: Any) -> list[str]:
    """Name weights of many experts in one tensor that peft has put nothing around."""
    return [
        f"{name}.{weight}"
        for name, part in module.named_modules()
        for weight, value in part.named_parameters(recurse=False)
        if value.dim() == 3
        and "base_layer" not in name
        and not isinstance(part, torch.nn.modules.conv._ConvNd)
        and "lora_" not in name
    ]


def _untouched_integers(module: Any) -> list[str]:
    """Name layers whose matrix is held in integers and that peft has put nothing around."""
    return [
        name
        for name, part in module.named_modules()
        if "base_layer" not in name
        and any(
            value.dim() == 2 and not value.is_floating_point() and min(value.shape) > 1
            for value in (*part.parameters(recurse=False), *part.buffers(recurse=False))
        )
    ]


def _layers_of(names: Iterable[str]) -> set[int]:
    found = (_LAYER.search(name) for name in names)
    return {int(match[1]) for match in found if match}


def _spans(layers: Iterable[int]) -> str:
    """Write layers as spans, such as 0-2, 5."""
    spans: list[list[int]] = []
    for layer in sorted(layers):
        if spans and layer == spans[-1][-1] + 1:
            spans[-1][1:] = [layer]
        else:
            spans.append([layer])
    return ", ".join("-".join(map(str, span)) for span in spans)
