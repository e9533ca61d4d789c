"""Reports of flaws, advisories and feeds: documents, and text of at most 80 columns."""

import math
import textwrap
from collections.abc import Sequence
from datetime import datetime, timedelta

from weighbridge.cli.output import wrapped
from weighbridge.disclosure.case import Case
from weighbridge.disclosure.clocks import Clock
from weighbridge.disclosure.desk import time_text
from weighbridge.disclosure.publishing import Written
from weighbridge.disclosure.severity import Severity
from weighbridge.documents import ABSENT, OrAbsent
from weighbridge.documents.disclosure import (
    AdvisedDocument,
    AffectedDocument,
    CaseDocument,
    ClockDocument,
    FeedDocument,
    RevocationDocument,
    SeverityDocument,
)
from weighbridge.records.printable import printable_line
from weighbridge.revocation.entries import Feed, Revocation

_SHOWN = {"acknowledge": "answer", "triage": "judge", "publish": "publish"}
_TO_DO = {"acknowledge": "tell the reporter", "triage": "judge it", "publish": "publish"}


def case_document(case: Case, now: datetime) -> CaseDocument:
    """Return a report as `--json` prints it."""
    body, fix = case.body, case.fix
    return CaseDocument(
        report=case.report,
        received=time_text(case.received),
        weights_digest=body["weights_digest"],
        adapter_digest=body["adapter_digest"],
        harm_class=body["harm_class"],
        trials=body["trials"],
        reproduced=body["reproduced"],
        exploited=body["exploited"],
        anonymous=body["anonymous"],
        transcript_digest=body["transcript_digest"],
        behaviour=body["behaviour"],
        severity=_severity(case.severity) if case.severity else None,
        clocks=tuple(map(_clock, case.clocks(now))),
        mended_digest=fix.digest if fix else "",
        mended_run=fix.run if fix else "",
        mended_gate=fix.gate if fix else "",
        advisory=case.advisory,
    )


def _severity(found: Severity) -> SeverityDocument:
    return SeverityDocument(
        level=found.level,
        score=found.score,
        interval=found.interval,
        impact=found.impact,
        access=found.access,
        transfer=found.transfer,
    )


def _clock(found: Clock) -> ClockDocument:
    done = time_text(found.done) if found.done else None
    return ClockDocument(name=found.name, due=time_text(found.due), done=done, state=found.state)


def case_text(case: Case, now: datetime) -> str:
    """Return a report for a person: nothing of what was written in it."""
    body = case.body
    what = body["harm_class"].replace("_", " ")
    by = "an anonymous reporter" if body["anonymous"] else "a reporter who gave a name"
    lines = [
        f"{case.report}  {what}, in {body['reproduced']} of {body['trials']} trials"
        f"{', being exploited' if body['exploited'] else ''}",
        f"    {body['weights_digest']}",
    ]
    if body["adapter_digest"]:
        lines.append(f"  + {body['adapter_digest']}")
    lines += _row("received", f"{case.received:%Y-%m-%d %H:%M} UTC from {by}")
    if body["behaviour"]:
        lines += _row("request", f"{body['behaviour']} (sealed)")
    lines += _row("severity", _severity_words(case.severity))
    for one in case.clocks(now):
        lines += _row(_SHOWN[one.name], _clock_words(one, now))
    if case.fix:
        lines += _row("mended", f"{case.fix.trials} clean trials in {case.fix.run}, of")
        lines.append(f"    {case.fix.digest}")
        lines += _row("gate", case.fix.gate or "not asked")
    if case.advisory:
        lines += _row("advisory", case.advisory)
    return "\n".join(lines)


def _row(what: str, told: str) -> list[str]:
    return textwrap.wrap(
        printable_line(told), 80, initial_indent=f"    {what:<10}", subsequent_indent=" " * 14,
        break_on_hyphens=False,
    )  # fmt: skip


def _severity_words(found: Severity | None) -> str:
    if found is None:
        return "not judged"
    low, high = found.levels
    open_end = f"; {found.trials} trials can't tell {low} from {high}" if low != high else ""
    return (
        f"{found.level}, {found.score:.2f}: impact {found.impact}, reproduced {found.reproduced} "
        f"of {found.trials}, access {found.access}, transfer {found.transfer}{open_end}"
    )


def _clock_words(found: Clock, now: datetime) -> str:
    if found.done is not None:
        return f"{found.state}, {found.done:%Y-%m-%d}"
    if found.state == "running":
        until = "not before" if found.name == "publish" else "by"
        days = math.ceil((found.due - now) / timedelta(days=1))
        return f"{until} {found.due:%Y-%m-%d %H:%M} UTC (in {days} days)"
    return f"OVERDUE since {found.due:%Y-%m-%d}: {_TO_DO[found.name]}"


def advised_document(written: Written) -> AdvisedDocument:
    """Return an advisory as `--json` prints it."""
    found = written.advisory
    return AdvisedDocument(
        advisory=found.id,
        report=found.case.report,
        json=str(written.json),
        page=str(written.page),
        affected=tuple(
            AffectedDocument(digest=one.digest, label=one.label, relation=one.relation)
            for one in found.affected
        ),
    )


def advised_text(written: Written) -> str:
    """Return an advisory for a person."""
    found = written.advisory
    lines = [f"{found.id}  {written.json}", f"{'':<{len(found.id)}}  {written.page}"]
    for one in found.affected:
        label = one.label or found.wording.model
        lines += _row(one.relation, label)
        lines.append(f"    {one.digest}")
    return "\n".join(
        [*lines, f"revoke with: weighbridge release revoke DIGEST --advisory {found.id}"]
    )


def revocation_document(one: Revocation) -> RevocationDocument:
    """Return a revocation as `--json` prints it."""
    return RevocationDocument(**vars(one))


def revocation_lines(found: Sequence[Revocation]) -> list[str]:
    """Return revocations for a person."""
    lines: list[str] = []
    for one in found:
        lines += wrapped(
            printable_line(f"{one.advisory} {one.at[:10]} {one.severity}: {one.reason}"), "  "
        )
        lines.append(f"    {one.digest}")
        if one.superseded_by:
            lines += ["    use instead:", f"    {one.superseded_by}"]
    return lines


def feed_document(
    where: str,
    feed: Feed,
    notes: Sequence[str],
    root_digest: str = "",
    added: OrAbsent[int] = ABSENT,
) -> FeedDocument:
    """Return a feed as `--json` prints it."""
    return FeedDocument(
        feed=where,
        version=feed.version,
        published=feed.published,
        expires=time_text(feed.expires),
        stale=bool(notes),
        notes=tuple(notes),
        revocations=tuple(map(revocation_document, feed.revocations)),
        advisories=tuple(feed.advisories),
        root_digest=root_digest or ABSENT,
        added=added,
    )


def feed_text(where: str, feed: Feed, notes: Sequence[str], root_digest: str = "") -> str:
    """Return a feed for a person."""
    lines = [
        printable_line(where),
        f"  version {feed.version}, good until {feed.expires:%Y-%m-%d %H:%M} UTC",
    ]
    if root_digest:
        lines += [f"  root {root_digest}"]
    lines += [f"  {len(feed.revocations)} revoked"]
    for note in notes:
        lines += wrapped(f"note: {note}", "  ")
    return "\n".join([*lines, *revocation_lines(feed.revocations)])
