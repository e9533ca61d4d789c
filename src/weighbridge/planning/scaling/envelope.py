"""Approach 1: the envelope of lowest losses, and how model size grows along it.

Hoffmann et al. 2022, section 3.1, take the lowest training curve at 1,500 budgets. Here every row
is a point of compute and loss. Whole curves may be given as rows; where only final losses are
known, the envelope goes through these, which is coarser.
"""

from dataclasses import dataclass

import numpy as np

from weighbridge.errors import InputError
from weighbridge.planning.scaling.forms import PowerAllocation
from weighbridge.planning.scaling.points import Array, Points
from weighbridge.planning.scaling.power_law import power_law

FEWEST = 4
"""Smallest number of runs on the envelope to which a line is fitted."""


@dataclass(frozen=True, eq=False)
class EnvelopeFit:
    """The line through the envelope.

    Attributes:
        law: N_opt = k C^a.
        draws: The same law fitted to resamples; None without resamples.
        members: Indices of the runs on the envelope, cheapest first.
    """

    law: PowerAllocation
    draws: PowerAllocation | None
    members: tuple[int, ...]


def fit(points: Points, *, bootstraps: int = 0, seed: int = 0) -> EnvelopeFit:
    """Find the envelope and fit log N against log C on it.

    Raises:
        InputError: Fewer than `FEWEST` runs lie on it.
    """
    order = np.lexsort((points.loss, points.flops))
    everything = np.ones((1, len(points)))
    member = _members(points.loss[order], everything)
    found = order[member[0]]
    if len(found) < FEWEST:
        raise InputError(
            f"{len(found)} of {len(points)} runs lie on the envelope of loss against compute",
            f"at least {FEWEST}",
            "add runs at more budgets, or give whole training curves as rows",
        )
    flops, parameters = points.flops[order], points.parameters[order]
    law = power_law(flops, parameters, member[0].astype(np.float64))
    draws = None
    if bootstraps:
        rng = np.random.default_rng(seed)
        chances = np.full(len(points), 1 / len(points))
        counts = rng.multinomial(len(points), chances, size=bootstraps).astype(np.float64)
        on_it = _members(points.loss[order], counts)
        lines = power_law(
            np.broadcast_to(flops, on_it.shape),
            np.broadcast_to(parameters, on_it.shape),
            np.where(on_it.sum(axis=1, keepdims=True) >= FEWEST, on_it, 0).astype(np.float64),
        )
        kept = np.isfinite(lines.exponent)
        draws = PowerAllocation(lines.coefficient[kept], lines.exponent[kept])
    return EnvelopeFit(
        PowerAllocation(float(law.coefficient), float(law.exponent)),
        draws,
        tuple(int(i) for i in found),
    )


def _members(loss: Array, counts: Array) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return whether each run, sorted by compute, has the lowest loss so far, (B, n)."""
    present = np.where(counts > 0, loss, np.inf)
    lowest_before = np.minimum.accumulate(present, axis=1)
    lowest_before = np.concatenate(
        [np.full((len(counts), 1), np.inf), lowest_before[:, :-1]], axis=1
    )
    return present < lowest_before
