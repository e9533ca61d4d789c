"""Asks every gate, and joins their answers with the waivers into one decision."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from weighbridge import __version__
from weighbridge.records import Json, canonical_digest
from weighbridge.release.case import Case
from weighbridge.release.gate import Finding, Outcome, find_gate
from weighbridge.release.statement import Waiver

ASKED = {
    1: (
        "capability", "coherence", "data", "harm", "humans", "integrity", "jailbreak",
        "judge_quality", "licence", "over_refusal", "retention", "use_policy", "worst_case",
    ),
}  # fmt: skip
"""Which gates a decision asks, by the version that it states and that is part of its digest.

A new gate comes with a new version, so that decisions of before are decided again as they were."""
VERSION = max(ASKED)


@dataclass(frozen=True)
class GateResult:
    """What a gate answered.

    Attributes:
        gate: Its name.
        outcome: As it answered; a waiver does not change it.
        why: What it rests on.
        turns: What would turn it; "" where it passes.
        evidence: Digests of what it rests on.
        waiver: Who opened it, why and until when; "" where nobody did.
    """

    gate: str
    outcome: Outcome
    why: str
    turns: str
    evidence: tuple[str, ...]
    waiver: str = ""

    @property
    def stops(self) -> bool:
        """Whether it stands in the way of a release."""
        return self.outcome != "pass" and not self.waiver


@dataclass(frozen=True)
class Decision:
    """Whether a model is fit to release.

    Attributes:
        version: Which gates were asked; see `ASKED`.
        made_with: Version of the program: another one may give the reasons in other words.
        outcome: Fail if a gate fails that nobody waived, insufficient likewise, else pass.
        model: Digest of its files.
        policy: Name and version of the policy.
        policy_digest: SHA-256 of the policy.
        statement_digest: SHA-256 of what people stated.
        decided: When, ISO 8601 in UTC.
        gates: One each, in order of their names.
        refused: Evidence that was not used, and why.
    """

    version: int
    made_with: str
    outcome: Outcome
    model: str
    policy: str
    policy_digest: str
    statement_digest: str
    decided: str
    gates: tuple[GateResult, ...]
    refused: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 over all of it."""
        return canonical_digest(self)


def decide(case: Case, version: int = VERSION) -> Decision:
    """Ask every gate of a version."""
    results = tuple(_asked(case, name) for name in ASKED[version])
    stopping = {result.outcome for result in results if result.stops}
    outcome: Outcome = "pass"
    if stopping:
        outcome = "fail" if "fail" in stopping else "insufficient"
    return Decision(
        version=version,
        made_with=__version__,
        outcome=outcome,
        model=case.digest,
        policy=f"{case.policy.name} {case.policy.version}",
        policy_digest=case.policy.digest,
        statement_digest=case.statement.digest,
        decided=case.now.isoformat(timespec="seconds"),
        gates=results,
        refused=case.refused,
    )


def _asked(case: Case, name: str) -> GateResult:
    found: Finding = find_gate(name).decide(case)
    why, waiver = found.why, ""
    if found.outcome != "pass":
        for one in case.statement.waiver:
            if one.gate == name:
                refusal = _not_valid(case, one)
                if refusal:
                    why = f"{why}; the waiver of {one.by} does not count: {refusal}"
                else:
                    waiver = f"{one.by}, until {one.expires:%Y-%m-%d %H:%M} UTC: {one.reason}"
    return GateResult(name, found.outcome, why, found.turns, found.evidence, waiver)


def _not_valid(case: Case, waiver: Waiver) -> str:
    """Say why a waiver does not count; "" where it does."""
    if waiver.gate in case.policy.never_waived:
        return "the policy lets nobody waive this gate"
    if not waiver.by.strip() or not waiver.reason.strip():
        return "it names nobody, or no reason"
    if waiver.at > case.now:
        return "it is dated after the decision"
    if waiver.expires <= case.now:
        return f"it expired {waiver.expires:%Y-%m-%d %H:%M} UTC"
    return ""


def as_plain(decision: Decision) -> dict[str, Json]:
    """Return a decision as plain JSON."""
    found: dict[str, Any] = asdict(decision)
    return found


def differences(stated: Mapping[str, Any], again: Decision) -> list[str]:
    """Say in what a stated decision differs from one that was computed again.

    Words are compared where the same version of the program wrote both.
    """
    plain: dict[str, Any] = as_plain(again)
    alike = stated.get("made_with") == again.made_with
    found = [
        f"{key}: stated {stated.get(key)!r:.80}, computed {plain[key]!r:.80}"
        for key in plain
        if key not in ("gates", "made_with") and _listed(stated.get(key)) != _listed(plain[key])
    ]
    found += [f"{key} is no field" for key in stated.keys() - plain.keys()]
    listed = _listed(stated.get("gates"))
    rows = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    gates = {str(one.get("gate")): one for one in rows}
    if not isinstance(listed, list) or len(gates) != len(listed):
        found.append("gates: not one row each")
    for one in plain["gates"]:
        if _compared(gates.pop(one["gate"], {}), alike) != _compared(one, alike):
            found.append(f"gate {one['gate']}: computed {one['outcome']}: {one['why']}")
    found += [f"gate {name} is none" for name in gates]
    return found


def _compared(row: Mapping[str, Any], alike: bool) -> Any:
    words = () if alike else ("why", "turns")
    return _listed({key: value for key, value in row.items() if key not in words})


def _listed(value: Any) -> Any:
    """Return plain data with lists in place of tuples, as JSON reads them."""
    if isinstance(value, dict):
        return {key: _listed(one) for key, one in value.items()}
    return [_listed(one) for one in value] if isinstance(value, list | tuple) else value
