"""Training runs as arrays, from which every fit starts."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from weighbridge.errors import InputError

Array = npt.NDArray[np.float64]

FLOPS_PER_PARAMETER_TOKEN = 6.0
"""Forward and backward pass, two and four operations a weight (Kaplan et al. 2020, table 1)."""


FEWEST = 10
"""Smallest number of runs: twice the unknowns of Chinchilla's form."""


@dataclass(frozen=True)
class Points:
    """Finished training runs; every array has shape (n,).

    Attributes:
        parameters: N.
        tokens: D, seen in training.
        loss: Nats per token, on held-out text.
        flops: C; 6ND where the source doesn't state it.
        budgets: IsoFLOP budget of each run; None where the source doesn't state it.
        experts: Experts per layer, 1 for dense; None where the source doesn't state it.
        source: Where the runs come from, for messages.
        notes: What was assumed in reading the runs.
    """

    parameters: Array
    tokens: Array
    loss: Array
    flops: Array
    budgets: Array | None = None
    experts: Array | None = None
    source: str = ""
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.loss)

    def keep(self, mask: npt.NDArray[np.bool_]) -> "Points":
        """Return the runs where the mask is true."""
        return replace(
            self,
            parameters=self.parameters[mask],
            tokens=self.tokens[mask],
            loss=self.loss[mask],
            flops=self.flops[mask],
            budgets=None if self.budgets is None else self.budgets[mask],
            experts=None if self.experts is None else self.experts[mask],
        )

    def without_highest(self, count: int) -> "Points":
        """Return the runs without the given number of highest losses.

        The published refit of Chinchilla's runs drops the five highest of 245 (Besiroglu et al.
        2024, arXiv:2404.10102).

        Raises:
            InputError: Too few runs would be left.
        """
        if count == 0:
            return self
        if len(self) - count < FEWEST:
            raise InputError(
                f"--drop-highest {count} of {len(self)} runs",
                f"at least {FEWEST} left",
                "drop fewer",
            )
        mask = np.ones(len(self), dtype=bool)
        mask[np.argsort(self.loss, kind="stable")[len(self) - count :]] = False
        note = f"the {count} highest losses are left out"
        return replace(self.keep(mask), notes=(*self.notes, note))
