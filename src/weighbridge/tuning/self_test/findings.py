"""What the self-test found: one figure for each check, kept with the run."""

import math
from dataclasses import dataclass

from weighbridge.tuning.method import Arrangement


@dataclass(frozen=True)
class Found:
    """What a check measured.

    Attributes:
        figure: The difference, or what else `of` says; None where there was nothing to measure.
        allowed: The largest figure that passes; None where any does.
        of: What the figure is, as a phrase that follows it.
    """

    figure: float | None
    allowed: float | None
    of: str

    @property
    def passes(self) -> bool:
        """Whether the figure is a number and small enough."""
        if self.figure is None or self.allowed is None:
            return True
        return math.isfinite(self.figure) and self.figure <= self.allowed


@dataclass(frozen=True)
class CheckResult:
    """A check that passed.

    Attributes:
        name: The check's.
        figure: What was measured; null where there was nothing to measure.
        allowed: The largest figure that passes; null where any does.
        of: What the figure is.
        seconds: What the check took.
    """

    name: str
    figure: float | None
    allowed: float | None
    of: str
    seconds: float

    def told(self) -> str:
        """Say it in a line."""
        figure = "" if self.figure is None else f"{self.figure:.2g} "
        return f"{self.name}: {figure}{self.of}"


@dataclass(frozen=True)
class SelfTest:
    """A self-test that passed; one that doesn't ends the run.

    Attributes:
        checks: In the order in which they were made.
        seconds: All of it, with attaching the adapter and taking it off.
        arrangement: How rows of a pass are laid out, as it was found on the way.
    """

    checks: tuple[CheckResult, ...]
    seconds: float
    arrangement: Arrangement

    def told(self) -> str:
        """Say it in a line."""
        return f"self-test: {len(self.checks)} checks passed in {self.seconds:,.1f} s"
