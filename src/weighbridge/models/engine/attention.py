"""Attention over packed trees: a causal part per segment, one dense part per ancestor.

Softmax attention over a union of key sets is the average of the attentions over each set, weighted
by the exponentials of their log-sum-exps. So a question attends to its own tokens and, separately,
to the few-shot prompt that it shares with a hundred others, and the two are merged exactly
(Milakov and Gimelshein 2018, arXiv:1805.02867).

The backward pass of each part needs only the *merged* output and log-sum-exp, because the true
probabilities are exp(score - merged log-sum-exp). So shared prefixes are computed once in training
too, and their gradients are sums over all that attended to them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from weighbridge.models.engine.slots import decode_attention
from weighbridge.models.engine.tree import Pack

IMPLEMENTATION = "weighbridge_tree"

KeyValue = tuple[Tensor, Tensor]  # each (1, kv_heads, tokens, head_dim), positions already encoded


class UnsupportedAttention(Exception):
    """The architecture asks for attention that packed trees don't have; callers fall back."""


@dataclass
class Layout:
    """How the tokens of one packed row attend to each other.

    Attributes:
        own: Segments of the row, `(start, stop)`, causal within themselves.
        inner: `(query start, query stop, key start, key stop)`: dense attention inside the row.
        outer: `(query start, query stop, segment)`: dense attention to stored keys and values.
        keep: `(segment, start, stop)`: what to store for later rows.
        longest: Longest distance between a query and a key, in positions; 0 where unknown.
        store: Keys and values by segment, one entry a layer.
    """

    own: list[tuple[int, int]]
    inner: list[tuple[int, int, int, int]] = field(default_factory=list)
    outer: list[tuple[int, int, int]] = field(default_factory=list)
    keep: list[tuple[int, int, int]] = field(default_factory=list)
    longest: int = 0
    store: dict[int, list[KeyValue]] = field(default_factory=dict)


def layout_of(pack: Pack, store: dict[int, list[KeyValue]]) -> Layout:
    """Translate a pack into the slices that attention works on."""
    layout = Layout(
        own=[pack.rows_of(i) for i in range(pack.first, pack.last)],
        longest=int(pack.positions.max()) + 1,
        store=store,
    )
    for span in pack.spans:
        if span.segment >= pack.first:
            layout.inner.append((span.start, span.stop, *pack.rows_of(span.segment)))
        else:
            layout.outer.append((span.start, span.stop, span.segment))
    layout.keep = [(segment, *pack.rows_of(segment)) for segment in pack.keep]
    return layout


_current: ContextVar[Layout | None] = ContextVar("weighbridge_layout", default=None)


@contextmanager
def packed(layout: Layout) -> Iterator[None]:
    """Make attention follow this layout for the calls inside the block."""
    token = _current.set(layout)
    try:
        yield
    finally:
        _current.reset(token)


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
    """
    layout = _current.get()
    if layout is None:
        raise UnsupportedAttention("attention was called outside a packed layout")
    _refuse_what_trees_lack(layout, query, value, kwargs)
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    one_token_each = decode_attention(_layer(module), query, key, value, scale)
    if one_token_each is not None:
        return one_token_each, None
    stored: list[tuple[int, int, Tensor, Tensor]] = []
    for start, stop, segment in layout.outer:
        stored.append((start, stop, *layout.store[segment][_layer(module)]))
    for segment, start, stop in layout.keep:
        pair = (key[:, :, start:stop].clone(), value[:, :, start:stop].clone())
        layout.store.setdefault(segment, []).append(pair)
    if torch.is_grad_enabled() and query.requires_grad:
        out: Tensor = _TreeAttention.apply(query, key, value, layout, scale)
    else:
        out, _ = _forward(query, key, value, layout, scale, stored)
    return out, None


def _layer(module: nn.Module) -> int:
    index = getattr(module, "layer_idx", None)
    if index is None:
        raise UnsupportedAttention(f"{type(module).__name__} does not know its layer's index")
    return int(index)


def _refuse_what_trees_lack(
    layout: Layout, query: Tensor, value: Tensor, kwargs: dict[str, Any]
) -> None:
    window = kwargs.get("sliding_window")
    if window is not None and layout.longest > window:
        raise UnsupportedAttention(f"a sliding window of {window} is shorter than the prompt")
    for feature in ("softcap", "s_aux", "position_bias"):
        if kwargs.get(feature) is not None:
            raise UnsupportedAttention(f"attention with {feature}")
    if query.shape[-1] != value.shape[-1]:
        raise UnsupportedAttention("keys and values of different width")


def _forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    layout: Layout,
    scale: float,
    stored: list[tuple[int, int, Tensor, Tensor]],
) -> tuple[Tensor, Tensor]:
    """Return output (1, T, heads, head_dim) and log-sum-exp (1, heads, T)."""
    _, heads, tokens, width = query.shape
    out = query.new_empty(1, tokens, heads, width)
    by_head = out.transpose(1, 2)
    lse = torch.empty(1, heads, tokens, dtype=torch.float32, device=query.device)
    for start, stop in layout.own:
        rows = slice(start, stop)
        part, part_lse = _attend(query[:, :, rows], key[:, :, rows], value[:, :, rows], True, scale)
        by_head[:, :, rows], lse[:, :, rows] = part, part_lse
    dense = [
        (qs, qe, key[:, :, ks:ke], value[:, :, ks:ke]) for qs, qe, ks, ke in layout.inner
    ] + stored
    for start, stop, keys, values in dense:
        rows = slice(start, stop)
        part, part_lse = _attend(query[:, :, rows], keys, values, False, scale)
        mine = lse[:, :, rows]
        merged = torch.logaddexp(mine, part_lse)
        here = by_head[:, :, rows]
        here.mul_((mine - merged).exp_().unsqueeze(-1).to(here.dtype))
        here.addcmul_(part, (part_lse - merged).exp_().unsqueeze(-1).to(here.dtype))
        lse[:, :, rows] = merged
    return out, lse


def _attend(
    query: Tensor, key: Tensor, value: Tensor, causal: bool, scale: float
) -> tuple[Tensor, Tensor]:
    """One dense or causal part: (output, log-sum-exp), both by head."""
    if query.device.type == "cpu":
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, key, value, 0.0, causal, scale=scale
        )
        return out, lse
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    scores = (query @ key.transpose(-1, -2)).float() * scale
    if causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(ahead, float("-inf"))
    lse = scores.logsumexp(-1)
    return (scores - lse.unsqueeze(-1)).exp().to(value.dtype) @ value, lse


class _TreeAttention(torch.autograd.Function):
    """Differentiable tree attention inside one row (training keeps nothing between rows)."""

    @staticmethod
    def forward(
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, layout: Layout, scale: float
    ) -> Tensor:
        if layout.outer:
            raise UnsupportedAttention("gradients don't flow into stored keys and values")
        out, lse = _forward(query, key, value, layout, scale, [])
        ctx.save_for_backward(query, key, value, out, lse)
        ctx.layout, ctx.scale = layout, scale
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        query, key, value, out, lse = ctx.saved_tensors
        grad, out = grad.transpose(1, 2), out.transpose(1, 2)
        grad_query, grad_key, grad_value = (torch.zeros_like(t) for t in (query, key, value))
        layout: Layout = ctx.layout
        parts = [(start, stop, start, stop, True) for start, stop in layout.own]
        parts += [(*span, False) for span in layout.inner]
        for qs, qe, ks, ke, causal in parts:
            q, k = slice(qs, qe), slice(ks, ke)
            dq, dk, dv = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward(
                grad[:, :, q], query[:, :, q], key[:, :, k], value[:, :, k],
                out[:, :, q], lse[:, :, q], 0.0, causal, scale=ctx.scale,
            )  # fmt: skip
            grad_query[:, :, q] += dq
            grad_key[:, :, k] += dk
            grad_value[:, :, k] += dv
        return grad_query, grad_key, grad_value, None, None


AttentionInterface.register(IMPLEMENTATION, tree_attention)
