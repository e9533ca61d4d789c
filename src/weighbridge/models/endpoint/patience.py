"""How long to wait for a server, and how often to ask it again."""

import random
from dataclasses import dataclass


@dataclass(frozen=True)
class Patience:
    """How long to wait, and how often to ask again.

    Attributes:
        request_seconds: For one request from its first byte to its last.
        attempts: Tries of one request, while others succeed.
        first_wait_seconds: Upper end of the first wait; each wait is drawn from 0 to its upper
            end, which doubles (full jitter).
        longest_wait_seconds: Upper end of any wait.
        give_up_seconds: Without any answer for so long, the run is stopped; it can go on later.
    """

    request_seconds: float = 600.0
    attempts: int = 8
    first_wait_seconds: float = 0.5
    longest_wait_seconds: float = 60.0
    give_up_seconds: float = 300.0

    def wait_seconds(self, attempt: int, rng: random.Random) -> float:
        """Draw the wait after an attempt, counted from 1."""
        upper = min(
            self.longest_wait_seconds, self.first_wait_seconds * 2.0 ** min(attempt - 1, 30)
        )
        return rng.uniform(0.0, upper)
