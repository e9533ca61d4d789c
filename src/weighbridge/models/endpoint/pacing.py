"""How long to wait for a server, how often to ask it again, and how much to ask at a time."""

import random
from dataclasses import dataclass, field


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


@dataclass
class Concurrency:
    """A limit on requests at a time that finds what a server bears.

    Additive increase, multiplicative decrease (Chiu and Jain 1989). It grows by one for each
    limit's worth of answers and halves when the server says that it is too much. Failures of
    requests that were sent before the last halving are of the same jam, so they halve it no
    further.

    Attributes:
        most: Never more than this.
        limit: Requests at a time.
        in_flight: Requests sent and not answered.
        not_before: The time before which nothing is sent, as the server asked.
    """

    most: int = 64
    limit: float = 4.0
    in_flight: int = 0
    not_before: float = 0.0
    _halved: float = field(default=float("-inf"), repr=False)

    def __post_init__(self) -> None:
        self.limit = min(self.limit, float(self.most))

    @property
    def free(self) -> bool:
        """Whether another request may be sent, as far as their number goes."""
        return self.in_flight < max(1, int(self.limit))

    def answered(self) -> None:
        """Note an answer."""
        self.limit = min(float(self.most), self.limit + 1 / self.limit)

    def too_much(self, sent: float, now: float, wait_seconds: float = 0.0) -> None:
        """Note that the server could not take it.

        Args:
            sent: When the request was sent.
            now: When it failed.
            wait_seconds: How long the server asks to be left alone.
        """
        self.not_before = max(self.not_before, now + wait_seconds)
        if sent >= self._halved:
            self.limit, self._halved = max(1.0, self.limit / 2), now
