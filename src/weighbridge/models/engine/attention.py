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

from weighbridge.models.engine.rule import Rule
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
        positions: Of the row's tokens in their sequences, shape (T,).
        own: Segments of the row, `(start, stop)`, causal within themselves.
        inner: `(query start, query stop, key start, key stop)`: dense attention inside the row.
        outer: `(query start, query stop, segment)`: dense attention to stored keys and values.
        keep: `(segment, start, stop)`: what to store for later rows.
        store: Keys and values by segment, one entry a layer.
        depths: Position of the first token of segments in the store.
    """

    positions: Tensor
    own: list[tuple[int, int]]
    inner: list[tuple[int, int, int, int]] = field(default_factory=list)
    outer: list[tuple[int, int, int]] = field(default_factory=list)
    keep: list[tuple[int, int, int]] = field(default_factory=list)
    store: dict[int, list[KeyValue]] = field(default_factory=dict)
    depths: dict[int, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Part:
    """Queries of a slice of the row against one run of keys at consecutive positions."""

    rows: slice
    key: Tensor  # (1, kv_heads, K, key_dim)
    value: Tensor
    positions: Tensor  # of the queries
    first: int  # position of the first key
    causal: bool


def layout_of(pack: Pack, store: dict[int, list[KeyValue]]) -> Layout:
    """Translate a pack into the slices that attention works on."""
    layout = Layout(
        positions=torch.from_numpy(pack.positions),
        own=[pack.rows_of(i) for i in range(pack.first, pack.last)],
        store=store,
        depths=pack.depths,
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
        if not rule.plain or layout.outer or query.shape[-1] != value.shape[-1]:
            raise UnsupportedAttention("gradients flow through plain attention inside a row only")
        out: Tensor = _TreeAttention.apply(query, key, value, layout, rule)
    else:
        out, _ = _forward(query, key, value, layout, rule, stored)
    return out, None


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
    for part in _parts(key, value, layout, stored):
        part_out, part_lse = _attend(query[:, :, part.rows], part, rule)
        if part.causal:  # a segment's own part comes first and sees at least the token itself
            by_head[:, :, part.rows], lse[:, :, part.rows] = part_out, part_lse
            continue
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


def _parts(
    key: Tensor,
    value: Tensor,
    layout: Layout,
    stored: list[tuple[int, int, int, Tensor, Tensor]],
) -> Iterator[_Part]:
    """List what attends to what, each segment's own part before its ancestors."""
    positions = layout.positions
    for start, stop in layout.own:
        rows, first = slice(start, stop), int(positions[start])
        yield _Part(rows, key[:, :, rows], value[:, :, rows], positions[rows], first, True)
    for start, stop, key_start, key_stop in layout.inner:
        rows, keys = slice(start, stop), slice(key_start, key_stop)
        first = int(positions[key_start])
        yield _Part(rows, key[:, :, keys], value[:, :, keys], positions[rows], first, False)
    for start, stop, first, keys_before, values_before in stored:
        rows = slice(start, stop)
        yield _Part(rows, keys_before, values_before, positions[rows], first, False)


def _attend(query: Tensor, part: _Part, rule: Rule) -> tuple[Tensor, Tensor]:
    """Attention of one part by head: (output, log-sum-exp); where nothing is seen, (0, -inf)."""
    last = part.first + part.key.shape[2] - 1
    unseen = None
    if rule.window is not None and int(part.positions.max()) - part.first >= rule.window:
        keys = torch.arange(part.first, last + 1)
        unseen = part.positions[:, None] - keys[None, :] >= rule.window
        if part.causal:
            unseen |= keys[None, :] > part.positions[:, None]
        unseen = unseen.to(query.device)
    fast = query.device.type == "cpu" and unseen is None and rule.softcap is None
    if fast and query.shape[-1] == part.value.shape[-1]:
        out, lse = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu(
            query, part.key, part.value, 0.0, part.causal, scale=rule.scale
        )
        return out, lse
    return _attend_by_scores(query, part, rule, unseen)


def _attend_by_scores(
    query: Tensor, part: _Part, rule: Rule, unseen: Tensor | None
) -> tuple[Tensor, Tensor]:
    """The definition, with all scores of the part in memory: (heads, queries, keys) in float32."""
    groups = query.shape[1] // part.key.shape[1]
    key = part.key.repeat_interleave(groups, 1) if groups > 1 else part.key
    value = part.value.repeat_interleave(groups, 1) if groups > 1 else part.value
    scores = (query @ key.transpose(-1, -2)).float().mul_(rule.scale)
    if rule.softcap is not None:
        scores = torch.tanh(scores / rule.softcap) * rule.softcap
    if unseen is None and part.causal:
        unseen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
    if unseen is not None:
        scores.masked_fill_(unseen, float("-inf"))
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
        ctx.layout, ctx.scale = layout, rule.scale
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
