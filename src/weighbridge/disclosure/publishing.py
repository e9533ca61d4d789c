"""Writes the advisory of a report that was judged, and seals which weights it revokes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from weighbridge.disclosure.advisory import (
    Advisory,
    Wording,
    avid_report,
    gate_words,
    is_advisory_id,
    next_id,
    require_wording,
    timeline,
)
from weighbridge.disclosure.case import Case, cases, require_published_in_time
from weighbridge.disclosure.desk import Desk
from weighbridge.disclosure.lineage_graph import LineageGraph, Relation
from weighbridge.disclosure.report import DIGEST
from weighbridge.errors import EvidenceError, InputError, UnknownName
from weighbridge.records import Json
from weighbridge.reports.advisory_page import AdvisoryPage, ConcernedWeights, render_advisory
from weighbridge.sources.digests import text_digest
from weighbridge.sources.text_files import read_bytes
from weighbridge.statistics import wilson
from weighbridge.storage import storage_errors, write_whole

_IN_WORDS: dict[Relation, str] = {
    "reported": "has the flaw",
    "same": "the same weights",
    "base": "what it was made of: may have it",
    "derivative": "made of it: has it unless shown otherwise",
    "sibling": "made of the same base: may have it",
}


@dataclass(frozen=True)
class Written:
    """An advisory that was written.

    Attributes:
        advisory: The advisory.
        json: AVID's JSON.
        page: The page.
    """

    advisory: Advisory
    json: Path
    page: Path


def advise(
    desk: Desk,
    case: Case,
    wording: Wording,
    graph: LineageGraph,
    folder: Path,
    now: datetime,
    early: str = "",
) -> Written:
    """Write a report's advisory, and seal that it was written.

    A report has one advisory; a second time it is written anew under the same id, such as when
    mended weights are known.

    Args:
        desk: The desk.
        case: The report, as judged.
        wording: What its publisher writes.
        graph: The lineage that is known.
        folder: Where the JSON and the page are written.
        now: The time.
        early: Why it is published within the embargo.

    Raises:
        InputError: The report was not judged, or its embargo lasts.
    """
    require_wording(wording)
    require_published_in_time(case, now, early)
    events = desk.events()
    name = case.advisory or next_id(events, now)
    assert case.severity is not None
    siblings = case.severity.transfer in ("family", "everywhere")
    affected = graph.affected(case.digests, siblings)
    found = Advisory(name, case, wording, affected, now, early)
    paths = _files(folder, name)
    text = json.dumps(avid_report(found), indent=1, ensure_ascii=False) + "\n"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_whole(paths[0], text)
    write_whole(paths[1], render_advisory(page_of(found)))
    kept = _files(desk.root / "advisories", name)
    with storage_errors(kept[0]):
        kept[0].parent.mkdir(parents=True, exist_ok=True)
    for path, data in zip(kept, paths, strict=True):
        write_whole(path, read_bytes(data, "an advisory"))
    body: dict[str, Json] = {
        "advisory": name,
        "json_digest": text_digest(text),
        "affected": [{"digest": one.digest, "relation": one.relation} for one in affected],
        "early": early,
    }
    desk.record("advised", case.report, body, now)
    return Written(found, *paths)


def _files(folder: Path, name: str) -> tuple[Path, Path]:
    return folder / f"{name}.json", folder / f"{name}.html"


def page_of(advisory: Advisory) -> AdvisoryPage:
    """Return what an advisory's page shows."""
    case, wording = advisory.case, advisory.wording
    severity, fix = case.severity, case.fix
    assert severity is not None
    proof = ""
    if fix is not None:
        most = wilson(0, fix.trials)[1]
        proof = (
            f"The reported request was tried {fix.trials} times on them and the flaw not seen: it "
            f"shows in at most {most:.0%} of trials, at 95 % confidence (run {fix.run}). "
            f"{gate_words(fix)}"
        )
    return AdvisoryPage(
        id=advisory.id,
        model=wording.model,
        developer=wording.developer,
        level=severity.level,
        severity=[
            ("Impact", severity.impact),
            ("Reproduced", f"{severity.reproduced} of {severity.trials}"),
            ("Access needed", severity.access),
            ("Seen elsewhere", severity.transfer),
            ("Score, of 1", f"{severity.score:.2f}"),
        ],
        summary=wording.summary,
        mended=fix.digest if fix is not None else "",
        proof=proof,
        mitigation=wording.mitigation,
        weights=[
            ConcernedWeights(one.digest, one.label or wording.model, _IN_WORDS[one.relation])
            for one in advisory.affected
        ],
        timeline=timeline(advisory),
        credit=wording.credit,
        early=advisory.early,
    )


def revoke(
    desk: Desk,
    digests: Sequence[str],
    advisory: str,
    reason: str,
    now: datetime,
    superseded_by: str = "",
) -> Case:
    """Seal that weights are revoked, on the ground of an advisory.

    Args:
        desk: The desk.
        digests: Of the weights; at least one.
        advisory: Its id.
        reason: In a sentence; "" takes one from the report's class.
        now: The time.
        superseded_by: Digest of what to use instead; "" takes the mended weights, where known.

    Returns:
        The report that the advisory is about.

    Raises:
        InputError: A digest is none, or is to be replaced by itself.
        UnknownName: The desk has no such advisory.
    """
    for digest in (*digests, *([superseded_by] if superseded_by else [])):
        if not DIGEST.fullmatch(digest):
            raise InputError(f"{digest!r:.90}", "sha256: and 64 hexadecimal digits")
    by_id = {one.advisory: one for one in cases(desk, now) if one.advisory}
    if not is_advisory_id(advisory) or advisory not in by_id:
        raise UnknownName(
            "advisory", advisory, by_id, "`weighbridge release advise REPORT` writes one"
        )
    case = by_id[advisory]
    instead = superseded_by or (case.fix.digest if case.fix else "")
    if instead in digests:
        raise InputError(f"{instead} both revoked and named to be used instead", "two digests")
    assert case.severity is not None
    body: dict[str, Json] = {
        "digests": list(digests),
        "advisory": advisory,
        "severity": case.severity.level,
        "reason": reason or case.body["harm_class"].replace("_", " "),
        "superseded_by": instead,
    }
    desk.record("revoked", case.report, body, now)
    return case


def advisory_files(desk: Desk) -> dict[str, bytes]:
    """Return the JSON of each advisory as it was sealed last, for the feed to carry.

    Raises:
        EvidenceError: One was altered.
    """
    sealed = {
        str(one.body["advisory"]): str(one.body["json_digest"])
        for one in desk.events()
        if one.kind == "advised"
    }
    found = {}
    for name, digest in sorted(sealed.items()):
        path, _ = _files(desk.root / "advisories", name)
        data = read_bytes(path, "an advisory", within=desk.root)
        if text_digest(data.decode("utf-8", "replace")) != digest:
            raise EvidenceError(
                f"{path} is not the advisory that was sealed", f"digest {digest}",
                "write it anew: weighbridge release advise REPORT",
            )  # fmt: skip
        found[path.name] = data
    return found
