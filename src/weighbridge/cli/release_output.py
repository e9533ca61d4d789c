"""What `release` prints: a decision, a bundle that was written, and one that was verified."""

import textwrap
from typing import TYPE_CHECKING

from weighbridge.documents.release import (
    BundleDocument,
    FigureDocument,
    GateDocument,
    GatesDocument,
    GpaiDocument,
    VerifiedBundleDocument,
)
from weighbridge.records.printable import printable_line

if TYPE_CHECKING:
    from weighbridge.release.decision import Decision
    from weighbridge.release.gpai import Gpai
    from weighbridge.release.verification import VerifiedBundle

_WORD = {"pass": "pass", "fail": "FAIL", "insufficient": "open"}


def gates_document(found: "Decision") -> GatesDocument:
    """Return a decision as `--json` prints it."""
    return GatesDocument(
        outcome=found.outcome,
        version=found.version,
        made_with=found.made_with,
        model=found.model,
        policy=found.policy,
        policy_digest=found.policy_digest,
        statement_digest=found.statement_digest,
        decided=found.decided,
        digest=found.digest,
        gates=_gates(found),
        refused=found.refused,
    )


def _gates(found: "Decision") -> tuple[GateDocument, ...]:
    return tuple(GateDocument(**vars(one)) for one in found.gates)


def gates_text(found: "Decision") -> str:
    """Return a decision for a person."""
    lines = [f"{found.outcome}: by {found.policy}, {found.decided}", found.model, ""]
    for one in found.gates:
        word = "waived" if one.waiver else _WORD[one.outcome]
        lines += _wrapped(f"{word:<7}{one.gate:<14} ", one.why)
        if one.waiver:
            lines += _wrapped(" " * 22, f"waived by {one.waiver}")
        elif one.turns:
            lines += _wrapped(" " * 22, f"-> {one.turns}")
    lines += [printable_line(f"not used: {why}") for why in found.refused]
    return "\n".join(lines)


def _wrapped(begin: str, text: str) -> list[str]:
    return textwrap.wrap(
        printable_line(text), 80, initial_indent=begin, subsequent_indent=" " * min(22, len(begin)),
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def bundle_text(found: BundleDocument) -> str:
    """Return what was written, for a person."""
    signed = f"signed with {found.signature}" if found.signature else "not signed"
    return "\n".join((
        printable_line(f"{found.bundle}: {found.files} files, {signed}"),
        f"bundle {found.digest}",
        f"decision: {found.decision.outcome}",
    ))  # fmt: skip


def verified_document(
    found: "VerifiedBundle", signature: str, why: str = ""
) -> VerifiedBundleDocument:
    """Return a verified bundle as `--json` prints it.

    Args:
        found: The bundle.
        signature: What is known of its signature.
        why: Why it is not valid, or was not checked; "" for nothing to say.
    """
    return VerifiedBundleDocument(
        outcome=_outcome(found, signature),
        holds=found.holds,
        differs=found.differs,
        signature=signature,
        notes=(*found.notes, why) if why else found.notes,
        files=found.files,
        digest=found.manifest.digest if found.manifest else None,
        model=found.manifest.model if found.manifest else None,
        gates=_gates(found.decision) if found.decision else (),
    )


def _outcome(found: "VerifiedBundle", signature: str) -> str:
    if signature == "invalid" or found.outcome == "fail":
        return "fail"
    return found.outcome if signature in ("valid", "waived") else "insufficient"


_SIGNED = {
    "valid": "the signature is valid",
    "invalid": "THE SIGNATURE IS NOT VALID",
    "unsigned": "not signed: who made it is not known (--unsigned accepts that)",
    "not checked": "signed, and no key was given to check it by (--key)",
    "waived": "who made it was not asked",
}


def verified_text(document: VerifiedBundleDocument) -> str:
    """Return a verified bundle for a person."""
    holds = "all of the bundle is as it says" if document.holds else "THE BUNDLE IS NOT AS IT SAYS"
    lines = [f"{document.outcome}: {holds}", f"bundle {document.digest or 'unknown'}"]
    lines += _each("  differs: ", document.differs)
    lines.append(_SIGNED[document.signature])
    lines += _each("note: ", document.notes)
    if document.gates:
        lines.append(f"{document.files} files; gates, asked again:")
        for one in document.gates:
            word = "waived" if one.waiver else _WORD[one.outcome]
            lines += _wrapped(f"  {word:<7}{one.gate:<14} ", one.why)
    return "\n".join(lines)


def _each(begin: str, texts: tuple[str, ...]) -> list[str]:
    return [line for text in texts for line in _wrapped(begin, text)]


def gpai_document(found: "Gpai") -> GpaiDocument:
    """Return the answer as `--json` prints it."""
    return GpaiDocument(
        answer=found.answer,
        why=found.why,
        tuning_flops=found.tuning_flops,
        base_flops=found.base_flops,
        limit_flops=found.limit_flops,
        documentation=tuple(FigureDocument(**vars(one)) for one in found.documentation),
    )


def gpai_text(document: GpaiDocument) -> str:
    """Return the answer for a person."""
    lines = [*_wrapped(f"{document.answer}: ", document.why), "", "documentation (Annex XI):"]
    for one in document.documentation:
        said = f"{one.value or '?'} ({one.rests_on})"
        lines += _wrapped(f"  {one.name}: ", said)
    return "\n".join(lines)
