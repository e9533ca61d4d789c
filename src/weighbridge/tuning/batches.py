"""Groups rows of similar length into batches, in an order that depends on the seed alone.

Position in the data is arithmetic on the step number, so resuming needs no sampler state.

Where the attention allows it, the rows of a forward pass are laid out as a prefix tree: an
instruction that they share is computed once, forward and backward, and nothing is padded.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from weighbridge.models.engine.layout import Layout, layout_of
from weighbridge.models.engine.tree import build_tree, cut_into_packs
from weighbridge.tuning.masks import MaskedRow

# Sorting within so many steps' rows leaves 1-3 % padding while batches stay well mixed.
_STEPS_PER_POOL = 16


@dataclass(frozen=True)
class Batch:
    """One forward pass. Padding is on the right only.

    Attributes:
        token_ids: Rows padded to the longest (B, S); or all rows in one, as a prefix tree (1, T).
        positions: Flat indices into these whose *next* token is learnt. (N,)
        targets: Those next tokens. (N,)
        tokens: Length of the rows: padding left out, shared prefixes counted for each.
        position_ids: Place of each token in its row (1, T); None where rows are padded.
        layout: How the tree's tokens attend; None where rows are padded.
    """

    token_ids: torch.Tensor
    positions: torch.Tensor
    targets: torch.Tensor
    tokens: int
    position_ids: torch.Tensor | None = None
    layout: Layout | None = None


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


def computed_tokens(rows: Sequence[MaskedRow], share: bool) -> int:
    """Return the positions that a batch of such rows computes: distinct ones, or padded ones."""
    if share:
        return build_tree([np.array(row.token_ids, dtype=np.int64) for row in rows]).tokens
    return len(rows) * max(len(row) for row in rows)


def collate(
    rows: Sequence[MaskedRow], device: torch.device | str = "cpu", share: bool = False
) -> Batch:
    """Lay rows out for one forward pass; see `Batch`."""
    return _as_tree(rows, device) if share else _padded(rows, device)


def _as_tree(rows: Sequence[MaskedRow], device: torch.device | str) -> Batch:
    tree = build_tree([np.array(row.token_ids, dtype=np.int64) for row in rows])
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
