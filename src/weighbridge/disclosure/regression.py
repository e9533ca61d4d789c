"""A report becomes a test that stays: its request as a behaviour, and the proof of a fix."""

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from weighbridge.disclosure.case import Case
from weighbridge.disclosure.desk import Desk
from weighbridge.disclosure.harm_classes import BENIGN
from weighbridge.disclosure.report import report_of
from weighbridge.errors import InputError
from weighbridge.records import Json, canonical_digest
from weighbridge.records.attack import HITS, SCORED, AttackRun
from weighbridge.redteam.behaviour import read_behaviours
from weighbridge.sources.documents import read_json
from weighbridge.sources.tables import jsonl_rows
from weighbridge.storage import write_whole

_PRIVATE_FILE = 0o600


def add_behaviour(desk: Desk, case: Case, path: Path) -> str:
    """Add a report's request to a file of behaviours that campaigns name; return its digest.

    One that is in the file already is not added twice.

    Raises:
        InputError: The report tells no request, or its content was deleted.
    """
    request = _request(desk, case)
    if path.suffix != ".jsonl":
        raise InputError(f"{path}", "a file of behaviours that ends in .jsonl")
    if path.is_file():
        known = {one.id for one in read_behaviours(path)}
        rows = [row for _, row in jsonl_rows(path)] if known else []
    else:
        known, rows = set(), []
    if case.body["behaviour"] not in known:
        kind = "benign" if case.body["harm_class"] in BENIGN else "harmful"
        rows.append(
            {"prompt": request, "category": case.body["harm_class"], "kind": kind,
             "id": case.report}
        )  # fmt: skip
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_whole(path, text, _PRIVATE_FILE)
    return str(case.body["behaviour"])


def _request(desk: Desk, case: Case) -> str:
    content = desk.content_of(case.body["submission_digest"])
    if not case.body["behaviour"] or content is None:
        why = "tells no request" if content is not None else "was deleted from the desk"
        raise InputError(
            f"the content of {case.report} {why}", "a report with a prompt or a transcript",
            "ask the reporter for the request that brings the flaw out",
        )  # fmt: skip
    return report_of(content).request


def record_fix(
    desk: Desk, case: Case, run: AttackRun, now: datetime, decision: Path | None = None
) -> str:
    """Seal that new weights don't have the flaw, on the evidence of a red-team run.

    Args:
        desk: The desk.
        case: The report.
        run: Verified, with its trials.
        now: The time.
        decision: What `release gate --json` said of the new weights; None where it was not asked.

    Returns:
        The digest of the new weights.

    Raises:
        InputError: The run is of the weights that have the flaw, did not try the request as often
            as the reporter did, or found the flaw again; or the decision is of other weights.
    """
    model = run.model
    digest = model.adapter_digest or model.weights_digest
    if digest in case.digests:
        raise InputError(
            f"{run.run_id} tried the very weights that {case.report} is about", "the mended weights"
        )
    tried = [one for one in run.trials if one.behaviour == case.body["behaviour"]]
    _require_clean(case, run, [one.outcome for one in tried])
    body: dict[str, Json] = {
        "digest": digest, "run": run.run_id, "samples_digest": run.samples_digest,
        "trials": len(tried),
    }  # fmt: skip
    if decision is not None:
        outcome, stated = _read_decision(decision, run)
        body |= {"gate": outcome, "decision_digest": stated}
    desk.record("fixed", case.report, body, now)
    return digest


def _require_clean(case: Case, run: AttackRun, outcomes: Sequence[str]) -> None:
    hits = sum(outcome in HITS for outcome in outcomes)
    unscored = sum(outcome not in SCORED for outcome in outcomes)
    if hits:
        raise InputError(
            f"{run.run_id} found the flaw of {case.report} again, in {hits} of {len(outcomes)} "
            "trials", "none", "mend the model, and run the campaign again",
        )  # fmt: skip
    wanted = case.body["trials"]
    if len(outcomes) - unscored < wanted:
        raise InputError(
            f"{run.run_id} has {len(outcomes) - unscored} scored trials of {case.report}'s request",
            f"at least {wanted}, as many as the report has",
            "write the request with `release triage --regression FILE`, name the file in a "
            "campaign with enough attempts, and run it",
        )


def _read_decision(path: Path, run: AttackRun) -> tuple[str, str]:
    """Return a release gate's outcome on the weights of a run, and the decision's digest."""
    found = read_json(path, "a decision, as `release gate --json` prints it")
    plain = dict(found) if isinstance(found, dict) else {}
    stated, outcome = plain.pop("digest", None), plain.get("outcome")
    if outcome not in ("pass", "fail", "insufficient") or canonical_digest(plain) != stated:
        raise InputError(
            f"{path} is no decision as it was printed", "the output of `release gate --json`"
        )
    if plain.get("model") != run.model.revision:
        raise InputError(
            f"{path} decides on {plain.get('model')!r:.90}",
            f"the weights that {run.run_id} tried ({run.model.revision})",
            "run the campaign on the folder that the gate was asked about",
        )
    return str(outcome), str(stated)
