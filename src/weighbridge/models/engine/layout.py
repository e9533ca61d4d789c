"""How the rows of a pack attend to each other, as the slices and squares that kernels work on."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from torch import Tensor

from weighbridge.models.engine.tree import Cluster, Pack

KeyValue = tuple[Tensor, Tensor]  # each (1, kv_heads, tokens, head_dim), positions already encoded


@dataclass(frozen=True)
class Rule:
    """What an architecture adds to plain attention.

    Attributes:
        scale: Factor of the scores.
        window: Number of positions that a query sees, its own included; None for all before it.
        softcap: Scores s become ``softcap * tanh(s / softcap)`` (Gemma 2).
        sinks: One more score per head, without a value (gpt-oss); shape (heads,).
    """

    scale: float
    window: int | None = None
    softcap: float | None = None
    sinks: Tensor | None = None

    @property
    def plain(self) -> bool:
        """Whether it is softmax attention and nothing else."""
        return self.window is None and self.softcap is None and self.sinks is None


class ClusterMask:
    """One cluster's attention to itself: a square of scores, some of which are masked."""

    def __init__(self, cluster: Cluster, positions: Tensor) -> None:
        self.rows = slice(cluster.start, cluster.stop)
        self._positions = positions[self.rows]
        self._seen = cluster.seen
        self._unseen: dict[int | None, Tensor | None] = {}
        self._masks: dict[int | None, Tensor] = {}  # by window: all layers of a pass share them

    def unseen(self, window: int | None) -> Tensor | None:
        """Return True where a row does not attend to a column, (rows, rows); None if causal only.

        Args:
            window: Rows this many positions back, or further, are not seen either.
        """
        if window is not None and int(self._positions.max() - self._positions.min()) < window:
            window = None
        if window not in self._unseen:
            self._unseen[window] = self._find_unseen(window)
        return self._unseen[window]

    def mask(self, window: int | None, like: Tensor) -> Tensor | None:
        """Return `unseen` as a term that is added to the scores: 0 where seen, else -inf."""
        unseen = self.unseen(window)
        if unseen is None:
            return None
        if window not in self._masks:
            zeros = torch.zeros(unseen.shape, dtype=like.dtype)
            self._masks[window] = zeros.masked_fill_(unseen, float("-inf"))
        return self._masks[window]

    def _find_unseen(self, window: int | None) -> Tensor | None:
        if self._seen is None and window is None:
            return None
        length = len(self._positions)
        seen = (
            torch.ones(length, length, dtype=torch.bool).tril()
            if self._seen is None
            else torch.from_numpy(self._seen)
        )
        if window is None:
            return ~seen
        return ~seen | (self._positions[:, None] - self._positions[None, :] >= window)


@dataclass
class Layout:
    """How the tokens of one packed row attend to each other.

    Attributes:
        positions: Position of each of the row's tokens in its sequence, shape (T,).
        own: Attention inside clusters; together they cover every row once, in order.
        inner: `(query start, query stop, key start, key stop)`: dense attention inside the row.
        outer: `(query start, query stop, segment)`: dense attention to stored keys and values.
        keep: `(segment, start, stop)`: segments to store for later packs.
        store: Keys and values by segment, one entry per layer.
        depths: By segment that queries attend to, the position of its first token.
    """

    positions: Tensor
    own: list[ClusterMask] = field(default_factory=list)
    inner: list[tuple[int, int, int, int]] = field(default_factory=list)
    outer: list[tuple[int, int, int]] = field(default_factory=list)
    keep: list[tuple[int, int, int]] = field(default_factory=list)
    store: dict[int, list[KeyValue]] = field(default_factory=dict)
    depths: dict[int, int] = field(default_factory=dict)


def layout_of(pack: Pack, store: dict[int, list[KeyValue]]) -> Layout:
    """Translate a pack into the slices and squares that attention works on."""
    positions = torch.from_numpy(pack.positions)
    layout = Layout(
        positions,
        own=[ClusterMask(cluster, positions) for cluster in pack.clusters],
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


def current_layout() -> Layout | None:
    """Return the layout of the surrounding `packed` block."""
    return _current.get()
