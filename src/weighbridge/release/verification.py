"""Verifies a bundle: every byte, every figure, every gate. It trusts nothing that the bundle says.

    bytes          each file against the manifest, none missing, none more
    evidence       each run's seal, and every figure from its samples
    decision       each gate asked again, at the time of the decision
    papers         written again, and compared

Nothing is loaded and nothing is run. What was stated by people, and found in training data that are
not in the bundle, can't be computed again; the notes say so.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from weighbridge import __version__
from weighbridge.errors import EvidenceError, InputError, WeighbridgeError
from weighbridge.records import canonical_json
from weighbridge.release.bundle import (
    DATA,
    DECISION,
    MODEL,
    NOT_LISTED,
    POLICY,
    RUNS,
    STATEMENT,
    Listing,
    Manifest,
    list_files,
    read_manifest,
    read_plain,
)
from weighbridge.release.case import Case
from weighbridge.release.companions import faults_of_companions, notes_of_companions
from weighbridge.release.data_scan import DataScan
from weighbridge.release.decision import ASKED, Decision, decide, differences
from weighbridge.release.evidence import case_of_inventory
from weighbridge.release.gate import Outcome
from weighbridge.release.inventory import Inventory, take_inventory
from weighbridge.release.one_pass import read_once
from weighbridge.release.paper import papers_of
from weighbridge.release.policy import policy_of
from weighbridge.release.statement import statement_of, utc
from weighbridge.sources.archives import open_archive
from weighbridge.sources.regular_files import DOCUMENT_BYTES, read_regular

_SCAN = TypeAdapter(DataScan)


@dataclass(frozen=True)
class VerifiedBundle:
    """What was found.

    Attributes:
        manifest: The bundle's own; None where it can't be read.
        differs: What is not as the bundle says, a clause each; empty for a bundle that holds.
        decision: As it was computed again; None where it could not be.
        notes: What could not be checked, and what to know.
        files: How many were compared.
    """

    manifest: Manifest | None
    differs: tuple[str, ...]
    decision: Decision | None
    notes: tuple[str, ...]
    files: int

    @property
    def holds(self) -> bool:
        """Whether the bundle is what it says."""
        return not self.differs

    @property
    def outcome(self) -> Outcome:
        """Fail where anything differs, else the decision's."""
        if self.differs or self.decision is None:
            return "fail"
        return self.decision.outcome


def verify_bundle(folder: Path, now: datetime) -> VerifiedBundle:
    """Verify a bundle's folder; the signature is another's concern.

    Args:
        folder: The bundle.
        now: Today, by which waivers may have expired.

    Raises:
        InputError: It is no bundle, or a newer version of the program made it.
    """
    if not folder.is_dir() or folder.is_symlink():
        raise InputError(f"{folder} is no folder", "a bundle", "name the folder of one")
    listed = list_files(folder)
    try:
        manifest = read_manifest(folder)
    except EvidenceError as error:
        return VerifiedBundle(None, (*listed.faults, error.saw), None, (), 0)
    differs = [*listed.faults, *_names(listed, manifest)]
    inventory, bytes_differ = _bytes(folder, listed, manifest)
    differs += bytes_differ
    if differs:  # what was altered is not read any further
        return VerifiedBundle(manifest, tuple(differs), None, (), len(listed.files))
    try:
        case, stated = _case(folder, inventory)
    except WeighbridgeError as error:
        return VerifiedBundle(manifest, (error.saw,), None, (), len(listed.files))
    left_out = stated.get("refused")
    again = decide(case, stated["version"])
    if isinstance(left_out, list):  # evidence that was refused is not in the bundle
        again = replace(again, refused=tuple(map(str, left_out)))
    differs += [f"evidence: {why}" for why in case.refused]
    differs += differences(stated, again)
    differs += _bound(manifest, stated, case, again)
    differs += faults_of_companions(folder, manifest.files, case)
    differs += _in_time(case, again, now)
    notes = list(_notes(manifest, case))
    if manifest.made_with == __version__:
        differs += _papers(folder, case, again, manifest)
    return VerifiedBundle(manifest, tuple(differs), again, tuple(notes), len(listed.files))


def _names(listed: Listing, manifest: Manifest) -> Iterator[str]:
    there = set(listed.files) - NOT_LISTED
    for name in sorted(manifest.files.keys() - there):
        yield f"{name} is missing"
    for name in sorted(there - manifest.files.keys()):
        yield f"{name} is not in the manifest"


def _bytes(folder: Path, listed: Listing, manifest: Manifest) -> tuple[Inventory, list[str]]:
    """Read every file once; those of the model are looked into at the same time."""
    inventory = Inventory({})
    if (folder / MODEL).is_dir() and not (folder / MODEL).is_symlink():
        inventory = take_inventory(folder / MODEL)
    found = {f"{MODEL}/{name}": digest for name, digest in inventory.files.items()}
    for name in listed.files:
        if name not in found and name in manifest.files:
            found[name] = read_once(folder / name)[0]
    differs = [
        f"{name} is not as it was"
        for name, digest in sorted(manifest.files.items())
        if name in found and found[name] != digest
    ]
    return inventory, differs


def _case(folder: Path, inventory: Inventory) -> tuple[Case, dict[str, Any]]:
    stated = read_plain(folder, DECISION)
    decided = utc(str(stated.get("decided"))) if isinstance(stated, dict) else None
    if not isinstance(stated, dict) or decided is None or not _is_known(stated):
        raise EvidenceError(f"{DECISION} is no decision that this version knows", "a decision")
    data = None
    if (folder / DATA).is_file():
        try:
            data = _SCAN.validate_python(read_plain(folder, DATA))
        except ValidationError as error:
            raise EvidenceError(f"{DATA} is not as it was written", "what was found") from error
    read = {name: read_plain(folder, name) for name in (POLICY, STATEMENT)}
    policy = policy_of(read[POLICY], Path(POLICY))
    statement = statement_of(read[STATEMENT], Path(STATEMENT))
    for name, one in ((POLICY, policy), (STATEMENT, statement)):
        if canonical_json(one.plain) != canonical_json(read[name]):
            raise EvidenceError(f"{name} has values of other types", "a record as it was written")
    case = case_of_inventory(
        folder / MODEL, inventory, folder / RUNS, policy, statement, decided, data
    )
    return case, stated


def _is_known(stated: dict[str, Any]) -> bool:
    version = stated.get("version")
    return type(version) is int and version in ASKED


def _bound(
    manifest: Manifest, stated: dict[str, Any], case: Case, again: Decision
) -> Iterator[str]:
    if stated.get("made_with") != manifest.made_with:
        yield f"{DECISION} and the manifest name two versions of the program"
    if manifest.model != case.digest:
        yield f"the model is {case.digest}, and the manifest names {manifest.model}"
    if manifest.made_with == __version__ and manifest.decision != again.digest:
        yield f"the decision is {again.digest}, and the manifest names {manifest.decision}"


def _in_time(case: Case, again: Decision, now: datetime) -> Iterator[str]:
    """Say what has run out since the decision, or is ahead of this machine's clock."""
    if case.now > now:
        yield f"decided on {case.now:%Y-%m-%d %H:%M} UTC, which is ahead of this machine's clock"
    opened = {one.gate for one in again.gates if one.waiver}
    for waiver in case.statement.waiver:
        if waiver.gate in opened and waiver.expires <= now:
            when = waiver.expires.astimezone(UTC)
            yield f"the waiver of {waiver.gate} expired {when:%Y-%m-%d %H:%M} UTC"


def _notes(manifest: Manifest, case: Case) -> Iterator[str]:
    yield from notes_of_companions(manifest.files)
    if case.data is not None:
        yield "the training data are not in the bundle: what was found in them is as stated"
    if manifest.made_with != __version__:
        yield (
            f"made with weighbridge {manifest.made_with}: papers were compared by their digests, "
            "and not written again"
        )


def _papers(folder: Path, case: Case, again: Decision, manifest: Manifest) -> Iterator[str]:
    for name, data in papers_of(case, again).items():
        if name not in manifest.files:
            yield f"{name} is missing"
        elif read_regular(folder / name, DOCUMENT_BYTES, "a paper", within=folder) != data:
            yield f"{name} says what the evidence does not"


@contextmanager
def unpacked(bundle: Path) -> Iterator[Path]:
    """Yield a bundle's folder; one that is a zip is unpacked for the time being.

    Raises:
        InputError: The zip has names that lead out of it, links, or unpacks to too much.
    """
    if bundle.is_dir() or bundle.suffix != ".zip":
        yield bundle
        return
    with tempfile.TemporaryDirectory(prefix="weighbridge-bundle-") as place:
        folder = Path(place) / "bundle"
        folder.mkdir()
        with open_archive(bundle, "a zip of a bundle") as archive:
            archive.unpack(folder)
        yield folder
