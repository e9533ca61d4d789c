"""PiSSA's start and its end: the principal part of each weight, and the change as an adapter.

The singular vectors are computed once for a run and kept in its folder: their last bits may differ
from one computation to the next, and a resumed run must start from the same ones.
"""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from weighbridge.errors import InputError, WeighbridgeError

if TYPE_CHECKING:
    from torch import Tensor

    from weighbridge.tuning.settings import TuneSettings

_START = "start"  # a folder in the run's, whole or absent
_SAME = 1e-4  # of the largest logit: W is W - BA + BA but for rounding
_STARTS: "WeakKeyDictionary[Any, dict[str, Tensor]]" = WeakKeyDictionary()


@contextmanager
def attached_principal(
    module: Any,
    settings: "TuneSettings",
    base: str,
    folder: Path,
    notes: list[str],
    options: Mapping[str, Any],
) -> Iterator[Any]:
    """Lend the base with its principal part in an adapter, and give it back as it was.

    Raises:
        WeighbridgeError: The logits are no longer the base's.
    """
    from weighbridge.tuning.adapters import attached_adapter

    expected = _logits(module)
    with attached_adapter(module, settings, base, notes, options) as adapted:
        layers = _layers(adapted)
        weights = {name: layer.get_base_layer().weight.data for name, layer in layers.items()}
        try:
            _STARTS[adapted] = start = _start(layers, folder)
            for name, layer in layers.items():
                _take_out(layer, start[f"{name}.A"], start[f"{name}.B"])
            _require_same(expected, _logits(adapted), type(module).__name__)
            yield adapted
        finally:
            for name, layer in layers.items():
                layer.get_base_layer().weight.data = weights[name]


def unchecked(model: Any, token_ids: "Tensor") -> None:
    """Nothing is left to check: `attached_principal` has compared the logits."""


def save_change(adapted: Any, path: Path) -> None:
    """Write what changed as a LoRA adapter of twice the rank, on the base as it was.

    B·A - B0·A0 has twice the rank; alpha is doubled with it, so that the scale stays. Its factors
    are those of its singular values, which are as small as the change: [B, -B0]·[A; A0] would be
    the difference of two products as large as the weights, wherever it is computed.

    Raises:
        StorageError: The disk is full or can't be written.
    """
    import torch

    from weighbridge.tuning.adapters import adapter_config, adapter_tensors, write_adapter

    config = copy.copy(adapter_config(adapted))
    config.r, config.lora_alpha = 2 * config.r, 2 * config.lora_alpha
    tensors, start = adapter_tensors(adapted), _STARTS[adapted]
    for layer in {name.rpartition(".")[0] for name in start}:
        a, b = (f"{layer}.lora_{part}.weight" for part in "AB")
        both_a = torch.cat([tensors[a], start[f"{layer}.A"]], dim=0)
        both_b = torch.cat([tensors[b], -start[f"{layer}.B"]], dim=1)
        tensors[a], tensors[b] = _balanced(both_a, both_b)
    write_adapter(config, tensors, path)


def _balanced(a: "Tensor", b: "Tensor") -> "tuple[Tensor, Tensor]":
    """Return A (r, I) and B (O, r) of the same product, each with the roots of its singular values.

    In float64, so that rounding to float32 leaves nothing of how the machine computed it.
    """
    import torch

    (qa, ra), (qb, rb) = torch.linalg.qr(a.double().T), torch.linalg.qr(b.double())
    u, s, vh = torch.linalg.svd(rb @ ra.T)
    root = s.sqrt()
    count = len(root)  # less than the rank where a layer is narrower
    new_a, new_b = torch.zeros_like(a), torch.zeros_like(b)
    new_a[:count] = (root[:, None] * (vh[:count] @ qa.T)).to(a.dtype)
    new_b[:, :count] = ((qb @ u[:, :count]) * root).to(b.dtype)
    return new_a, new_b


def _layers(adapted: Any) -> dict[str, Any]:
    from weighbridge.models.peft_library import LoraLayer

    found = {n: layer for n, layer in adapted.named_modules() if isinstance(layer, LoraLayer)}
    for name, layer in found.items():
        if not layer.lora_A:
            raise InputError(
                f"target {name.rpartition('.')[2]} with method pissa: it is no linear layer",
                "linear layers, whose weights have a principal part",
                "leave it out of target, or use --method lora",
            )
    return found


def _start(layers: Mapping[str, Any], folder: Path) -> "dict[str, Tensor]":
    """Return A and B of each layer: those that an earlier attempt began with, or new ones."""
    from weighbridge.storage import whole_folder
    from weighbridge.tuning.tensors import read_tensors, write_tensors

    kept = folder / _START
    if not kept.is_dir():
        made: dict[str, Tensor] = {}
        for name, layer in layers.items():
            made[f"{name}.A"], made[f"{name}.B"] = _principal(layer)
        with whole_folder(kept) as partial:
            write_tensors(partial / "start.safetensors", made)
    some = next(iter(layers.values())).get_base_layer().weight.device
    read = read_tensors(kept / "start.safetensors")
    return {name: tensor.to(some).clone() for name, tensor in read.items()}


def _principal(layer: Any) -> "tuple[Tensor, Tensor]":
    """Return A (r, I) and B (O, r) with the largest singular values of W, by Meng's eq. 2 and 3."""
    import torch
    from torch.nn import functional

    name = layer.active_adapters[0]
    rank, scale = layer.r[name], layer.scaling[name]
    u, s, vh = torch.linalg.svd(_weight(layer).float(), full_matrices=False)
    root = (s[:rank] / scale).sqrt()
    a, b = root[:, None] * vh[:rank], u[:, :rank] * root
    missing = rank - len(root)  # a layer narrower than the rank
    return functional.pad(a, (0, 0, 0, missing)), functional.pad(b, (0, missing))


def _take_out(layer: Any, a: "Tensor", b: "Tensor") -> None:
    """Put A and B into an adapter, and leave the rest of W in the base."""
    name = layer.active_adapters[0]
    layer.lora_A[name].weight.data.copy_(a)
    layer.lora_B[name].weight.data.copy_(b)
    rest = (_weight(layer).float() - layer.scaling[name] * (b @ a)).to(_weight(layer).dtype)
    base = layer.get_base_layer()
    base.weight.data = (rest.T if layer.fan_in_fan_out else rest).contiguous()


def _weight(layer: Any) -> "Tensor":
    weight: Tensor = layer.get_base_layer().weight.data
    return weight.T if layer.fan_in_fan_out else weight


def _logits(module: Any) -> "Tensor":
    from weighbridge.models.adapters import probe_logits

    return probe_logits(module)


def _require_same(expected: "Tensor", found: "Tensor", name: str) -> None:
    gap = float((found - expected).abs().max())
    if not gap <= _SAME * max(1.0, float(expected.abs().max())):
        raise WeighbridgeError(
            f"the principal part of {name}'s weights, taken out and put beside them, changes the "
            f"logits by up to {gap:.3g}",
            "none but for rounding: layers whose weights stand nowhere else, in float32",
            "choose other layers with target, or another method",
        )
