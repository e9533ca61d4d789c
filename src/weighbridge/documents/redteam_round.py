"""A community's round of red-teaming: what `redteam round` prints. It holds no texts."""

from dataclasses import dataclass

from weighbridge.documents.form import Printed


@dataclass(frozen=True, kw_only=True)
class RoundFindingDocument:
    """Something that was found, however many people found it.

    Attributes:
        attack: The attack.
        behaviour: The beginning of the digest of its text.
        kind: Whether it should be refused (harmful), answered (benign) or not known (private).
        category: The behaviour's.
        submissions: Ids of the runs that hold it, the first to be started before the others.
        hits: Attempts of the round's own runs that got through.
        attempts: Attempts of theirs that were scored.
    """

    attack: str
    behaviour: str
    kind: str
    category: str
    submissions: tuple[str, ...]
    hits: int
    attempts: int


@dataclass(frozen=True, kw_only=True)
class LeftOutSubmission:
    """A submission that was not taken.

    Attributes:
        run: Its id.
        why: The reason.
    """

    run: str
    why: str


@dataclass(frozen=True, kw_only=True)
class RoundDocument:
    """What came of a round; the exit code is 1 where a finding counts.

    Attributes:
        round: Its name.
        scope: In a sentence.
        needed: Attempts of the round's own that must get through for a finding to count.
        counting: Findings that were reproduced.
        waiting: Findings that were not, or not often enough.
        outside: Number of findings outside the scope.
        left_out: Submissions that were not taken.
        regression: The campaign that was written of what counts; null without.
    """

    round: str
    scope: str
    needed: int
    counting: tuple[RoundFindingDocument, ...]
    waiting: tuple[RoundFindingDocument, ...]
    outside: int
    left_out: tuple[LeftOutSubmission, ...]
    regression: str | None


PRINTED = (Printed("redteam round", RoundDocument),)
