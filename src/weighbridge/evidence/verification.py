"""Checks a sealed run: digests, identity, and every figure recomputed from the samples."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.errors import WeighbridgeError
from weighbridge.evidence.document import Sealed, faults, load, run_identity
from weighbridge.evidence.journal import Units, read_samples
from weighbridge.evidence.payload import Check, NewerEvidence
from weighbridge.evidence.recomputed import equal_check
from weighbridge.evidence.seal import Tally, file_digest, seal_of, tally
from weighbridge.records import Provenance

FILE = "samples_file_digest"
UNREADABLE = "readable"
"""Name of the check that fails where a file can't be read, so that no other check was possible."""
VERSION = "schema_version"
"""Name of the only check of evidence that a newer version of the program wrote."""

_UNREADABLE = (
    OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError,
    WeighbridgeError,
)  # fmt: skip


@dataclass(frozen=True)
class Verification:
    """All checks of one run.

    Attributes:
        run_id: Name of the run's folder.
        checks: Each check with its result.
        newer: Whether a newer version of the program wrote the run, so that it can't be checked.
    """

    run_id: str
    checks: tuple[Check, ...]
    newer: bool = False

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(check.ok for check in self.checks)


def verify(folder: Path) -> Verification:
    """Check a run; whatever is wrong with its files becomes a failed check."""
    try:
        return Verification(folder.name, tuple(checks_of(load(folder), with_reference=True)))
    except NewerEvidence as error:
        return Verification(folder.name, (Check(VERSION, False, str(error)),), newer=True)
    except _UNREADABLE as error:
        return Verification(folder.name, (_unreadable(error),))


def checks_of(sealed: Sealed[Any], *, with_reference: bool) -> list[Check]:
    """Check a run's documents, and recompute from its samples all that they state.

    Args:
        sealed: The run.
        with_reference: Whether the run that an early-stopped one was decided against must be there;
            else the checks that need it are left out where it is missing.
    """
    found = [Check(name, False, why) for name, why in faults(sealed)]
    try:
        found += _recomputed(sealed, with_reference)
    except _UNREADABLE as error:
        found.append(_unreadable(error))
    return found


def _recomputed(sealed: Sealed[Any], with_reference: bool) -> Iterator[Check]:
    payload, units = sealed.payload, Units()
    count = payload.count()
    read = tally(read_samples(sealed.samples, payload, units), payload, count)
    fault = units.fault or ("" if units.whole else f"unit {units.current} is cut off")
    if fault:
        yield Check("units", False, fault)
    yield from _digests(sealed, read)
    yield _items(sealed.document["planned_samples"], read)
    yield from payload.checks(sealed, count, needed=with_reference)
    yield from _origin(sealed.envelope.provenance)


def _digests(sealed: Sealed[Any], read: Tally) -> Iterator[Check]:
    envelope, seal, fields = sealed.envelope, sealed.seal, sealed.document["identity_fields"]
    yield equal_check("samples digest", envelope.samples_digest, read.digest)
    yield equal_check("identity", envelope.identity, run_identity(fields))
    file = file_digest(sealed.samples) if FILE in seal else None
    expected = seal_of(sealed.data, read.digest, file)
    for key, value in expected.items():
        yield equal_check(f"seal: {key}", seal.get(key), value)
    for key in seal.keys() - expected.keys():
        yield Check(f"seal: {key}", False, "is no field")
    model = fields.get("model") if isinstance(fields, dict) else None
    if envelope.model is not None and isinstance(model, dict):
        yield equal_check("model", dict(envelope.model.identity), model)


def _origin(where: Provenance) -> list[Check]:
    """State for imported runs that everything before the samples is only as good as the files."""
    origin = where.origin
    if origin is None:
        return []
    by = f"{origin.harness} {origin.version or '(version not stated)'}"
    return [Check("origin", True, f"imported from {by}: checked from its samples on")]


def _items(planned: object, read: Tally) -> Check:
    whole = read.distinct == read.samples == planned
    return Check("items", whole, f"{read.distinct} distinct of {read.samples}, planned {planned}")


def _unreadable(error: Exception) -> Check:
    return Check(UNREADABLE, False, str(error) or type(error).__name__)
