"""Reports of flaws, advisories and the revocation feed, as `release …` prints them."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import ABSENT, Inlined, OrAbsent, Printed


@dataclass(frozen=True, kw_only=True)
class ClockDocument:
    """One clock of a report.

    Attributes:
        name: What is to be done by then; nothing is published before the last one's end.
        due: Until when, ISO 8601, UTC.
        done: When it was done; null where it was not.
        state: Met in time or late; running, or overdue.
    """

    name: Literal["acknowledge", "triage", "publish"]
    due: str
    done: str | None
    state: Literal["met", "late", "running", "overdue"]


@dataclass(frozen=True, kw_only=True)
class SeverityDocument:
    """How severe a flaw is: the product of four figures from 0 to 1.

    Attributes:
        level: In a word.
        score: The product.
        interval: The same at both ends of the 95 % interval of reproducibility.
        impact: As judged.
        access: What somebody needs, as judged.
        transfer: Where else it shows, as judged.
    """

    level: Literal["low", "medium", "high", "critical"]
    score: float
    interval: tuple[float, float]
    impact: str
    access: str
    transfer: str


@dataclass(frozen=True, kw_only=True)
class CaseDocument:
    """A report, as far as it may be shown.

    Attributes:
        report: Its id at the desk.
        received: When, ISO 8601, UTC.
        weights_digest: Of the weights that have the flaw.
        adapter_digest: Of the adapter on them; "" without one.
        harm_class: What kind of harm.
        trials: How often it was tried.
        reproduced: In how many of these the flaw showed.
        exploited: Whether it is being used to do harm.
        anonymous: Whether the reporter gave no name.
        transcript_digest: Of the conversation, which is not shown; "" without one.
        behaviour: Beginning of the digest of the request, by which red-team runs name it; "" where
            none was told.
        severity: Null before triage.
        clocks: Until when what is to be done.
        mended_digest: Of weights without the flaw; "" where none are known.
        mended_run: The red-team run that tried them; "" likewise.
        mended_gate: What the release gate said of them; "" where it was not asked.
        advisory: Id of its advisory; "" before.
    """

    report: str
    received: str
    weights_digest: str
    adapter_digest: str
    harm_class: str
    trials: int
    reproduced: int
    exploited: bool
    anonymous: bool
    transcript_digest: str
    behaviour: str
    severity: SeverityDocument | None
    clocks: tuple[ClockDocument, ...]
    mended_digest: str
    mended_run: str
    mended_gate: str
    advisory: str


@dataclass(frozen=True, kw_only=True)
class ReceivedDocument:
    """A report that was taken in.

    Attributes:
        new: Whether it was not here before.
        case: The report.
    """

    new: bool
    case: Inlined[CaseDocument]


@dataclass(frozen=True, kw_only=True)
class TriageDocument:
    """Reports and where they stand.

    Attributes:
        overdue: Clocks that ran out before what they count for was done.
        reports: In the order in which they came.
        regression: File of behaviours that a report's request stands in now.
    """

    overdue: int
    reports: tuple[CaseDocument, ...]
    regression: OrAbsent[str] = ABSENT


@dataclass(frozen=True, kw_only=True)
class AffectedDocument:
    """Weights that a flaw concerns.

    Attributes:
        digest: Of the weights, an adapter, a folder or a file.
        label: What it is called; "" where that is not known.
        relation: Reported itself, another name of the same, their base, made of them, or made of
            their base.
    """

    digest: str
    label: str
    relation: Literal["reported", "same", "base", "derivative", "sibling"]


@dataclass(frozen=True, kw_only=True)
class AdvisedDocument:
    """An advisory that was written.

    Attributes:
        advisory: Its id.
        report: The report's.
        json: File of AVID's JSON.
        page: File of the page.
        affected: Whom it concerns.
    """

    advisory: str
    report: str
    json: str
    page: str
    affected: tuple[AffectedDocument, ...]


@dataclass(frozen=True, kw_only=True)
class RevocationDocument:
    """A revoked digest.

    Attributes:
        digest: Of weights, an adapter, a folder or a file.
        advisory: Id of the advisory that says why.
        at: When, ISO 8601, UTC.
        severity: In a word.
        reason: In a sentence.
        superseded_by: Digest of what to use instead; "" where there is none.
    """

    digest: str
    advisory: str
    at: str
    severity: str
    reason: str
    superseded_by: str


@dataclass(frozen=True, kw_only=True)
class RevokedDocument:
    """What a desk has revoked, to be published in its feed.

    Attributes:
        revocations: All of them.
    """

    revocations: tuple[RevocationDocument, ...]


@dataclass(frozen=True, kw_only=True)
class FeedDocument:
    """A revocation feed whose signatures were checked.

    Attributes:
        feed: Its folder or address.
        version: Grows with every publication.
        published: When what it lists was published, ISO 8601, UTC.
        expires: Until when its silence may be relied on.
        stale: Whether it may not be; the exit code is 3 then.
        notes: Why not.
        revocations: What is revoked.
        advisories: Names of the advisories' files that it carries.
        root_digest: What holders begin to trust it by.
        added: Revocations that `publish` added.
    """

    feed: str
    version: int
    published: str
    expires: str
    stale: bool
    notes: tuple[str, ...]
    revocations: tuple[RevocationDocument, ...]
    advisories: tuple[str, ...]
    root_digest: OrAbsent[str] = ABSENT
    added: OrAbsent[int] = ABSENT


PRINTED = (
    Printed("release report", ReceivedDocument),
    Printed("release triage", TriageDocument),
    Printed("release advise", AdvisedDocument),
    Printed("release revoke", RevokedDocument),
    Printed("release feed", FeedDocument),
)
