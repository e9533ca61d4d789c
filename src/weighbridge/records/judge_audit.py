"""What an audit of a judge found: its repeats, its preferences, its agreement with people.

Every interval is at 95 %; every figure is on the scale of the judgements unless it is a share.
"""

from dataclasses import dataclass, field
from typing import Literal

from weighbridge.records.comparison import Verdict

Interval = tuple[float, float]


@dataclass(frozen=True)
class RepeatSpread:
    """How much a judge's repeated judgements of the same answer vary.

    Attributes:
        answers: Answers with two readable judgements or more.
        judgements: Readable judgements of those.
        within_sd: Standard deviation among judgements of one answer.
        between_sd: Standard deviation of answers, the judge's noise taken out.
        share: Share of all variance that is the judge's: within² / (within² + between²).
        pass_means: Mean of each pass of the judge over the answers that every pass could read.
        pass_variance: Variance of the run's mean that all answers of a pass share; averaging over
            items does not reduce it.
        pass_freedom: Degrees of freedom that it rests on: passes - 1.
    """

    answers: int
    judgements: int
    within_sd: float
    between_sd: float
    share: float
    pass_means: tuple[float, ...]
    pass_variance: float
    pass_freedom: int


@dataclass(frozen=True)
class PositionConsistency:
    """Whether a pairwise judge says the same when the two answers change places.

    Attributes:
        pairs: Pairs of which both orders could be read.
        consistent: Share of them in which both orders agree.
        interval: Of that share.
        first: Pairs in which both orders preferred whichever answer came first.
        second: Likewise, second.
        mixed: Pairs in which one order said tie and the other did not.
        unreadable: Pairs of which an order could not be read.
    """

    pairs: int
    consistent: float
    interval: Interval
    first: int
    second: int
    mixed: int
    unreadable: int


@dataclass(frozen=True)
class SelfPreference:
    """How much more a judge prefers the candidate to the reference than another reader does.

    Attributes:
        reader: The other judge, or "people".
        excess: (judge's candidate - reference) - (the reader's candidate - reference).
        interval: Of the excess.
        n: Items that both read.
    """

    reader: str
    excess: float
    interval: Interval
    n: int


@dataclass(frozen=True)
class Agreement:
    """A figure with its interval, and over how many labels.

    Attributes:
        rate: The figure.
        interval: Of it.
        n: Labels.
    """

    rate: float
    interval: Interval
    n: int


@dataclass(frozen=True)
class HumanAgreement:
    """How a judge agrees with people on the items that they labelled.

    Attributes:
        labels: Labels that could be set beside a judgement.
        items: Items that they belong to.
        unmatched: Labels of items or models that the runs do not hold.
        preferences: Share of preferences (candidate, reference, tie) on which both agree.
        decided: The same where neither says tie, as in MT-Bench's setup S2.
        kappa: Cohen's kappa of the preferences, with its interval.
        spearman: Rank correlation of ratings, with its interval.
        bias: Judge's rating minus people's, with its interval.
    """

    labels: int
    items: int
    unmatched: int
    preferences: Agreement | None = None
    decided: Agreement | None = None
    kappa: Agreement | None = None
    spearman: Agreement | None = None
    bias: Agreement | None = None


@dataclass(frozen=True)
class HumanCorrected:
    """The comparison as people would see it: judged on all items, corrected on those they labelled.

    Attributes:
        difference: Candidate minus reference.
        interval: Of the difference.
        weight: How much the judge is relied on, from 0 to 1.
        labelled: Items with ratings of both answers.
        verdict: At the comparison's margin.
    """

    difference: float
    interval: Interval
    weight: float
    labelled: int
    verdict: Verdict


@dataclass(frozen=True)
class JudgeAudit:
    """All that was measured about the judge of one comparison.

    Attributes:
        judge: Its name.
        repeats: Spread of its judgements of the candidate's and the reference's answers.
        position: Position consistency in the two runs; None where answers are not paired.
        interval_without: The comparison's interval without the judge's noise between passes.
        kin: Which of the two models the judge is related to, and how; empty for none.
        self_preference: Measured against another reader, where there is one.
        agreement: With people, where labels were given.
        corrected: The comparison corrected by people's ratings.
        unknown: What was not measured, and what would measure it.
    """

    judge: str
    repeats: tuple[RepeatSpread | None, RepeatSpread | None]
    position: tuple[PositionConsistency | None, PositionConsistency | None]
    interval_without: Interval
    kin: tuple[tuple[Literal["candidate", "reference"], str], ...] = ()
    self_preference: tuple[SelfPreference, ...] = ()
    agreement: HumanAgreement | None = None
    corrected: HumanCorrected | None = None
    unknown: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class HumanLabel:
    """A person's rating of one answer, or preference between two.

    Attributes:
        sample_id: The item.
        model: Whose answer was rated; None where only one model is meant.
        rating: On the benchmark's scale.
        preferred: The model preferred, "A" (candidate), "B" (reference) or "tie".
        models: The two models whose answers were compared; None where the candidate and the
            reference are meant.
    """

    sample_id: str
    model: str | None = None
    rating: float | None = None
    preferred: str | None = None
    models: tuple[str, str] | None = None
