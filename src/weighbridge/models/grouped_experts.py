"""A mixture's routed experts, computed group by group, each with its own low-rank update.

transformers holds the experts of a layer in tensors of three dimensions, and peft adapts such a
tensor by adding the update to all experts' weights in every pass, used or not, with a gradient of
the same size. Here the tokens are sorted by expert, each expert multiplies its own with its weight
and its update apart (``y = W x + s B A x``), and no gradient is formed for a frozen weight: the
arithmetic is that of a dense model of the active size.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from weighbridge.models.peft_library import ParamWrapper

Matrix = Callable[[int], Tensor]
"""Returns an expert's matrix by its index, as (inputs, outputs)."""


@dataclass(frozen=True)
class Update:
    """The adapter of a tensor of experts, in peft's own layout.

    Attributes:
        a: All experts' A, one below the other. (E * R, I)
        b: All experts' B; the expert's index runs fastest. (O, R * E)
        scale: What their product is multiplied by.
    """

    a: Tensor
    b: Tensor
    scale: float


class _Grouped(torch.autograd.Function):
    """y = x W_e (+ s (x A_eᵀ) B_eᵀ) for rows sorted by expert; gradients for x, A and B only."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,  # (S, I), sorted by expert
        a: Tensor | None,  # (E * R, I)
        b: Tensor | None,  # (O, R * E)
        scale: float,
        matrix: Matrix,
        ends: Sequence[int],
        outputs: int,
    ) -> Tensor:
        y = x.new_empty(len(x), outputs)
        low = None if a is None else x.new_empty(len(x), len(a) // len(ends))
        for expert, rows in _groups(ends):
            torch.mm(x[rows], matrix(expert), out=y[rows])
            if low is not None and a is not None and b is not None:
                down, up = _pair(a, b, expert, len(ends))
                torch.mm(x[rows], down.T, out=low[rows])
                y[rows].addmm_(low[rows], up.T, alpha=scale)
        ctx.save_for_backward(*(() if low is None else (x, low, a, b)))
        ctx.scale, ctx.matrix, ctx.ends, ctx.inputs = scale, matrix, ends, x.shape[1]
        return y

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        dy = grads[0]
        x = low = a = b = da = db = None
        if ctx.saved_tensors:
            x, low, a, b = ctx.saved_tensors
            da, db = torch.zeros_like(a), torch.zeros_like(b)
        dx = dy.new_empty(len(dy), ctx.inputs) if ctx.needs_input_grad[0] else None
        for expert, rows in _groups(ctx.ends):
            if dx is not None:
                torch.mm(dy[rows], ctx.matrix(expert).T, out=dx[rows])
            if a is None or b is None or da is None or db is None or x is None or low is None:
                continue
            down, up = _pair(a, b, expert, len(ctx.ends))
            dlow = (dy[rows] @ up).mul_(ctx.scale)  # (S_e, R)
            _, db_of = _pair(da, db, expert, len(ctx.ends))
            db_of.copy_((dy[rows].T @ low[rows]).mul_(ctx.scale))
            rank = down.shape[0]
            torch.mm(dlow.T, x[rows], out=da[expert * rank : (expert + 1) * rank])
            if dx is not None:
                dx[rows].addmm_(dlow, down)
        return dx, da, db, None, None, None, None


def _groups(ends: Sequence[int]) -> Iterator[tuple[int, slice]]:
    """Yield each expert that has rows, with these rows."""
    start = 0
    for expert, end in enumerate(ends):
        if end > start:
            yield expert, slice(start, end)
        start = end


def _pair(a: Tensor, b: Tensor, expert: int, experts: int) -> tuple[Tensor, Tensor]:
    """Return an expert's A (R, I) and B (O, R), as views."""
    rank = len(a) // experts
    return a[expert * rank : (expert + 1) * rank], b[:, expert::experts]


@dataclass(frozen=True)
class Stack:
    """One tensor of experts as products need it.

    Attributes:
        matrix: An expert's matrix (inputs, outputs).
        outputs: How many outputs each has.
    """

    matrix: Matrix
    outputs: int


def stack_of(experts: Any, name: str) -> Stack:
    """Return the weights that a module of transformers holds plainly."""
    weight = getattr(experts, name)
    if experts.is_transposed:
        return Stack(lambda expert: weight[expert], weight.shape[2])
    return Stack(lambda expert: weight[expert].T, weight.shape[1])


def is_grouped(module: Any) -> bool:
    """Whether a module holds routed experts in a way that `run_experts` follows."""
    wanted = ("has_gate", "has_bias", "is_transposed", "is_concatenated", "_apply_gate")
    return (
        all(hasattr(module, name) for name in wanted)
        and hasattr(module, "down_proj")
        and hasattr(module, entry_name(module))
        and not getattr(module, "has_post_expert_norm", False)
    )


def entry_name(experts: Any) -> str:
    """Return the name of the tensor that an expert's input is multiplied with."""
    return "gate_up_proj" if experts.has_gate else "up_proj"


def run_experts(
    experts: Any,
    stacks: Mapping[str, Stack],
    updates: Mapping[str, Update],
    hidden: Tensor,
    index: Tensor,
    weights: Tensor,
) -> Tensor:
    """Return what a layer's routed experts make of tokens, as transformers computes it.

    Args:
        experts: The module, for its biases and its activation.
        stacks: Its weights by name.
        updates: Adapters by the same names.
        hidden: Tokens. (T, H)
        index: Which experts each is sent to. (T, K)
        weights: What their answers weigh. (T, K)
    """
    chosen = index.reshape(-1)
    order = chosen.argsort(stable=True)
    kind = chosen[order]
    count = torch.bincount(chosen, minlength=experts.num_experts)[: experts.num_experts]
    ends = count.cumsum(0).tolist()

    def product(x: Tensor, name: str) -> Tensor:
        update, stack = updates.get(name), stacks[name]
        a, b, scale = (update.a, update.b, update.scale) if update else (None, None, 1.0)
        apply: Any = _Grouped.apply  # torch has no annotations for it
        made: Tensor = apply(x, a, b, scale, stack.matrix, ends, stack.outputs)
        return made + getattr(experts, f"{name}_bias")[kind] if experts.has_bias else made

    entered = product(hidden[order // index.shape[1]], entry_name(experts))
    gated = experts._apply_gate(entered) if experts.has_gate else experts.act_fn(entered)
    out = product(gated, "down_proj") * weights.reshape(-1)[order][:, None]
    back = torch.empty_like(order)
    back[order] = torch.arange(len(order), device=order.device)
    return out[back].view(*index.shape, -1).sum(1).to(hidden.dtype)


@contextmanager
def grouped_experts(module: nn.Module) -> Iterator[None]:
    """Let adapted experts run group by group meanwhile, where peft would add all updates first.

    What `run_experts` doesn't follow, an expert's norm of its own among it, is left to peft.
    """
    replaced = []
    try:
        for layer in outermost_wrappers(module):
            if "forward" not in vars(layer) and is_grouped(layer.get_base_layer()):
                layer.forward = forward_of(layer, None)
                replaced.append(layer)
        yield
    finally:
        for layer in replaced:
            del layer.forward


def outermost_wrappers(module: nn.Module) -> list[Any]:
    """Return the outermost of peft's wrappers of each module; each wraps one tensor of it."""
    wrappers = [layer for layer in module.modules() if isinstance(layer, ParamWrapper)]
    inner = {id(layer.base_layer) for layer in wrappers}
    return [layer for layer in wrappers if id(layer) not in inner]


def chain_of(layer: Any) -> list[Any]:
    """Return the wrappers of one module, the outermost first."""
    found = []
    while isinstance(layer, ParamWrapper):
        found.append(layer)
        layer = layer.base_layer
    return found


def updates_of(layer: Any) -> dict[str, Update]:
    """Return the adapters that are on now, by the tensor's name."""
    return {
        one.parameter_name: Update(
            one.lora_A[name].weight, one.lora_B[name].weight, one.scaling[name]
        )
        for one in chain_of(layer)
        if not one.disable_adapters and not one.merged
        for name in one.active_adapters
        if name in one.lora_A
    }


def forward_of(layer: Any, stacks: Mapping[str, Stack] | None) -> Callable[..., Tensor]:
    """Return a forward pass for wrapped experts.

    Args:
        layer: The outermost wrapper.
        stacks: The weights, where the module doesn't hold them plainly.
    """
    experts = layer.get_base_layer()

    def forward(hidden: Tensor, *chosen: Tensor, **named: Tensor) -> Tensor:
        index, weights = (*chosen, *named.values())
        if index.is_floating_point():  # by name, in another order
            index, weights = weights, index
        held = stacks or {
            name: stack_of(experts, name) for name in (entry_name(experts), "down_proj")
        }
        return run_experts(experts, held, updates_of(layer), hidden, index, weights)

    return forward
