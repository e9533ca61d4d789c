"""Computes layers again in the backward pass instead of keeping what is between them.

Gradient checkpointing (Chen et al. 2016, arXiv:1604.06174): of each layer only the input is kept,
and one layer at a time stands whole. It costs another forward pass, and changes no bit of the
result, since the same operations run on the same numbers, with the same dropout.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint


@contextmanager
def recomputed(module: Any, wanted: bool) -> Iterator[None]:
    """Let each of a model's layers be computed again, where a gradient goes through it."""
    layers = outer_layers(module) if wanted else []
    before = [(layer, vars(layer).get("forward")) for layer in layers]
    for layer in layers:
        vars(layer)["forward"] = _again(layer.forward)
    try:
        yield
    finally:
        for layer, own in before:
            del vars(layer)["forward"]
            if own is not None:
                vars(layer)["forward"] = own


def _again(forward: Any) -> Any:
    def computed_again(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return computed_again


def outer_layers(module: Any) -> list[nn.Module]:
    """Return the items of a model's lists of layers, without lists inside of those (experts)."""
    lists = {name: part for name, part in module.named_modules() if isinstance(part, nn.ModuleList)}
    outer = [
        part
        for name, part in lists.items()
        if not any(name.startswith(f"{other}.") for other in lists)
    ]
    return [layer for part in outer for layer in part]
