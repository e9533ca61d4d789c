"""Groups rows of similar length into batches, in an order that depends on the seed alone.

Position in the data is arithmetic on the step number, so resuming needs no sampler state.

The rows of a forward pass are laid out in one of three ways (`method.Arrangement`). Padded, each
row is as long as the longest. Packed, they stand one after the other in a single row, each with
positions of its own and blind to the others, so that nothing is padded. As a prefix tree, what
they share at the beginning is computed once besides, forward and backward.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from weighbridge.models.engine.attention import TRAINABLE_ON
from weighbridge.models.engine.layout import Layout, layout_of
from weighbridge.models.engine.tree import (
    TokenIds,
    Tree,
    build_tree,
    cut_into_packs,
    side_by_side,
)
from weighbridge.tuning.masks import MaskedRow
from weighbridge.tuning.method import Arrangement

# Sorting within so many steps' rows leaves 1-3 % padding while batches stay well mixed.
_STEPS_PER_POOL = 16


@dataclass(frozen=True)
class Batch:
    """One forward pass. Padding is on the right only.

    Attributes:
        token_ids: Rows padded to the longest (B, S); or all rows in one, packed or as a prefix
            tree (1, T).
        positions: Flat indices into these whose *next* token is learnt. (N,)
        targets: Those next tokens. (N,)
        tokens: Length of the rows: padding left out, shared prefixes counted for each.
        position_ids: Place of each token in its row (1, T); None where rows are padded.
        layout: How the tokens of one row attend to each other; None where rows are padded, and
            where the model's own attention must see that each place 0 begins another row.
        counts: How many targets each row has, in order; empty where no objective asks.
        reference: Log-probabilities of both answers of each pair under the untrained model (P, 2);
            None where no objective asks.
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    targets: torch.Tensor
    tokens: int
    position_ids: torch.Tensor | None = None
    layout: Layout | None = None
    counts: tuple[int, ...] = ()
    reference: torch.Tensor | None = None


def steps_per_epoch(rows: int, rows_per_step: int) -> int:
    """Return how many steps one pass takes; the last may be a smaller one."""
    return -(-rows // rows_per_step)


def epoch_order(
    lengths: Sequence[int], rows_per_step: int, seed: int, epoch: int
) -> tuple[tuple[int, ...], ...]:
    """Return the row indices of each step of an epoch.

    A pure function of its arguments: rows are shuffled, sorted by length within pools of several
    steps, cut into steps, and the steps are shuffled. Every row comes exactly once.
    """
    rng = random.Random(f"weighbridge order {seed} {epoch}")
    order = list(range(len(lengths)))
    rng.shuffle(order)
    pool = rows_per_step * _STEPS_PER_POOL
    steps: list[tuple[int, ...]] = []
    for start in range(0, len(order), pool):
        alike = sorted(order[start : start + pool], key=lambda row: lengths[row])
        steps += [
            tuple(alike[at : at + rows_per_step]) for at in range(0, len(alike), rows_per_step)
        ]
    rng.shuffle(steps)
    return tuple(steps)


def split(rows: Sequence[int], batch_size: int) -> tuple[tuple[int, ...], ...]:
    """Cut a step's rows into forward passes of at most `batch_size` rows."""
    return tuple(tuple(rows[at : at + batch_size]) for at in range(0, len(rows), batch_size))


def computed_tokens(rows: Sequence[MaskedRow], arrangement: Arrangement) -> int:
    """Return the positions that a forward pass over rows computes, padding included."""
    if arrangement == "tree":
        return build_tree(_token_ids(rows)).tokens
    if arrangement == "packed":
        return sum(len(row) for row in rows)
    return len(rows) * max(len(row) for row in rows)


def collate(
    rows: Sequence[MaskedRow],
    device: torch.device | str = "cpu",
    arrangement: Arrangement = "padded",
) -> Batch:
    """Lay rows out for one forward pass; see `Batch`."""
    return {"padded": _padded, "packed": _packed, "tree": _as_tree}[arrangement](rows, device)


def _as_tree(rows: Sequence[MaskedRow], device: torch.device | str) -> Batch:
    return _laid_out(build_tree(_token_ids(rows)), rows, device)


def _packed(rows: Sequence[MaskedRow], device: torch.device | str) -> Batch:
    """Put rows one after the other, and begin their positions anew with each.

    Where our own attention has a backward pass, each row is one call of a kernel. Elsewhere
    transformers reads the ends of rows off the positions, and masks what lies before them.
    """
    batch = _laid_out(side_by_side(_token_ids(rows)), rows, device)
    own = torch.device(device).type in TRAINABLE_ON
    return batch if own else replace(batch, layout=None)


def _token_ids(rows: Sequence[MaskedRow]) -> list[TokenIds]:
    return [np.array(row.token_ids, dtype=np.int64) for row in rows]


def _laid_out(tree: Tree, rows: Sequence[MaskedRow], device: torch.device | str) -> Batch:
    (pack,) = cut_into_packs(tree, tree.tokens)
    positions: list[int] = []
    targets: list[int] = []
    for index, row in enumerate(rows):
        for at in range(1, len(row)):
            if row.trained[at]:
                segment, offset = tree.locate(index, at - 1)
                positions.append(pack.offsets[segment] + offset)
                targets.append(row.token_ids[at])
    return Batch(
        token_ids=torch.from_numpy(pack.tokens)[None].to(device),
        positions=torch.tensor(positions, dtype=torch.long, device=device),
        targets=torch.tensor(targets, dtype=torch.long, device=device),
        tokens=sum(len(row) for row in rows),
        position_ids=torch.from_numpy(pack.positions)[None].to(device),
        layout=layout_of(pack, {}),
    )


def _padded(rows: Sequence[MaskedRow], device: torch.device | str) -> Batch:
    """Pad rows on the right and list the positions that predict a learnt token.

    Padding carries token 0 and no mask: under causal attention no real position sees what stands
    to its right, and no padded position is ever a target.
    """
    longest = max(len(row) for row in rows)
    ids = torch.zeros((len(rows), longest), dtype=torch.long)
    positions: list[int] = []
    targets: list[int] = []
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row.token_ids)
        learnt = [at for at in range(1, len(row)) if row.trained[at]]
        positions += [index * longest + at - 1 for at in learnt]
        targets += [row.token_ids[at] for at in learnt]
    return Batch(
        token_ids=ids.to(device),
        positions=torch.tensor(positions, dtype=torch.long, device=device),
        targets=torch.tensor(targets, dtype=torch.long, device=device),
        tokens=sum(len(row) for row in rows),
    )
