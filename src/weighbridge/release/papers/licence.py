"""What the licence asks to be passed on: a notice, and a use policy for people and programs."""

import hashlib

from weighbridge.catalog.licence_duties import duties_of
from weighbridge.records import Json, canonical_json
from weighbridge.release.case import Case, base_identity
from weighbridge.release.decision import Decision
from weighbridge.release.paper import Paper

_VERSION = 1


def _files(case: Case, decision: Decision) -> dict[str, bytes]:
    stated = case.statement
    found: dict[str, bytes] = {}
    notice = "\n\n".join(text for text in (stated.built_with, stated.notice.strip()) if text)
    if notice:
        found["NOTICE"] = f"{notice}\n".encode()
    if stated.use_policy.strip():
        found["USE_POLICY.md"] = stated.use_policy.encode()
    return found | {"use_policy.json": canonical_json(_terms(case))}


def _terms(case: Case) -> Json:
    """Return the terms as a program reads them; a text is named by its digest."""
    stated = case.statement
    duties = duties_of(stated.base.licence)
    text = stated.use_policy.encode()
    return {
        "version": _VERSION,
        "licence": stated.licence,
        "use_policy": {"file": "USE_POLICY.md", "sha256": hashlib.sha256(text).hexdigest()}
        if text.strip()
        else None,
        "inherits": [
            {
                "name": stated.base.name,
                "licence": stated.base.licence,
                "weights_digest": base_identity(case.lineage).get("weights_digest"),
            }
        ],
        "redistribution_duties": {
            "same_licence": duties.same_licence,
            "name_begins": duties.name_begins,
            "built_with": duties.built_with,
            "notice": duties.notice,
            "use_policy": duties.use_policy,
        }
        if duties is not None
        else None,
        "report_contact": stated.contact,
    }


PAPER = Paper("licence", "what whoever passes the model on must do", _files)
