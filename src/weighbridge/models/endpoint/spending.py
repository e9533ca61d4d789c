"""A spending cap that requests in flight can't exceed: each sets aside its worst case first."""

from dataclasses import dataclass

from weighbridge.errors import CapReached


@dataclass
class SpendingBudget:
    """What a command may spend, over all its endpoints.

    Attributes:
        cap_usd: The cap; None for none.
        spent_usd: Charged by servers, whichever attempt of the same runs paid it.
        uncertain_usd: Upper bound for requests whose answers were lost on the way.
        held_usd: Set aside for requests in flight.
    """

    cap_usd: float | None = None
    spent_usd: float = 0.0
    uncertain_usd: float = 0.0
    held_usd: float = 0.0

    @property
    def room_usd(self) -> float:
        """The amount that may still be set aside."""
        if self.cap_usd is None:
            return float("inf")
        return self.cap_usd - self.spent_usd - self.uncertain_usd - self.held_usd

    def fits(self, usd: float) -> bool:
        """Whether a request that costs at most this may be sent now."""
        return usd <= self.room_usd

    def could_fit(self, usd: float) -> bool:
        """Whether it could be sent if all requests in flight turned out to cost nothing."""
        return usd <= self.room_usd + self.held_usd

    def hold(self, usd: float) -> None:
        """Set aside the most that a request can cost."""
        self.held_usd += usd

    def settle(self, held_usd: float, charged_usd: float) -> None:
        """Replace what was set aside by what was charged."""
        self.held_usd = max(0.0, self.held_usd - held_usd)
        self.spent_usd += max(0.0, charged_usd)  # nobody pays us

    def lose(self, held_usd: float) -> None:
        """Note a request that was sent and not answered: it may have been charged."""
        self.held_usd = max(0.0, self.held_usd - held_usd)
        self.uncertain_usd += held_usd

    def already_paid(self, usd: float) -> None:
        """Count what an earlier attempt paid."""
        self.spent_usd += usd

    def reached(self, usd: float) -> CapReached:
        """Return the error for a request that no longer fits."""
        lost = f" and up to {self.uncertain_usd:.4f} on lost answers" if self.uncertain_usd else ""
        return CapReached(
            f"{self.spent_usd:.4f} USD spent{lost}; the next request may cost {usd:.4f}",
            f"at most {self.cap_usd:g} USD in all",
            "go on with a higher --max-usd: no answer is paid for twice",
        )
