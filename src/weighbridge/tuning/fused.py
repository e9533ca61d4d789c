"""Two autograd functions that skip work that isn't needed. Same results as torch's and peft's.

A LoRA layer computes ``y = W x + s B A x``. Written as one function it keeps only x and A x for
the backward pass, adds the update in place, and never forms a weight gradient for W. Cross-entropy
through a head is differentiated while its logits are at hand, a few rows at a time, so that logits
for all positions never stand in memory together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from weighbridge.models.nf4 import is_held
from weighbridge.models.peft_library import LoraLayer

# Rows of logits held at once: 256 x 49152 x 4 bytes = 50 MB for SmolLM2.
CHUNK_ROWS = 256
_CHUNK = ContextVar("rows of logits held at once", default=CHUNK_ROWS)


@contextmanager
def chunks_of(rows: int) -> Iterator[None]:
    """Hold so many rows of logits at once meanwhile: a few rows are cut into chunks, too."""
    token = _CHUNK.set(rows)
    try:
        yield
    finally:
        _CHUNK.reset(token)


class _LoraLinear(torch.autograd.Function):
    """y = x Wᵀ + b + s (drop(x) Aᵀ) Bᵀ, with gradients for x, A and B only."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,  # (..., I)
        dropped: Tensor | None,  # (..., I) x after dropout's mask and scale; None without dropout
        weight: Tensor,  # (O, I), frozen
        bias: Tensor | None,  # (O,), frozen
        a: Tensor,  # (R, I)
        b: Tensor,  # (O, R)
        scale: float,
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        adapted = flat if dropped is None else dropped.reshape(-1, x.shape[-1])
        low = adapted @ a.T  # (T, R)
        y = x.new_empty(*x.shape[:-1], weight.shape[0])
        flat_y = y.view(-1, weight.shape[0])
        if bias is None:
            torch.mm(flat, weight.T, out=flat_y)
        else:
            torch.addmm(bias, flat, weight.T, out=flat_y)
        flat_y.addmm_(low, b.T, alpha=scale)
        ctx.save_for_backward(adapted, low, weight, a, b)
        ctx.scale, ctx.shape, ctx.split = scale, x.shape, dropped is not None
        return y  # itself, no view of it: some architectures write into it

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        adapted, low, weight, a, b = ctx.saved_tensors
        dy = grads[0].reshape(-1, weight.shape[0])
        dlow = (dy @ b).mul_(ctx.scale)  # (T, R)
        db = (dy.T @ low).mul_(ctx.scale)
        da = dlow.T @ adapted
        dx = ddropped = None
        if ctx.needs_input_grad[0]:
            dx = dy @ weight
            if ctx.split:
                ddropped = (dlow @ a).view(ctx.shape)
            else:
                dx.addmm_(dlow, a)
            dx = dx.view(ctx.shape)
        return dx, ddropped, None, None, da, db, None


class _LoraUpdate(torch.autograd.Function):
    """s (x Aᵀ) Bᵀ where x is narrower than A and B, keeping x as it is.

    peft casts x to the adapter's type, and each adapted layer keeps that copy.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,  # (..., I)
        a: Tensor,  # (R, I)
        b: Tensor,  # (O, R)
        scale: float,
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        low = flat.to(a.dtype) @ a.T  # (T, R)
        ctx.save_for_backward(flat, low, a, b)
        ctx.scale, ctx.shape = scale, x.shape
        return (low @ b.T).mul_(scale).to(x.dtype).view(*x.shape[:-1], len(b))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        flat, low, a, b = ctx.saved_tensors
        dy = grads[0].reshape(-1, len(b)).to(a.dtype)
        dlow = (dy @ b).mul_(ctx.scale)  # (T, R)
        db = (dy.T @ low).mul_(ctx.scale)
        da = dlow.T @ flat.to(a.dtype)
        dx = (dlow @ a).to(flat.dtype).view(ctx.shape) if ctx.needs_input_grad[0] else None
        return dx, da, db, None


class _HeadLoss(torch.autograd.Function):
    """Sum of cross-entropies of ``hidden @ weightᵀ``; a gradient for weight if it is trained."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        dhidden = torch.empty_like(hidden)  # (N, H)
        dweight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None  # (V, H)
        total = hidden.new_zeros((), dtype=torch.float64)
        for rows in _chunks(hidden):
            losses, errors = _losses_and_errors(hidden[rows], weight, targets[rows])
            total += losses.sum(dtype=torch.float64)
            errors = errors.to(weight.dtype)
            torch.mm(errors, weight, out=dhidden[rows])
            if dweight is not None:
                dweight.addmm_(errors.T, hidden[rows])
        ctx.save_for_backward(dhidden, dweight)
        return total.float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        dhidden, dweight = ctx.saved_tensors
        # In place, since it is as large as the vocabulary's embeddings: one backward pass only.
        return dhidden * grads[0], None if dweight is None else dweight.mul_(grads[0]), None


class _TokenLosses(torch.autograd.Function):
    """Cross-entropy of each row of ``hidden @ weightᵀ``, so that each may weigh differently.

    A row's gradient is its own times what it weighs, so a frozen head is gone through once. The
    gradient of a trained head is a sum over rows that depends on those weights: it is computed from
    the logits again.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
        ctx.trains_head = ctx.needs_input_grad[1]
        dhidden = None if ctx.trains_head else torch.empty_like(hidden)  # (N, H)
        found = hidden.new_empty(len(hidden), dtype=torch.float32)
        for rows in _chunks(hidden):
            losses, errors = _losses_and_errors(hidden[rows], weight, targets[rows])
            found[rows] = losses[:, 0]
            if dhidden is not None:
                torch.mm(errors.to(weight.dtype), weight, out=dhidden[rows])
        ctx.save_for_backward(*((hidden, weight, targets) if dhidden is None else (dhidden,)))
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        weighed = grads[0][:, None]  # (N, 1)
        if not ctx.trains_head:
            (dhidden,) = ctx.saved_tensors
            return (dhidden * weighed).to(dhidden.dtype), None, None
        hidden, weight, targets = ctx.saved_tensors
        dhidden, dweight = torch.empty_like(hidden), torch.zeros_like(weight)
        for rows in _chunks(hidden):
            _, errors = _losses_and_errors(hidden[rows], weight, targets[rows])
            errors = errors.mul_(weighed[rows]).to(weight.dtype)
            torch.mm(errors, weight, out=dhidden[rows])
            dweight.addmm_(errors.T, hidden[rows])
        return dhidden, dweight, None


def _chunks(hidden: Tensor) -> list[slice]:
    size = _CHUNK.get()
    return [slice(start, start + size) for start in range(0, len(hidden), size)]


def _losses_and_errors(hidden: Tensor, weight: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return each row's cross-entropy (n, 1), and its gradient by the logits (n, V)."""
    scores = functional.linear(hidden, weight).float()
    wanted = targets[:, None]
    right = scores.gather(1, wanted)
    peak = scores.amax(1, keepdim=True)
    scores.sub_(peak).exp_()
    mass = scores.sum(1, keepdim=True)
    losses = mass.log() + peak - right
    scores.div_(mass)  # probabilities; minus one at the target is the gradient
    return losses, scores.scatter_add_(1, wanted, torch.full_like(right, -1.0))


def cross_entropy_sum(hidden: Tensor, head: Callable[[Tensor], Tensor], targets: Tensor) -> Tensor:
    """Return the summed cross-entropy, in nats, of `targets` under ``softmax(head(hidden))``.

    Args:
        hidden: Last hidden states of the positions that count. (N, H)
        head: From hidden states to logits: the vocabulary projection, or a model's own way.
        targets: The tokens that should have come next. (N,)
    """
    weight = _bare_weight(hidden, head)
    if weight is not None:
        total: Tensor = _HeadLoss.apply(hidden, weight, targets)
        return total
    return torch.stack(_in_chunks(hidden, head, targets, "sum")).sum()


def cross_entropies(hidden: Tensor, head: Callable[[Tensor], Tensor], targets: Tensor) -> Tensor:
    """Return each target's cross-entropy, in nats (N,); arguments as in `cross_entropy_sum`."""
    weight = _bare_weight(hidden, head)
    if weight is not None:
        losses: Tensor = _TokenLosses.apply(hidden, weight, targets)
        return losses
    return torch.cat(_in_chunks(hidden, head, targets, "none"))


def _bare_weight(hidden: Tensor, head: Callable[[Tensor], Tensor]) -> Tensor | None:
    """Return a bare projection's weight where a gradient is wanted; None where torch does all."""
    bare = type(head) is nn.Linear and getattr(head, "bias", None) is None
    weight = getattr(head, "weight", None) if bare else None
    if weight is None or weight.dtype != hidden.dtype or not torch.is_grad_enabled():
        return None
    return weight if hidden.dtype in (torch.float32, torch.bfloat16) else None


def _in_chunks(
    hidden: Tensor, head: Callable[[Tensor], Tensor], targets: Tensor, reduction: str
) -> list[Tensor]:
    chunk = _CHUNK.get()
    return [
        functional.cross_entropy(head(rows).float(), wanted, reduction=reduction)
        for rows, wanted in zip(hidden.split(chunk), targets.split(chunk), strict=True)
    ]


@contextmanager
def fused_lora(module: nn.Module) -> Iterator[None]:
    """Let peft's plain LoRA layers run as one function each, and restore them afterwards.

    Where the adapter's type is wider than the base's, or the base is in four bits, the update alone
    is one function. Layers that are anything but plain (DoRA, merged, several adapters) are left to
    peft.
    """
    replaced: list[nn.Module] = []
    try:
        for layer in module.modules():
            if isinstance(layer, LoraLayer) and _is_plain(layer):
                own = _is_alike(layer)
                layer.forward = _forward_of(layer) if own else _updated_forward_of(layer)
                replaced.append(layer)
        yield
    finally:
        for layer in replaced:
            del layer.forward


def _is_plain(layer: Any) -> bool:
    if layer.merged or layer.disable_adapters or len(layer.active_adapters) != 1:
        return False
    name = layer.active_adapters[0]
    base = layer.base_layer
    return (
        (type(base) is nn.Linear or is_held(base))
        and not base.weight.requires_grad
        and name in layer.lora_A
        and name not in layer.lora_variant
        and layer.lora_B[name].bias is None
    )


def _is_alike(layer: Any) -> bool:
    """Whether base and adapter are plain matrices of one type."""
    base, a = layer.base_layer, layer.lora_A[layer.active_adapters[0]].weight
    return type(base) is nn.Linear and a.dtype == base.weight.dtype


def _updated_forward_of(layer: Any) -> Any:
    name, peft_forward = layer.active_adapters[0], layer.forward
    base, dropout = layer.base_layer, layer.lora_dropout[name]
    a, b, scale = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]

    def forward(x: Tensor) -> Any:
        if x.dtype == a.dtype:  # nothing would be copied
            return peft_forward(x)
        return base(x) + _LoraUpdate.apply(dropout(x), a, b, scale)

    return forward


def _forward_of(layer: Any) -> Any:
    name = layer.active_adapters[0]
    base, dropout = layer.base_layer, layer.lora_dropout[name]
    a, b, scale = layer.lora_A[name].weight, layer.lora_B[name].weight, layer.scaling[name]

    def forward(x: Tensor) -> Any:
        live = layer.training and isinstance(dropout, nn.Dropout) and dropout.p > 0
        dropped = dropout(x) if live else None
        return _LoraLinear.apply(x, dropped, base.weight, base.bias, a, b, scale)

    return forward
