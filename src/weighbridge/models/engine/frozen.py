"""Linear layers whose weights lie as the CPU's matrix kernel reads them.

A product with a plain row-major weight copies it into the kernel's blocked order every time. For
the few rows of a decoding step that copy costs more than the product. A weight that doesn't change
is put into that order once, by oneDNN through torch; the plain one is dropped, and comes back to
the bit when the model is to be trained or merged.
"""

import functools
from typing import Any

import torch
from torch import Tensor, nn

from weighbridge.process_memory import page_out

_KEPT = (torch.float32, torch.bfloat16)


class FrozenLinear(nn.Module):
    """``y = x Wᵀ + b`` with W in oneDNN's order; no gradient, CPU only.

    Attributes:
        plain: The layer that this one stands for, without its weight unless others share it.
    """

    def __init__(self, plain: nn.Linear, shared: bool) -> None:
        super().__init__()
        self._weight: Tensor = torch.ops.mkldnn._reorder_linear_weight(plain.weight.detach())
        self._shared = plain.weight if shared else None
        self._trained = plain.weight.requires_grad
        self.plain = [plain]  # in a list, so that it isn't a submodule
        self.bias = plain.bias
        # A weight is often a view of a mapped file: without this, the file would stay in memory
        # beside the copy. A shared one is read on, a page at a time.
        page_out(plain.weight.data_ptr(), plain.weight.nbytes)
        if not shared:
            del plain.weight

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., in) to (..., out)."""
        y: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self.bias, "none", [], "")
        return y

    @property
    def weight(self) -> Tensor:
        """The plain weight (out, in), for code that reads it; unpacked at each call."""
        return self._weight.to_dense() if self._shared is None else self._shared

    def thaw(self) -> nn.Linear:
        """Give the plain layer back with its weight, equal to the bit."""
        (plain,) = self.plain
        if self._shared is None:
            plain.weight = nn.Parameter(self.weight, requires_grad=self._trained)
        return plain


class FrozenLora(nn.Module):
    """A frozen linear layer and its active LoRA adapters: ``y = W x + b + Σ s B A x``.

    The sum of peft's layer, added in place.
    """

    def __init__(self, plain: Any, shared: bool) -> None:
        super().__init__()
        self.plain = [plain]
        self.base = FrozenLinear(plain.base_layer, shared)
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
        """Give peft's layer back, its base with the plain weight."""
        plain: nn.Module = self.plain[0]
        plain.base_layer = self.base.thaw()
        return plain


_SAME = 1e-5  # of the largest value: rounding in float32, and far less than two activations differ
_ACTIVATIONS = (("swish", ""), ("gelu", "tanh"), ("gelu", "none"))  # oneDNN's names


def _fuse_gated(module: nn.Module) -> None:
    """Let ``down(act(gate(x)) * up(x))`` run without passes of its own for `act` and the product.

    oneDNN applies both while it writes the products. Which activation it is, or that a feed-forward
    block is something else, is found by comparing the two on a few rows.
    """
    for block in module.modules():
        layers = [getattr(block, f"{name}_proj", None) for name in ("gate", "up", "down")]
        gate, up, down = (x if isinstance(x, FrozenLinear) else None for x in layers)
        if gate is None or up is None or down is None:
            continue
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(16, gate.plain[0].in_features, generator=generator).to(gate._weight.dtype)
        # Activations are alike near zero: they are told apart where they bend.
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
        needed: Rows of (1, rows, width) that anybody reads; the others become zero. None is all.
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
    with torch.inference_mode(False), torch.no_grad():
        for parent, name, child in _places(module):
            plain: Any = child.base_layer if _is_plain_lora(child) else child
            if type(plain) is nn.Linear and _can_freeze(plain.weight):
                shared = owners[id(plain.weight)] > 1
                frozen = FrozenLinear if plain is child else FrozenLora
                setattr(parent, name, frozen(child, shared))  # type: ignore[arg-type]
        _fuse_gated(module)


@functools.cache
def _can_reorder() -> bool:
    """Whether this torch has the products that this file is made of, and they are right.

    They are torch's own and not public: a version may take them away or change them, and then
    layers stay as they are, slower and as right.
    """
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    # No layer is made for it: that would draw from the generator that a run has seeded.
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
    """Undo `freeze_linears`: the layers that were there, weights equal to the bit."""
    for block in module.modules():
        if isinstance(vars(block).get("forward"), GatedBlock):
            del block.forward
    with torch.inference_mode(False), torch.no_grad():
        for parent, name, child in _places(module):
            if isinstance(child, FrozenLinear | FrozenLora):
                setattr(parent, name, child.thaw())


def _places(module: nn.Module) -> list[tuple[nn.Module, str, nn.Module]]:
    """List where layers stand, outermost first.

    What lies inside a LoRA layer goes with it; other adapters look at the kind of what they hold.
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
    """LoRA as in the paper, switched on and not merged: the sum that `FrozenLora` computes."""
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
