"""Checks a sealed run: digests, identity, and every figure recomputed from the samples."""

import math
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from weighbridge.errors import WeighbridgeError
from weighbridge.evidence.document import Sealed, faults, load, run_identity
from weighbridge.evidence.journal import Units, read_samples
from weighbridge.evidence.seal import Tally, file_digest, seal_of, tally
from weighbridge.evidence.stopped import stopping_checks
from weighbridge.records import Estimate, EvalRun, Json
from weighbridge.statistics import estimate

TOLERANCE = 1e-12  # floating-point sums in another order; nothing else
FILE = "samples_file_digest"
UNREADABLE = "readable"
"""Name of the check that fails where a file can't be read, so that no other check was possible."""

_UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
    WeighbridgeError,
)  # fmt: skip


@dataclass(frozen=True)
class Check:
    """One thing that was checked, and what was found."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class Verification:
    """All checks of one run."""

    run_id: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)


def verify(folder: Path) -> Verification:
    """Check a run; whatever is wrong with its files becomes a failed check."""
    try:
        checks = tuple(checks_of(load(folder), with_reference=True))
    except _UNREADABLE as error:
        checks = (Check(UNREADABLE, False, str(error) or type(error).__name__),)
    return Verification(folder.name, checks)


def checks_of(sealed: Sealed, *, with_reference: bool) -> list[Check]:
    """Check a run's documents, and recompute from its samples all that they state.

    Args:
        sealed: The run.
        with_reference: Whether a run that ended early needs the run that it was decided against;
            else what that one decides is left out where it is not there.
    """
    found = [Check(name, False, why) for name, why in faults(sealed)]
    try:
        found += _recomputed(sealed)
        if sealed.run.stopped is not None:
            found += _ending(sealed, needed=with_reference)
    except _UNREADABLE as error:
        found.append(Check(UNREADABLE, False, str(error) or type(error).__name__))
    return found


def _recomputed(sealed: Sealed) -> Iterator[Check]:
    run, document, samples = sealed.run, sealed.document, sealed.folder / "samples.jsonl"
    units = Units()
    read = tally(read_samples(samples, units))
    fault = units.fault or ("" if units.whole else f"unit {units.current} is cut off")
    if fault:
        yield Check("units", False, fault)
    yield from _digests(sealed, read)
    yield _items(document, read)
    yield from _totals(document["provenance"], read)
    again = estimate(read_samples(samples), run.estimate.aggregate, run.estimate.scale, run.slicing)
    yield from _figures(run.estimate, again, document["estimate"].keys())
    yield from _origin(run)


def _ending(sealed: Sealed, *, needed: bool) -> Iterator[Check]:
    rule = sealed.run.asked.stop
    reference = sealed.folder.parent / rule.reference if rule is not None else None
    if not needed and reference is not None and not (reference / "seal.json").is_file():
        return
    for name, a, b in stopping_checks(sealed.folder, sealed.document["identity_fields"]):
        yield Check(name, _close(a, b), _shown(a, b))


def _digests(sealed: Sealed, read: Tally) -> Iterator[Check]:
    run, seal, fields = sealed.run, sealed.seal, sealed.document["identity_fields"]
    yield _equal("samples digest", run.samples_digest, read.digest)
    yield _equal("identity", run.identity, run_identity(fields))
    file = file_digest(sealed.folder / "samples.jsonl") if FILE in seal else None
    expected = seal_of(sealed.data, read.digest, file)
    for key, value in expected.items():
        yield _equal(f"seal: {key}", seal.get(key), value)
    for key in seal.keys() - expected.keys():
        yield Check(f"seal: {key}", False, "is no field")
    if isinstance(fields.get("model"), dict):
        yield _equal("model", dict(run.model.identity), fields["model"])


def _origin(run: EvalRun) -> list[Check]:
    """State for imported runs that everything before the samples is only as good as the files."""
    origin = run.provenance.origin
    if origin is None:
        return []
    by = f"{origin.harness} {origin.version or '(version not stated)'}"
    return [Check("origin", True, f"imported from {by}: checked from its samples on")]


def _items(document: dict[str, Json], read: Tally) -> Check:
    planned = document["planned_samples"]
    whole = read.distinct == read.samples == planned
    return Check("items", whole, f"{read.distinct} distinct of {read.samples}, planned {planned}")


def _totals(stated: dict[str, Json], read: Tally) -> list[Check]:
    """Recompute the token counts and the cost from the samples.

    Runs sealed by older versions don't tell the judge's part apart.
    """
    again = asdict(read)
    return [
        Check(f"total {name}", _close(stated[name], again[name]), _shown(stated[name], again[name]))
        for name in ("input_tokens", "output_tokens", "cost_usd", "judge_cost_usd")
        if name in stated
    ]


def _figures(run: Estimate, recomputed: Estimate, named: Collection[str]) -> list[Check]:
    """Recompute what a run states; runs sealed by older versions state fewer figures."""
    stated, again = asdict(run), asdict(recomputed)
    return [
        Check(
            f"figure {name}", _close(stated[name], again[name]), _shown(stated[name], again[name])
        )
        for name in again
        if name in named
    ]


def _close(a: Json, b: Json) -> bool:
    if isinstance(a, (int, float)) and isinstance(b, float):  # JSON writes 3.0 as 3
        return math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_close(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):
        return len(a) == len(b) and all(map(_close, a, b))
    return bool(a == b)


def _shown(stated: Json, again: Json) -> str:
    if _close(stated, again):
        text = str(stated)
        return text if len(text) < 60 else f"{text[:57]}…"
    return f"stated {stated}, recomputed {again}"


def _equal(name: str, stated: Json, recomputed: Json) -> Check:
    if stated == recomputed and type(stated) is type(recomputed):
        return Check(name, True, str(stated)[:60])
    return Check(name, False, f"stated {stated}, recomputed {recomputed}")
