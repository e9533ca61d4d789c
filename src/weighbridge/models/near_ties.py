"""Counts near ties: choices that differ by less than floating-point noise between batch shapes.

Sums are taken in another order when other requests are computed beside one. The thresholds are
above what `tests/models/test_near_ties.py` measures.
"""

from collections.abc import Iterable, Iterator, Sequence

from weighbridge.records import ScoredSample

FLOAT32_NATS = 1e-4
COARSER_NATS = 5e-2  # float16 and bfloat16


def noise_nats(dtype: str | None) -> float:
    """What batch shapes may change in a difference of two log-probabilities, by type."""
    return FLOAT32_NATS if dtype == "float32" else COARSER_NATS


def is_near_tie(logprobs: Sequence[float], dtype: str | None) -> bool:
    """Whether the two likeliest of several continuations differ by less than the noise."""
    top = sorted(logprobs, reverse=True)[:2]
    return len(top) == 2 and top[0] - top[1] < noise_nats(dtype)


class NearTies:
    """Counts them in a run's samples, whichever attempt computed those.

    Args:
        dtype: What the model computed in.
    """

    def __init__(self, dtype: str | None) -> None:
        self._dtype = dtype
        self._compared = self._near = 0

    def counted(self, samples: Iterable[ScoredSample]) -> Iterator[ScoredSample]:
        """Pass samples on, and count."""
        for sample in samples:
            if len(sample.logprobs) > 1:
                self._compared += 1
                self._near += is_near_tie(sample.logprobs, self._dtype)
            yield sample

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence where there are any."""
        if not self._near:
            return ()
        answers = "answer rests" if self._near == 1 else "answers rest"
        return (
            f"{self._near} of {self._compared} {answers} on a gap below "
            f"{noise_nats(self._dtype):g} nats, the noise of batch shapes in {self._dtype}.",
        )
