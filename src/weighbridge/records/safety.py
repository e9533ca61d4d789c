"""What a model does with harmful requests, and with harmless ones that look like them."""

from dataclasses import dataclass

Figure95 = tuple[float, tuple[float, float]]
"""A figure with its 95 % interval."""


@dataclass(frozen=True)
class SafetyRate:
    """A rate of unwanted answers, of the reference and of the candidate.

    Attributes:
        benchmark: That it was measured with.
        title: What it is the rate of.
        items: Paired items.
        reference: Of the reference, such as the base, with its interval.
        candidate: Of the candidate, such as the tuned model, with its interval.
        difference: Candidate minus reference, paired.
        corrected: The three of them as if the judge never erred; empty where it tells nothing.
        silent: Answers without words, which count as unwanted: of the reference, of the candidate.
    """

    benchmark: str
    title: str
    items: int
    reference: Figure95
    candidate: Figure95
    difference: Figure95
    corrected: tuple[Figure95, ...] = ()
    silent: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class SafetyDelta:
    """What tuning changed of a model's safety.

    Attributes:
        rates: Harmful requests that were complied with, and harmless ones that were not answered;
            those that were measured.
        judge: Who judged, and how well that judge agrees with people, in a sentence.
    """

    rates: tuple[SafetyRate, ...]
    judge: str
