"""A prefix tree over token sequences, laid out so that a model can compute it in packs.

Sequences in lexicographic order are a depth-first walk of their tree, so all descendants of a
segment are adjacent. Attention to a shared prefix is therefore one dense, unmasked product: its
queries are one slice of the row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

TokenIds = npt.NDArray[np.int64]

MAX_ROWS_PER_SHARED_TOKEN = 20
"""Rows whose attention to an ancestor costs as much as one token's computation.

Rows merge each ancestor outside their cluster in every layer, however short it is. So two tokens
that a hundred long questions share ("Question:") cost less if each question computes them again.
"""
CLUSTER_TOKENS = 384  # a square of scores this wide costs less than the calls it replaces


@dataclass(slots=True)
class Segment:
    """A sequence of tokens between two branchings of the tree.

    Attributes:
        tokens: The tokens, shape (length,).
        depth: Position of the first token in its sequences.
        parent: Index of the segment before it; -1 at a root.
        last_descendant: Index of the last segment below it in depth-first order; itself if a leaf.
    """

    tokens: TokenIds
    depth: int
    parent: int
    last_descendant: int = -1

    @property
    def end(self) -> int:
        """Position after the last token."""
        return self.depth + len(self.tokens)


@dataclass(frozen=True)
class Tree:
    """Segments in depth-first order, and for each input sequence the segment that it ends in."""

    segments: list[Segment]
    leaf_of: list[int]

    @property
    def tokens(self) -> int:
        """Number of tokens to compute."""
        return sum(len(segment.tokens) for segment in self.segments)

    def path(self, segment: int) -> list[int]:
        """Return indices of segments from a root down to this segment."""
        found = []
        while segment >= 0:
            found.append(segment)
            segment = self.segments[segment].parent
        return found[::-1]

    def locate(self, sequence: int, position: int) -> tuple[int, int]:
        """Return the segment that holds a position of an input sequence, and the offset in it."""
        index = self.leaf_of[sequence]
        while self.segments[index].depth > position:
            index = self.segments[index].parent
        return index, position - self.segments[index].depth


def build_tree(
    sequences: Sequence[TokenIds],
    longest_segment_tokens: int = 1 << 30,
    max_rows_per_shared_token: int = 1 << 30,
) -> Tree:
    """Arrange sequences as a prefix tree.

    Args:
        sequences: Token ids, each of shape (length,), none empty. Equal ones share their leaf.
        longest_segment_tokens: Longer segments are cut into chains, so that each fits a pack.
        max_rows_per_shared_token: A segment above a large subtree is shared only if the rows below
            it are at most this many per token of the segment and branch; see
            `MAX_ROWS_PER_SHARED_TOKEN`. By default, everything is shared.
    """
    order = sorted(range(len(sequences)), key=lambda i: sequences[i].tobytes())
    # Bytes of little-endian integers don't sort like the integers, but any total order in which
    # equal prefixes stay together will do, and comparing bytes is one memcmp.
    segments: list[Segment] = []
    leaf_of = [-1] * len(sequences)
    path: list[int] = []  # segments from the root to the current leaf
    previous: TokenIds | None = None
    for rank, index in enumerate(order):
        tokens = sequences[index]
        shared = _common_prefix(previous, tokens) if previous is not None else 0
        if previous is not None and shared == len(tokens) == len(previous):
            leaf_of[index] = leaf_of[order[rank - 1]]
            continue
        while path and segments[path[-1]].depth >= shared:
            path.pop()
        if path and segments[path[-1]].end > shared:
            _split(segments, path, leaf_of, shared)
        if shared < len(tokens):
            parent = path[-1] if path else -1
            segments.append(Segment(tokens[shared:], shared, parent))
            path.append(len(segments) - 1)
        leaf_of[index] = path[-1]
        previous = tokens
    return _finish(segments, leaf_of, longest_segment_tokens, max_rows_per_shared_token)


def side_by_side(sequences: Sequence[TokenIds]) -> Tree:
    """Return sequences as a tree in which none shares anything: each is a root of its own."""
    segments = [Segment(tokens, 0, -1, index) for index, tokens in enumerate(sequences)]
    return Tree(segments, list(range(len(sequences))))


def _common_prefix(a: TokenIds, b: TokenIds) -> int:
    shorter = min(len(a), len(b))
    differs = a[:shorter] != b[:shorter]
    return int(differs.argmax()) if differs.any() else shorter


def _split(segments: list[Segment], path: list[int], leaf_of: list[int], at: int) -> None:
    """Cut the last segment of the path at a position; its children move to the lower half."""
    upper = path[-1]
    segment = segments[upper]
    lower = len(segments)
    cut = at - segment.depth
    segments.append(Segment(segment.tokens[cut:], at, upper))
    segment.tokens = segment.tokens[:cut]
    for other in segments[upper + 1 : lower]:
        if other.parent == upper:
            other.parent = lower
    for i, leaf in enumerate(leaf_of):
        if leaf == upper:
            leaf_of[i] = lower


def _finish(
    segments: list[Segment], leaf_of: list[int], longest: int, max_rows_per_shared_token: int
) -> Tree:
    """Order segments depth-first, cut long ones into chains, and note where each subtree ends."""
    children: dict[int, list[int]] = {}
    for index, segment in enumerate(segments):
        children.setdefault(segment.parent, []).append(index)
    repeated = _not_worth_sharing(segments, children, max_rows_per_shared_token)
    ends = set(leaf_of)
    ordered: list[Segment] = []
    renamed: dict[int, int] = {-1: -1}
    nothing = np.empty(0, dtype=np.int64)
    stack = [(root, -1, nothing) for root in reversed(children.get(-1, []))]
    while stack:
        index, parent, before = stack.pop()
        tokens = np.concatenate([before, segments[index].tokens])
        below = list(reversed(children.get(index, [])))
        if index in repeated:
            stack.extend((child, parent, tokens) for child in below)
            if index not in ends:
                continue
            below = []
        depth = segments[index].depth - len(before)
        for start in range(0, len(tokens), longest):
            ordered.append(Segment(tokens[start : start + longest], depth + start, parent))
            parent = len(ordered) - 1
        renamed[index] = parent
        stack.extend((child, parent, nothing) for child in below)
    for index in range(len(ordered) - 1, -1, -1):
        segment = ordered[index]
        segment.last_descendant = max(segment.last_descendant, index)
        if segment.parent >= 0:
            above = ordered[segment.parent]
            above.last_descendant = max(above.last_descendant, segment.last_descendant)
    return Tree(ordered, [renamed[leaf] for leaf in leaf_of])


def _not_worth_sharing(
    segments: list[Segment], children: dict[int, list[int]], max_rows_per_shared_token: int
) -> set[int]:
    """Find short segments above large branches; each branch computes their tokens again."""
    rows = [len(segment.tokens) for segment in segments]
    for index in sorted(range(len(segments)), key=lambda i: -segments[i].depth):
        if segments[index].parent >= 0:
            rows[segments[index].parent] += rows[index]
    return {
        index
        for index, segment in enumerate(segments)
        if len(below := children.get(index, [])) > 1
        and rows[index] > CLUSTER_TOKENS
        and max_rows_per_shared_token * len(segment.tokens) * len(below)
        < rows[index] - len(segment.tokens)
    }


@dataclass(frozen=True)
class Cluster:
    """Rows `[start, stop)` of a pack that hold a small subtree whole, or a segment of a larger one.

    Attributes:
        start: First row.
        stop: Row after the last one.
        seen: Whether a row attends to a column, shape (rows, rows); None for a single segment,
            whose tokens attend to themselves and those before them.
    """

    start: int
    stop: int
    seen: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Span:
    """Queries `[start, stop)` of a pack attend to all keys of one segment."""

    start: int
    stop: int
    segment: int


@dataclass(frozen=True)
class Pack:
    """Consecutive segments, computed together as one row without padding.

    Attributes:
        first: Index of the first segment.
        last: Index after the last segment.
        tokens: Token ids, shape (T,).
        positions: Position of each token in its sequences, shape (T,).
        offsets: Where each segment starts in the pack; the pack's end stands under `last`.
        clusters: Attention inside small subtrees, in the order of their rows; they cover the pack.
        spans: Attention to ancestors outside the cluster, in the pack or computed before.
        keep: Segments whose keys and values later packs will need.
        release: Segments that no later pack needs.
        depths: Position of the first token of every segment that the spans attend to.
    """

    first: int
    last: int
    tokens: TokenIds
    positions: TokenIds
    offsets: dict[int, int]
    clusters: tuple[Cluster, ...]
    spans: tuple[Span, ...]
    keep: tuple[int, ...]
    release: tuple[int, ...] = ()
    depths: dict[int, int] = field(default_factory=dict)

    def rows_of(self, segment: int) -> tuple[int, int]:
        """Return the first row of a segment in the pack, and the row after its last."""
        return self.offsets[segment], self.offsets[segment + 1]


def cut_into_packs(tree: Tree, pack_tokens: int, keep_all: bool = False) -> list[Pack]:
    """Cut a tree, in depth-first order, into packs of at most about `pack_tokens` tokens.

    A single longer segment makes a pack of its own.

    Args:
        tree: The tree.
        pack_tokens: Tokens per pack.
        keep_all: Whether to keep every segment's keys and values; generation continues from them.
    """
    packs: list[Pack] = []
    first, size = 0, 0
    for index, segment in enumerate(tree.segments):
        if size and size + len(segment.tokens) > pack_tokens:
            packs.append(_pack(tree, first, index, keep_all))
            first, size = index, 0
        size += len(segment.tokens)
    if tree.segments:
        packs.append(_pack(tree, first, len(tree.segments), keep_all))
    return packs


def _pack(tree: Tree, first: int, last: int, keep_all: bool) -> Pack:
    members = tree.segments[first:last]
    offsets, size = {}, 0
    for index, segment in enumerate(members, start=first):
        offsets[index] = size
        size += len(segment.tokens)
    offsets[last] = size
    clusters, whole = _clusters(tree, first, last, offsets)
    ancestors = dict.fromkeys(
        above for index in range(first, last) for above in tree.path(index)[:-1]
    )
    spans = []
    for above in ancestors:
        if above not in whole:
            below = max(above + 1, first)
            until = min(tree.segments[above].last_descendant + 1, last)
            spans.append(Span(offsets[below], offsets[until], above))
    positions = np.concatenate([np.arange(s.depth, s.end) for s in members])
    return Pack(
        first=first,
        last=last,
        tokens=np.concatenate([s.tokens for s in members]),
        positions=positions.astype(np.int64),
        offsets=offsets,
        clusters=tuple(clusters),
        spans=tuple(spans),
        keep=tuple(
            i for i in range(first, last) if keep_all or tree.segments[i].last_descendant >= last
        ),
        release=()
        if keep_all
        else tuple(
            above
            for above in ancestors
            if above < first and tree.segments[above].last_descendant < last
        ),
        depths={above: tree.segments[above].depth for above in ancestors},
    )


def _clusters(
    tree: Tree, first: int, last: int, offsets: dict[int, int]
) -> tuple[list[Cluster], set[int]]:
    """Cut a pack's rows into clusters; also return the segments inside branching clusters."""
    clusters: list[Cluster] = []
    whole: set[int] = set()
    index = first
    while index < last:
        until = min(tree.segments[index].last_descendant + 1, last)
        small = offsets[until] - offsets[index] <= CLUSTER_TOKENS
        if until > index + 1 and small:
            whole.update(range(index, until))
            clusters.append(_branching(tree, index, until, offsets))
        else:
            until = index + 1
            clusters.append(Cluster(offsets[index], offsets[until]))
        index = until
    return clusters, whole


def _branching(tree: Tree, root: int, until: int, offsets: dict[int, int]) -> Cluster:
    start, stop = offsets[root], offsets[until]
    seen = np.zeros((stop - start, stop - start), dtype=bool)
    for index in range(root, until):
        rows = slice(offsets[index] - start, offsets[index + 1] - start)
        seen[rows, rows] = np.tri(rows.stop - rows.start, dtype=bool)
        above = tree.segments[index].parent
        while above >= root:
            seen[rows, offsets[above] - start : offsets[above + 1] - start] = True
            above = tree.segments[above].parent
    return Cluster(start, stop, seen)
