"""Finds claims: the folder `article/` is the list."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from weighbridge.documents import ABSENT
from weighbridge.documents.claims import ClaimDocument, ClaimsDocument
from weighbridge.errors import InputError, UnknownName
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.planning.claims.claim import Claim

EARLIEST = date(2024, 7, 23)
"""The day on which Llama 3.1 405B came out, the newest model of the article's table."""
_FOLDER = Path(__file__).parent / "article"


def claim_names() -> tuple[str, ...]:
    """Names of all claims, in the order of the alphabet."""
    return names_in(_FOLDER)


def find_claim(name: str) -> Claim:
    """Return a claim by name; hyphens count as underscores.

    Raises:
        UnknownName: No such claim; near misses are suggested.
    """
    stem = name.strip().lower().replace("-", "_")
    if stem not in claim_names():
        raise UnknownName("claim", name, claim_names())
    return defined_in(f"weighbridge.planning.claims.article.{stem}", "CLAIM", Claim)


def check_claims(names: Sequence[str], as_of: date) -> ClaimsDocument:
    """Check claims as of a day; without names, all of them.

    Raises:
        UnknownName: No such claim.
        InputError: The day is before the newest model that the article is about.
    """
    if as_of < EARLIEST:
        raise InputError(
            f"--as-of {as_of}",
            f"a day from {EARLIEST} on: the newest model of the article's table came out then",
        )
    claims = [find_claim(name) for name in dict.fromkeys(names or claim_names())]
    claims.sort(key=lambda claim: claim.place)
    return ClaimsDocument(
        as_of=as_of.isoformat(), claims=tuple(_checked(claim, as_of) for claim in claims)
    )


def _checked(claim: Claim, as_of: date) -> ClaimDocument:
    found = claim.check(as_of)
    return ClaimDocument(
        id=claim.name,
        text=claim.text,
        section=claim.section,
        outcome=found.outcome,
        sentence=found.sentence,
        conditions=found.conditions,
        measured=found.measured,
        evidence=found.evidence,
        chart=found.chart,
        table=ABSENT if found.table is None else found.table,
    )
