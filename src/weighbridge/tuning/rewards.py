"""What preference tuning reports beside its loss: how much the preferred answers are ahead."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

RewardPair: TypeAlias = tuple[float, float]
"""The rewards of one pair: the preferred answer's, the other's."""

_ROUNDING = 1e-4
"""Of the log-probability of a thousand tokens in float32, times a beta of 0.1."""


@dataclass(frozen=True)
class Rewards:
    """Implicit rewards of pairs of answers, as TRL reports them.

    DPO's reward is β times how much likelier an answer is than under the reference; ORPO's, λ times
    an answer's mean log-probability a token.

    Attributes:
        chosen: Mean reward of the preferred answers.
        rejected: Mean reward of the others.
        accuracy: Share of the pairs in which the preferred answer's is the higher one by more than
            rounding, in [0, 1]. Before DPO's first step, when all are 0, it is 0, not a half.
        margin: Mean of the preferred answer's less the other's.
    """

    chosen: float
    rejected: float
    accuracy: float
    margin: float

    @classmethod
    def of(cls, pairs: Sequence[RewardPair]) -> "Rewards | None":
        """Summarise the rewards of pairs; None where there are none."""
        if not pairs:
            return None
        chosen = sum(one for one, _ in pairs) / len(pairs)
        rejected = sum(other for _, other in pairs) / len(pairs)
        ahead = sum(one - other > _ROUNDING for one, other in pairs)
        return cls(chosen, rejected, ahead / len(pairs), chosen - rejected)

    def __str__(self) -> str:
        return f"preferred answers ahead in {self.accuracy:.0%} of pairs, by {self.margin:+.3f}"
