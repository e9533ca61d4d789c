"""A score is graded or it is not; ungraded is a type, never silently a zero."""

from dataclasses import dataclass, field
from typing import Literal

from weighbridge.records.scale import SHARE, Scale, is_share

UngradedReason = Literal["refused", "unparsed", "truncated", "infrastructure"]


@dataclass(frozen=True)
class Graded:
    """An answer that could be judged.

    Attributes:
        value: On the benchmark's declared scale (0–1 unless it says otherwise).
        answer: What was read out of the model's output and compared.
        why: One clause for a person who asks why this value.
        parts: Named components in [0, 1], such as the fields of an extracted object.
        kind: Tells this from `Ungraded` in JSON.
    """

    value: float
    answer: str
    why: str = ""
    parts: dict[str, float] = field(default_factory=dict)
    kind: Literal["graded"] = "graded"


@dataclass(frozen=True)
class Ungraded:
    """No grade: a refusal, nothing readable, out of tokens, or the machine failed.

    The first three are the model's doing and count as 0 in `mean`; `infrastructure` is ours, left
    out of the mean, counted, and bounded by best and worst case.

    Attributes:
        reason: Which of these.
        why: One clause for a person who asks why.
        kind: Tells this from `Graded` in JSON.
    """

    reason: UngradedReason
    why: str = ""
    kind: Literal["ungraded"] = "ungraded"


Score = Graded | Ungraded

OUTCOMES = (
    "right", "partly", "wrong", "graded", "refused", "unparsed", "truncated", "infrastructure",
)  # fmt: skip
"""What can become of an answer, the best first; `graded` on scales without right and wrong."""


def outcome(score: Score, scale: Scale = SHARE) -> str:
    """Return what became of an answer, in one word of `OUTCOMES`.

    >>> outcome(Graded(0.5, "B")), outcome(Ungraded("refused")), outcome(Graded(10, "10"), (1, 10))
    ('partly', 'refused', 'graded')
    """
    if not isinstance(score, Graded):
        return score.reason
    if not is_share(scale):
        return "graded"
    if score.value >= scale[1]:
        return "right"
    return "wrong" if score.value <= scale[0] else "partly"
