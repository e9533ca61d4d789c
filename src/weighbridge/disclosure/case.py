"""Where each report stands: folded from the desk's events, with its clocks."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from weighbridge.disclosure.clocks import (
    ACKNOWLEDGE_DAYS,
    TRIAGE_DAYS,
    Clock,
    clock,
    embargo_days,
)
from weighbridge.disclosure.desk import Desk, Event, require_forward, time_text
from weighbridge.disclosure.harm_classes import BENIGN, NO_CONTENT
from weighbridge.disclosure.report import ANONYMOUS, Report
from weighbridge.disclosure.severity import Access, Impact, Severity, Transfer, severity_of
from weighbridge.errors import InputError, UnknownName
from weighbridge.records import Json
from weighbridge.records.attack import BehaviourKind
from weighbridge.redteam.behaviour import Behaviour


@dataclass(frozen=True)
class Fix:
    """New weights, on which the report's request was tried again and showed no flaw.

    Attributes:
        digest: Of the new weights.
        run: The red-team run that tried it.
        samples_digest: Of that run's trials.
        trials: How often it was tried.
        gate: What the release gate said of them: pass, fail or insufficient; "" if not asked.
        decision_digest: Of the gate's decision; "" likewise.
    """

    digest: str
    run: str
    samples_digest: str
    trials: int
    gate: str = ""
    decision_digest: str = ""


@dataclass(frozen=True)
class Case:
    """One report, as far as it may be shown.

    Attributes:
        report: Its id.
        received: When it came in.
        body: What is known of it.
        acknowledged: When the reporter was told that it arrived.
        triaged: When it was judged.
        severity: As it was judged last.
        fix: New weights without the flaw.
        advisory: Id of the advisory; "" before.
        advised: When that was written.
    """

    report: str
    received: datetime
    body: dict[str, Any]
    acknowledged: datetime | None = None
    triaged: datetime | None = None
    severity: Severity | None = None
    fix: Fix | None = None
    advisory: str = ""
    advised: datetime | None = None

    @property
    def digests(self) -> tuple[str, ...]:
        """What the report is about: the adapter where there is one, else the weights."""
        adapter, weights = self.body["adapter_digest"], self.body["weights_digest"]
        return (adapter,) if adapter else (weights,)

    def clocks(self, now: datetime) -> tuple[Clock, ...]:
        """Return the three clocks as they stand."""
        no_content = self.body["harm_class"] in NO_CONTENT
        days = embargo_days(bool(self.body["exploited"]), no_content)
        return (
            clock("acknowledge", self.received, ACKNOWLEDGE_DAYS, self.acknowledged, now),
            clock("triage", self.received, TRIAGE_DAYS, self.triaged, now),
            clock("publish", self.received, days, self.advised, now),
        )


def receive(desk: Desk, report: Report, now: datetime) -> tuple[Event, bool]:
    """Take a report in; return its event, and whether it is new."""
    behaviour = ""
    if report.request:
        kind: BehaviourKind = "benign" if report.harm_class in BENIGN else "harmful"
        behaviour = Behaviour(report.request, kind, report.harm_class).id
    body: dict[str, Json] = {
        "weights_digest": report.weights_digest,
        "adapter_digest": report.adapter_digest,
        "harm_class": report.harm_class,
        "trials": report.trials,
        "reproduced": report.reproduced,
        "exploited": report.exploited,
        "sampling": report.plain["sampling"],
        "transcript_digest": report.transcript_digest,
        "behaviour": behaviour,
        "anonymous": report.reporter_id == ANONYMOUS,
    }
    return desk.receive(report.plain, report.digest, body, now)


def cases(desk: Desk, now: datetime) -> tuple[Case, ...]:
    """Return every report of a desk, in the order in which they came.

    Raises:
        InputError: The clock stands before the desk's last event.
        EvidenceError: The desk was altered.
    """
    events = desk.events()
    require_forward(events, now)
    return folded(events)


def find_case(desk: Desk, name: str, now: datetime) -> Case:
    """Return one report.

    Raises:
        UnknownName: There is none of that name, and as of `cases`.
    """
    found = {one.report: one for one in cases(desk, now)}
    if name not in found:
        raise UnknownName("report", name, found, "`weighbridge release triage` lists them")
    return found[name]


def folded(events: Iterable[Event]) -> tuple[Case, ...]:
    """Return where each report stands after all events."""
    found: dict[str, Case] = {}
    for event in events:
        if event.kind == "received":
            found[event.report] = Case(event.report, event.at, dict(event.body))
        elif event.report in found:
            found[event.report] = _after(found[event.report], event)
    return tuple(found.values())


def _after(case: Case, event: Event) -> Case:
    body: dict[str, Any] = dict(event.body)
    match event.kind:
        case "acknowledged":
            return replace(case, acknowledged=case.acknowledged or event.at)
        case "triaged":
            judged = severity_of(
                body["impact"], body["access"], body["transfer"],
                case.body["reproduced"], case.body["trials"],
            )  # fmt: skip
            # What was judged was seen: a reporter who was not told before is told by that.
            told = case.acknowledged or event.at
            return replace(
                case, acknowledged=told, triaged=case.triaged or event.at, severity=judged
            )
        case "fixed":
            return replace(case, fix=Fix(**body))
        case "advised":
            return replace(case, advisory=body["advisory"], advised=case.advised or event.at)
        case _:
            return case


def acknowledge(desk: Desk, case: Case, now: datetime) -> None:
    """Note that the reporter was told."""
    if case.acknowledged is None:
        desk.record("acknowledged", case.report, {}, now)


def triage(
    desk: Desk, case: Case, impact: Impact, access: Access, transfer: Transfer, now: datetime
) -> None:
    """Seal a judgement; a later one replaces it, and the first one's date stands."""
    desk.record(
        "triaged", case.report, {"impact": impact, "access": access, "transfer": transfer}, now
    )


def require_published_in_time(case: Case, now: datetime, early: str) -> None:
    """Refuse to publish within the embargo, unless somebody says why.

    Raises:
        InputError: The embargo lasts, or the report was not judged.
    """
    if case.severity is None:
        raise InputError(
            f"{case.report} was not judged", "a severity",
            f"weighbridge release triage {case.report} --impact … --access … --transfer …",
        )  # fmt: skip
    until = next(one for one in case.clocks(now) if one.name == "publish").due
    if now < until and not early:
        raise InputError(
            f"the embargo of {case.report} lasts until {time_text(until)}",
            "its end, or a reason to publish before it",
            '--early "the reporter agreed"',
        )
