"""Claims as text of at most 80 columns."""

from collections import Counter

from weighbridge.cli.output import wrapped
from weighbridge.documents.claims import ClaimDocument, ClaimsDocument, Outcome

WORDS: dict[Outcome, str] = {"holds": "HOLDS", "fails": "FAILS", "holds_if": "HOLDS IF"}


def claims_text(document: ClaimsDocument) -> str:
    """Return every claim with its outcome, its sentence and its conditions."""
    counts = Counter(claim.outcome for claim in document.claims)
    told = ", ".join(f"{counts[name]} {words.lower()}" for name, words in WORDS.items())
    return "\n\n".join([f"{told}, as of {document.as_of}", *map(_claim_text, document.claims)])


def _claim_text(claim: ClaimDocument) -> str:
    lines = [f"{WORDS[claim.outcome]:<9} {claim.id}", *_quoted(claim.text)]
    lines += wrapped(claim.sentence, "  ")
    if claim.outcome == "holds_if":
        for condition in claim.conditions:
            lines += wrapped(f"if {condition}", "    ")
    return "\n".join(lines)


def _quoted(text: str) -> list[str]:
    return wrapped(f'"{text}"', "  ")
