"""Releases: what the gates answered, and whether a bundle is what it says."""

from dataclasses import dataclass

from weighbridge.documents.form import Printed


@dataclass(frozen=True, kw_only=True)
class GateDocument:
    """What one gate answered.

    Attributes:
        gate: Its name.
        outcome: "pass", "fail" or "insufficient"; a waiver does not change it.
        why: What it rests on.
        turns: What would turn it; "" where it passes.
        evidence: SHA-256 of what it rests on: of runs' samples, or of files.
        waiver: Who opened it, until when and why; "" where nobody did.
    """

    gate: str
    outcome: str
    why: str
    turns: str
    evidence: tuple[str, ...]
    waiver: str


@dataclass(frozen=True, kw_only=True)
class GatesDocument:
    """Whether a model is fit to release.

    Attributes:
        outcome: "fail" where a gate fails that nobody waived, "insufficient" likewise, else
            "pass"; the exit code is 1, 3 or 0.
        version: Which gates were asked.
        made_with: Version of the program.
        model: SHA-256 over the model's files and their names.
        policy: Name and version of the policy.
        policy_digest: SHA-256 of the policy.
        statement_digest: SHA-256 of what people stated.
        decided: When, ISO 8601 in UTC.
        digest: SHA-256 of the decision.
        gates: One each, in order of their names.
        refused: Evidence that was not used, and why.
    """

    outcome: str
    version: int
    made_with: str
    model: str
    policy: str
    policy_digest: str
    statement_digest: str
    decided: str
    digest: str
    gates: tuple[GateDocument, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class BundleDocument:
    """A bundle that was written, or was not because a gate does not pass.

    Attributes:
        bundle: Its folder; null where none was written.
        digest: SHA-256 of its manifest, which names it; null likewise.
        files: How many it has, the manifest left out.
        signature: What it was signed with; null for a bundle without a signature.
        decision: What the gates answered.
    """

    bundle: str | None
    digest: str | None
    files: int
    signature: str | None
    decision: GatesDocument


@dataclass(frozen=True, kw_only=True)
class VerifiedBundleDocument:
    """Whether a bundle is what it says, and whether what it holds was fit to release.

    Attributes:
        outcome: "pass" where all of it holds, a signature was checked and every gate passes or is
            waived; "fail" where anything differs or a gate fails; else "insufficient". The exit
            code is 0, 1 or 3.
        holds: Whether nothing differs from what the bundle says.
        differs: What does, a clause each.
        signature: "valid", "invalid", "unsigned", "not checked" where no key was given, or
            "waived" where nobody asked.
        notes: What could not be checked, and what to know.
        files: How many were compared.
        digest: SHA-256 of the manifest; null where it can't be read.
        model: SHA-256 over the model's files and their names; null likewise.
        gates: As they answer again; empty where that was not asked.
    """

    outcome: str
    holds: bool
    differs: tuple[str, ...]
    signature: str
    notes: tuple[str, ...]
    files: int
    digest: str | None
    model: str | None
    gates: tuple[GateDocument, ...]


@dataclass(frozen=True, kw_only=True)
class FigureDocument:
    """A field of the documentation that Annex XI of the AI Act asks for.

    Attributes:
        name: Of the field.
        value: As text; "" where it is not known.
        rests_on: Evidence, a statement, or what is missing.
    """

    name: str
    value: str
    rests_on: str


@dataclass(frozen=True, kw_only=True)
class GpaiDocument:
    """Whether tuning makes its author a provider under the EU's rules.

    Attributes:
        answer: "provider" where tuning took more than the limit, "modifier" where it did not, else
            "unknown"; the exit code is 1, 0 or 3.
        why: What it rests on.
        tuning_flops: Operations of tuning, at most; null where they are not known.
        base_flops: Operations of the base's training; null likewise.
        limit_flops: Above which a modifier becomes a provider.
        documentation: Fields, as far as evidence fills them.
    """

    answer: str
    why: str
    tuning_flops: float | None
    base_flops: float | None
    limit_flops: float
    documentation: tuple[FigureDocument, ...]


@dataclass(frozen=True, kw_only=True)
class SignatureDocument:
    """Whether a model is signed by whom one trusts.

    Attributes:
        signature: "valid", "invalid", "unsigned" or "not checked"; the exit code is 0, 1, 3 or 3.
        why: Why it is not valid, or was not checked; "" for a valid one.
    """

    signature: str
    why: str


PRINTED = (
    Printed("release signature", SignatureDocument),
    Printed("release gpai", GpaiDocument),
    Printed("release gate", GatesDocument),
    Printed("release build", BundleDocument),
    Printed("release verify", VerifiedBundleDocument),
)
