"""Attention over packed trees: a square per small subtree, and a dense part per larger ancestor.

Softmax attention over a union of key sets is the average of the attentions over each set, weighted
by the exponentials of their log-sum-exps. So a question attends to its own tokens and, separately,
to the few-shot prompt that it shares with a hundred others, and the two are merged exactly
(Milakov and Gimelshein 2018, arXiv:1805.02867).

The backward pass of each part needs only the *merged* output and log-sum-exp, because the true
probabilities are exp(score - merged log-sum-exp). So shared prefixes are computed once in training
too, and their gradients are sums over all that attended to them.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from weighbridge.models.engine.layout import ClusterMask, Layout, Rule, current_layout
from weighbridge.models.engine.slots import decode_attention

IMPLEMENTATION = "weighbridge_tree"
TRAINABLE_ON = ("cpu",)
"""Kinds of devices on which there is a backward pass."""


class UnsupportedAttention(Exception):
    """The architecture asks for attention that packed trees don't have; callers fall back."""


@dataclass(frozen=True)
class _Dense:
    """Queries of a slice of the row against all keys of one ancestor, which lie before them."""

    rows: slice
    key: Tensor  # (1, kv_heads, K, key_dim)
    value: Tensor
    positions: Tensor  # of the queries
    first: int  # position of the first key


def tree_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Attend as the current layout says; registered with transformers under `IMPLEMENTATION`.

    Shapes: query (1, heads, T, head_dim); key, value (1, kv_heads, T, head_dim); result
    (1, T, heads, head_dim).

    Raises:
        UnsupportedAttention: The architecture asks for something else, or no layout is set.
    """
    layout = current_layout()
    if layout is None:
        raise UnsupportedAttention("attention was called outside a packed layout")
    if attention_mask is not None:
        # transformers builds no mask for this implementation where attention is merely causal, so
        # the architecture has built this one for another purpose.
        raise UnsupportedAttention(f"{type(module).__name__} chooses what is seen by itself")
    rule = _rule_of(module, query, scaling, kwargs)
    one_token_each = decode_attention(_layer(module), query, key, value, rule)
    if one_token_each is not None:
        return one_token_each, None
    stored = [
        (start, stop, layout.depths[segment], *layout.store[segment][_layer(module)])
        for start, stop, segment in layout.outer
    ]
    for segment, start, stop in layout.keep:
        pair = (key[:, :, start:stop].clone(), value[:, :, start:stop].clone())
        layout.store.setdefault(segment, []).append(pair)
    if torch.is_grad_enabled() and query.requires_grad:
        _require_gradients(query, value, layout, rule)
        out: Tensor = _TreeAttention.apply(query, key, value, layout, rule)
    else:
        out, _ = _forward(query, key, value, layout, rule, stored)
    return out, None


def _require_gradients(query: Tensor, value: Tensor, layout: Layout, rule: Rule) -> None:
    """Refuse what the backward pass doesn't have.

    A window is met inside clusters alone, where a mask holds it; so must be all that it reaches.
    """
    cut = rule.window is not None and any(
        int(layout.positions[start:stop].max() - layout.positions[key]) >= rule.window
        for start, stop, key, _ in layout.inner
    )
    trained_sinks = rule.sinks is not None and rule.sinks.requires_grad
    if (
        cut or trained_sinks or layout.outer or rule.softcap is not None
        or query.shape[-1] != value.shape[-1]
    ):  # fmt: skip
        raise UnsupportedAttention("gradients flow through plain attention inside a row only")


def _layer(module: nn.Module) -> int:
    index = getattr(module, "layer_idx", None)
    if index is None:
        raise UnsupportedAttention(f"{type(module).__name__} does not know its layer's index")
    return int(index)


_HARMLESS = {"position_ids", "position_embeddings", "cache_position", "softcap", "s_aux"}


def _rule_of(
    module: nn.Module, query: Tensor, scaling: float | None, kwargs: dict[str, Any]
) -> Rule:
    """Read what the architecture asks for; whatever is not understood is refused."""
    for name, value in kwargs.items():
        if isinstance(value, Tensor) and name not in _HARMLESS:
            raise UnsupportedAttention(f"attention with {name}")
    if kwargs.get("is_causal") is False or not getattr(module, "is_causal", True):
        raise UnsupportedAttention("attention to later tokens")
    if getattr(getattr(module, "config", None), "attention_chunk_size", None):
        raise UnsupportedAttention("attention in chunks")
    return Rule(
        scale=scaling if scaling is not None else query.shape[-1] ** -0.5,
        window=kwargs.get("sliding_window"),
        softcap=kwargs.get("softcap"),
        sinks=kwargs.get("s_aux"),
    )


def _forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    rule: Rule,
    stored: list[tuple[int, int, int, Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Return output (1, T, heads, value_dim) and log-sum-exp (1, heads, T)."""
    _, heads, tokens, _ = query.shape
    out = query.new_empty(1, tokens, heads, value.shape[-1])
    by_head = out.transpose(1, 2)
    lse = torch.empty(1, heads, tokens, dtype=torch.float32, device=query.device)
    for own in layout.own:  # first, because together they cover every row
        part_out, part_lse = _attend_square(query, key, value, own, rule)
        by_head[:, :, own.rows], lse[:, :, own.rows] = part_out, part_lse
    for part in _dense_parts(key, value, layout, stored):
        part_out, part_lse = _attend_dense(query[:, :, part.rows], part, rule)
        mine = lse[:, :, part.rows]
        merged = torch.logaddexp(mine, part_lse)
        here = by_head[:, :, part.rows]
        here.mul_((mine - merged).exp_().unsqueeze(-1).to(here.dtype))
        here.addcmul_(part_out, (part_lse - merged).exp_().unsqueeze(-1).to(here.dtype))
        lse[:, :, part.rows] = merged
    if rule.sinks is not None:
        merged = torch.logaddexp(lse, rule.sinks.float().view(1, -1, 1))
        by_head.mul_((lse - merged).exp_().unsqueeze(-1).to(out.dtype))
        lse = merged
    return out, lse


def _dense_parts(
    key: Tensor,
    value: Tensor,
    layout: Layout,
    stored: list[tuple[int, int, int, Tensor, Tensor]],
) -> list[_Dense]:
    positions = layout.positions
    parts = []
    for start, stop, key_start, key_stop in layout.inner:
        rows, keys = slice(start, stop), slice(key_start, key_stop)
        first = int(positions[key_start])
        parts.append(_Dense(rows, key[:, :, keys], value[:, :, keys], positions[rows], first))
    for start, stop, first, keys_before, values_before in stored:
        rows = slice(start, stop)
        parts.append(_Dense(rows, keys_before, values_before, positions[rows], first))
    return parts


def _attend_square(
    query: Tensor, key: Tensor, value: Tensor, own: ClusterMask, rule: Rule
) -> tuple[Tensor, Tensor]:
    """Attend within a cluster: return output (1, heads, rows, value_dim) and log-sum-exp."""
    q, k, v = (x[:, :, own.rows] for x in (query, key, value))
    if _has_kernel(q, v, rule):
        mask = own.mask(rule.window, q)
        return _kernel(q, k, v, mask is None, mask, rule)
    unseen = own.unseen(rule.window)
    if unseen is None:
        unseen = torch.ones(q.shape[2], k.shape[2], dtype=torch.bool).triu(1)
    return _attend_by_scores(q, k, v, rule, unseen)


def _attend_dense(query: Tensor, part: _Dense, rule: Rule) -> tuple[Tensor, Tensor]:
    """Attend to an ancestor: return (output, log-sum-exp), by head; (0, -inf) if none is seen."""
    unseen = None
    if rule.window is not None and int(part.positions.max()) - part.first >= rule.window:
        keys = torch.arange(part.first, part.first + part.key.shape[2])
        unseen = part.positions[:, None] - keys[None, :] >= rule.window
    if unseen is None and _has_kernel(query, part.value, rule):
        return _kernel(query, part.key, part.value, False, None, rule)
    return _attend_by_scores(query, part.key, part.value, rule, unseen)


def _has_kernel(query: Tensor, value: Tensor, rule: Rule) -> bool:
    """Whether torch has a kernel for this attention that also returns the log-sum-exp."""
    return (
        query.device.type == "cpu" and rule.softcap is None and query.shape[-1] == value.shape[-1]
    )


def _kernel(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, mask: Tensor | None, rule: Rule
) -> tuple[Tensor, Tensor]:
    out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
        query, key, value, 0.0, causal, attn_mask=mask, scale=rule.scale
    )
    return out, lse


def _attend_by_scores(
    query: Tensor, key: Tensor, value: Tensor, rule: Rule, unseen: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Attend by the definition, with all scores (heads, queries, keys) in memory, in float32."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = (query @ key.transpose(-1, -2)).float().mul_(rule.scale)
    if rule.softcap is not None:
        scores = torch.tanh(scores / rule.softcap) * rule.softcap
    if unseen is not None:
        scores.masked_fill_(unseen.to(scores.device), float("-inf"))
    lse = scores.logsumexp(-1)
    weights = scores.sub_(lse.clamp_min(torch.finfo(torch.float32).min).unsqueeze(-1)).exp_()
    return weights.to(value.dtype) @ value, lse


class _TreeAttention(torch.autograd.Function):
    """Differentiable tree attention inside one row (training keeps nothing between rows)."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, layout: Layout, rule: Rule
    ) -> Tensor:
        out, lse = _forward(query, key, value, layout, rule, [])
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.layout, ctx.scale, ctx.window = layout, rule.scale, rule.window
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, lse = ctx.saved_tensors
        grad, out = grad.transpose(1, 2), out.transpose(1, 2)
        grads = tuple(torch.zeros_like(t) for t in (query, key, value))
        layout: Layout = ctx.layout
        parts = [(own.rows, own.rows, own.mask(ctx.window, query), True) for own in layout.own]
        parts += [(slice(qs, qe), slice(ks, ke), None, False) for qs, qe, ks, ke in layout.inner]
        for q, k, mask, inside in parts:
            found = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                grad[:, :, q], query[:, :, q], key[:, :, k], value[:, :, k], out[:, :, q],
                lse[:, :, q], 0.0, inside and mask is None, attn_mask=mask, scale=ctx.scale,
            )  # fmt: skip
            for whole, part, rows in zip(grads, found, (q, k, k), strict=True):
                whole[:, :, rows] += part
        return *grads, None, None


AttentionInterface.register(IMPLEMENTATION, tree_attention)
