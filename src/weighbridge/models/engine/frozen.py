"""Linear layers whose weights are stored in the order that the CPU's matrix kernel reads.

A product with a plain row-major weight copies it into the kernel's blocked order every time. For
the few rows of a decoding step that copy costs more than the product. A weight that doesn't change
is put into that order once, by oneDNN through torch; the plain weight is dropped, and is restored
bit for bit when the model is to be trained or merged. A weight that is a view of a mapped file is
kept as it is: dropping it would free nothing, and restoring it would be a second copy.
"""

import functools
from typing import Any

import torch
from torch import Tensor, nn

from weighbridge.process_memory import MappedFiles, page_out

_KEPT = (torch.float32, torch.bfloat16)


class FrozenLinear(nn.Module):
    """``y = x Wᵀ + b`` with W in oneDNN's order; no gradient, CPU only.

    Attributes:
        plain: A list of the one layer that this one replaces, without its weight unless that is
            kept.
    """

    def __init__(self, plain: nn.Linear, keep: bool) -> None:
        """Put a layer's weight in the kernel's order.

        Args:
            plain: The layer.
            keep: Whether dropping its weight would free no memory: another layer has it as well, or
                it is a view of a mapped file.
        """
        super().__init__()
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(plain.weight.detach())
        self._kept = plain.weight if keep else None
        self._trained = plain.weight.requires_grad
        self.plain = [plain]  # in a list, so that it isn't a submodule
        self.bias = plain.bias
        # Without this, a mapped file would stay in memory beside the copy. A weight that is kept is
        # read again when needed, a page at a time.
        page_out(plain.weight.data_ptr(), plain.weight.nbytes)
        if not keep:
            del plain.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self.bias, "none", [], "")
        return y

    @property
    def weight(self) -> Tensor:
        """The plain weight (out, in), for code that reads it; unpacked at each call."""
        return self._weight.to_dense() if self._kept is None else self._kept

    def thaw(self) -> nn.Linear:
        """Return the plain layer with its weight, equal bit for bit."""
        (plain,) = self.plain
        if self._kept is None:
            plain.weight = nn.Parameter(self.weight, requires_grad=self._trained)
        return plain


class FrozenLora(nn.Module):
    """A frozen linear layer and its active LoRA adapters: ``y = W x + b + Σ s B A x``.

    It computes the same sum as peft's layer, and adds the updates in place.
    """

    def __init__(self, plain: Any, keep: bool) -> None:
        super().__init__()
        self.plain = [plain]
        self.base = FrozenLinear(plain.base_layer, keep)
        self._updates = [
            (plain.lora_A[name].weight.T, plain.lora_B[name].weight.T, plain.scaling[name])
            for name in plain.active_adapters
            if name in plain.lora_A
        ]

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        y: Tensor = self.base(x)
        rows, flat = x.reshape(-1, x.shape[-1]), y.view(-1, y.shape[-1])
        for a, b, scale in self._updates:
            flat.addmm_(rows @ a, b, alpha=scale)
        return y

    def thaw(self) -> nn.Module:
        """Return peft's layer, whose base layer has the plain weight again."""
        plain: nn.Module = self.plain[0]
        plain.base_layer = self.base.thaw()
        return plain


_SAME = 1e-5  # of the largest value: above float32 rounding, far below what two activations differ
_ACTIVATIONS = (("swish", ""), ("gelu", "tanh"), ("gelu", "none"))  # oneDNN's names


def _fuse_gated(module: nn.Module) -> None:
    """Compute ``down(act(gate(x)) * up(x))`` in three products, without further passes over data.

    oneDNN applies the activation and the multiplication while it writes the products. Which
    activation a feed-forward block has, or that it computes something else, is found by comparing
    the fused block with the plain one on a few rows.
    """
    for block in module.modules():
        layers = [getattr(block, f"{name}_proj", None) for name in ("gate", "up", "down")]
        gate, up, down = (x if isinstance(x, FrozenLinear) else None for x in layers)
        if gate is None or up is None or down is None:
            continue
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(16, gate.plain[0].in_features, generator=generator).to(gate._weight.dtype)
        # Activations are alike near zero, so the rows are scaled to where they differ.
        x = x * (2 / gate(x).std().clamp_min(1e-30))
        expected = block(x)
        for name, algorithm in _ACTIVATIONS:
            fused = GatedBlock(gate, up, down, name, algorithm)
            if (fused(x) - expected).abs().max() < _SAME * expected.abs().max():
                block.forward = fused
                break


class GatedBlock:
    """``down(act(gate(x)) * up(x))`` in three products.

    Attributes:
        needed: Indices of the rows of (1, rows, width) that will be read; the others become zero.
            None computes all rows.
    """

    def __init__(
        self, gate: FrozenLinear, up: FrozenLinear, down: FrozenLinear, name: str, algorithm: str
    ) -> None:
        self._gate, self._up, self._down = gate, up, down
        self._activation: tuple[str, list[float], str] = (name, [], algorithm)
        self.needed: Tensor | None = None

    def __call__(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        if self.needed is None:
            return self._map(x)
        y = torch.zeros_like(x)
        if len(self.needed):
            y[:, self.needed] = self._map(x[:, self.needed])
        return y

    def _map(self, x: Tensor) -> Tensor:
        linear = torch.ops.mkldnn._linear_pointwise
        gate, up = self._gate, self._up
        opened = linear(x, gate._weight, gate.bias, *self._activation)
        y: Tensor = self._down(linear.binary(x, opened, up._weight, up.bias, "mul"))
        return y


def freeze_linears(module: nn.Module) -> None:
    """Replace every linear layer of a model on a CPU by a frozen one; others stay as they are.

    Args:
        module: Changed in place. It can't be trained until `thaw_linears`.
    """
    if not _can_reorder():
        return
    owners: dict[int, int] = {}
    for child in module.modules():
        for parameter in child.parameters(recurse=False):
            owners[id(parameter)] = owners.get(id(parameter), 0) + 1
    mapped = MappedFiles()
    with torch.inference_mode(False), torch.no_grad():
        for parent, name, child in _replaceable_layers(module):
            plain: Any = child.base_layer if _is_plain_lora(child) else child
            if type(plain) is nn.Linear and _can_freeze(plain.weight):
                keep = owners[id(plain.weight)] > 1 or plain.weight.data_ptr() in mapped
                frozen = FrozenLinear if plain is child else FrozenLora
                setattr(parent, name, frozen(child, keep))  # type: ignore[arg-type]
        _fuse_gated(module)


@functools.cache
def _can_reorder() -> bool:
    """Whether this torch has the private operators that this file uses, and they compute right.

    A version of torch may remove or change them, because they are not public. Layers then stay as
    they are: slower, with the same results.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    # The weights are computed, because drawing them would advance the generator that a run seeded.
    x, weight = torch.linspace(-2, 2, 32).view(2, 16), torch.linspace(-1, 1, 256).view(16, 16).cos()
    bias = torch.linspace(0, 1, 16)
    expected = nn.functional.linear(x, weight, bias)
    try:
        product = torch.ops.mkldnn
        ordered = product._reorder_linear_weight(weight)
        y = product._linear_pointwise(x, ordered, bias, "none", [], "")
        activated = product._linear_pointwise(x, ordered, bias, "swish", [], "")
        both = product._linear_pointwise.binary(x, activated, ordered, bias, "mul")
    except (RuntimeError, AttributeError, TypeError, NotImplementedError):
        return False
    silu = nn.functional.silu(expected)
    pairs = ((y, expected), (activated, silu), (both, silu * expected))
    return all(torch.allclose(seen, meant, atol=1e-4) for seen, meant in pairs)


def thaw_linears(module: nn.Module) -> None:
    """Undo `freeze_linears`: restore the layers that were there, with weights equal bit for bit."""
    for block in module.modules():
        if isinstance(vars(block).get("forward"), GatedBlock):
            del block.forward
    with torch.inference_mode(False), torch.no_grad():
        for parent, name, child in _replaceable_layers(module):
            if isinstance(child, FrozenLinear | FrozenLora):
                setattr(parent, name, child.thaw())


def _replaceable_layers(module: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """List the layers that may be replaced, each with its parent and name, outermost first.

    A LoRA layer is replaced as a whole, so the layers inside it are left out. Other adapters are
    left out with their layers, because they check the types of the layers that they wrap.
    """
    found = []
    for parent in module.modules():
        for name, child in parent.named_children():
            found.append((parent, name, child))
    inside = {id(part) for _, _, child in found if _is_adapter(child) for part in child.modules()}
    return [
        (parent, name, child)
        for parent, name, child in found
        if id(parent) not in inside and not (id(child) in inside and not _is_lora(child))
    ]


def _is_adapter(layer: nn.Module) -> bool:
    return hasattr(layer, "base_layer")


def _is_lora(layer: nn.Module) -> bool:
    return hasattr(layer, "lora_A") and hasattr(layer, "base_layer")


def _is_plain_lora(layer: Any) -> bool:
    """Whether a layer is plain LoRA, enabled and not merged: the sum that `FrozenLora` computes."""
    return (
        _is_lora(layer)
        and not layer.merged
        and not layer.disable_adapters
        and not getattr(layer, "lora_variant", None)
        and not any(getattr(layer, "lora_bias", {}).values())
        and all(
            type(part) is nn.Linear and part.weight.dtype == layer.base_layer.weight.dtype
            for part in (*layer.lora_A.values(), *layer.lora_B.values())
        )
    )


def _can_freeze(weight: Tensor) -> bool:
    return weight.device.type == "cpu" and weight.dtype in _KEPT and weight.ndim == 2
