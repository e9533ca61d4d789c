"""The advisory: what holders of the weights are told, as AVID's JSON and as a page.

The JSON is a report of the AI Vulnerability Database (avidml.org) of the type Advisory: the fields
and words are those of its data model (avidtools). AVID has no field for digests, so an artifact's
name ends in its digest; the signed feed lists them by themselves.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from weighbridge.disclosure.case import Case, Fix
from weighbridge.disclosure.desk import Desk, Event, time_text
from weighbridge.disclosure.harm_classes import AVID
from weighbridge.disclosure.lineage_graph import Affected
from weighbridge.errors import InputError
from weighbridge.records import Json
from weighbridge.revocation.entries import Revocation
from weighbridge.statistics import wilson

TAXONOMY = "0.2"
_LANGUAGE = "eng"
_ID = re.compile(r"ADV-\d{4}-\d{4}")


@dataclass(frozen=True)
class Wording:
    """What whoever publishes an advisory writes: nothing of the report's own words.

    Attributes:
        model: What the weights are called.
        developer: Who made them.
        summary: What is wrong, in a sentence that may be read by everybody.
        mitigation: What holders should do.
        credit: Who is thanked; "" for nobody.
        url: Where the advisory is published; "" where nowhere yet.
    """

    model: str
    developer: str
    summary: str
    mitigation: str = ""
    credit: str = ""
    url: str = ""


@dataclass(frozen=True)
class Advisory:
    """An advisory.

    Attributes:
        id: Its id.
        case: The report that it is about.
        wording: What its publisher wrote.
        affected: Whom it concerns.
        at: When it was written.
        early: Why it was published within the embargo; "" where it was not.
    """

    id: str
    case: Case
    wording: Wording
    affected: tuple[Affected, ...]
    at: datetime
    early: str = ""


def next_id(events: Sequence[Event], at: datetime) -> str:
    """Return the id of the next advisory: the year, and a number of that year's."""
    year = f"ADV-{at.year}-"
    taken = {str(one.body["advisory"]) for one in events if one.kind == "advised"}
    return f"{year}{sum(name.startswith(year) for name in taken) + 1:04}"


def is_advisory_id(name: str) -> bool:
    """Whether a text is the id of an advisory."""
    return _ID.fullmatch(name) is not None


def require_wording(wording: Wording) -> None:
    """Refuse an advisory without the words that make it one.

    Raises:
        InputError: One is missing.
    """
    for name in ("model", "developer", "summary"):
        if not getattr(wording, name).strip():
            raise InputError(f"no --{name}", "a text", f'give --{name} "…"')


def avid_report(advisory: Advisory) -> dict[str, Json]:
    """Return an advisory as AVID's JSON."""
    case, wording = advisory.case, advisory.wording
    place = AVID[case.body["harm_class"]]
    reproduced, trials = case.body["reproduced"], case.body["trials"]
    low, high = wilson(reproduced, trials)
    severity = case.severity
    assert severity is not None  # no advisory before triage
    metric: dict[str, Json] = {
        "name": "Severity: impact x reproducibility x access x transferability",
        "detection_method": {"type": "Static Threshold", "name": "weighbridge severity scale"},
        "results": {
            "score": round(severity.score, 4), "level": severity.level,
            "impact": severity.impact, "access": severity.access,
            "transferability": severity.transfer, "reproduced": reproduced, "trials": trials,
            "reproducibility_interval": [round(low, 4), round(high, 4)],
        },
    }  # fmt: skip
    return {
        "data_type": "AVID",
        "data_version": TAXONOMY,
        "metadata": {"report_id": advisory.id},
        "affects": {
            "developer": [wording.developer],
            "deployer": [],
            "artifacts": [
                {"type": "Model", "name": f"{one.label or wording.model}@{one.digest}"}
                for one in advisory.affected
            ],
        },
        "problemtype": {
            "classof": "LLM Evaluation",
            "type": "Advisory",
            "description": _text(wording.summary),
        },
        "metrics": [metric],
        "references": [
            {"type": "source", "label": label, "url": url} for label, url in _references(advisory)
        ],
        "description": _text(description(advisory)),
        "impact": {
            "avid": {
                "risk_domain": [place.domain],
                "sep_view": [place.sep],
                "lifecycle_view": ["L06: Deployment"],
                "taxonomy_version": TAXONOMY,
            }
        },
        "credit": [_text(wording.credit)] if wording.credit else [],
        "reported_date": case.received.date().isoformat(),
    }


def description(advisory: Advisory) -> str:
    """Return an advisory in a few sentences, for people and machines alike."""
    case, wording = advisory.case, advisory.wording
    severity = case.severity
    assert severity is not None
    told = [
        wording.summary.rstrip(".") + ".",
        f"Seen in {case.body['reproduced']} of {case.body['trials']} trials. "
        f"Severity {severity.level} ({severity.score:.2f} of 1).",
    ]
    if case.fix is not None:
        _, most = wilson(0, case.fix.trials)
        told.append(
            f"Mended in {case.fix.digest}: the request was tried {case.fix.trials} times and the "
            f"flaw not seen (at most {most:.0%} at 95 %). {gate_words(case.fix)}"
        )
    else:
        told.append("No mended weights are known.")
    if wording.mitigation:
        told.append(wording.mitigation.rstrip(".") + ".")
    return " ".join(told)


def gate_words(fix: Fix) -> str:
    """Return what the release gate said of mended weights."""
    if not fix.gate:
        return "The release gate was not asked about them."
    said = {"pass": "passes them", "fail": "fails them", "insufficient": "lacks evidence on them"}
    return f"The release gate {said[fix.gate]} (decision {fix.decision_digest})."


def timeline(advisory: Advisory) -> tuple[tuple[str, str], ...]:
    """Return what happened when."""
    case = advisory.case
    dated = [
        ("Reported", case.received), ("Acknowledged", case.acknowledged),
        ("Judged", case.triaged), ("Published", case.advised or advisory.at),
        ("Updated", advisory.at if case.advised else None),
    ]  # fmt: skip
    return tuple((what, time_text(at)[:10]) for what, at in dated if at is not None)


def _references(advisory: Advisory) -> list[tuple[str, str]]:
    return [("Advisory", advisory.wording.url)] if advisory.wording.url else []


def _text(value: str) -> dict[str, Json]:
    return {"lang": _LANGUAGE, "value": value}


def revocations(desk: Desk) -> tuple[Revocation, ...]:
    """Return all that a desk has revoked, in order.

    What one advisory revoked twice counts as it was revoked last.
    """
    found: dict[tuple[str, str], Revocation] = {}
    for event in desk.events():
        if event.kind != "revoked":
            continue
        body = event.body
        digests = body["digests"]
        for digest in digests if isinstance(digests, list) else ():
            found[str(digest), str(body["advisory"])] = Revocation(
                str(digest), str(body["advisory"]), time_text(event.at), str(body["severity"]),
                str(body["reason"]), str(body["superseded_by"]),
            )  # fmt: skip
    return tuple(found.values())
