"""Checks a feed's files from its root of trust down to the list, expired ones too.

TUF's own client refuses what has expired. Revoked weights stay revoked, however old the feed is:
so whoever opens weights checks signatures, versions and digests here, and is told apart from that
until when the feed may be relied on (docs/adr/0026-notice-instead-of-recall.md).
"""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.errors import EvidenceError
from weighbridge.revocation.entries import TARGET, Feed, read_listed

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root

Read = Callable[[str, int], bytes]
"""Returns the metadata of a role: its name, and the version that is looked for (0: the newest)."""


def check_chain(
    root: "Metadata[Root]", read: Read, read_target: Callable[[str, str], bytes], where: Path
) -> Feed:
    """Check every part of a feed.

    Args:
        root: The trusted root.
        read: Reads metadata.
        read_target: Reads a target by its name and SHA-256.
        where: The feed, for messages.

    Raises:
        tuf.api.exceptions.RepositoryError: A part is not signed, or does not belong to the others.
    """
    from tuf.api.metadata import Metadata, Snapshot, Targets, Timestamp

    def part(role: str, version: int) -> tuple[Any, bytes]:
        data = read(role, version)
        found: Any = Metadata.from_bytes(data)
        root.signed.verify_delegate(role, found.signed_bytes, found.signatures)
        if found.signed.type != role:
            raise EvidenceError(f"{where}: {found.signed.type} in the place of {role}")
        return found.signed, data

    timestamp, _ = part(Timestamp.type, 0)
    named = timestamp.snapshot_meta
    snapshot, data = part(Snapshot.type, named.version)
    named.verify_length_and_hashes(data)
    _same_version(snapshot, named.version)
    named = snapshot.meta.get("targets.json")
    if named is None:
        raise EvidenceError(f"{where}: a snapshot that names no targets.json", "a TUF repository")
    targets, data = part(Targets.type, named.version)
    named.verify_length_and_hashes(data)
    _same_version(targets, named.version)
    info = targets.targets.get(TARGET)
    if info is None or any("sha256" not in one.hashes for one in targets.targets.values()):
        raise EvidenceError(f"{where} has no {TARGET} by SHA-256", "a feed of revocations")
    listed = read_target(TARGET, info.hashes["sha256"])
    info.verify_length_and_hashes(listed)
    published, revocations = read_listed(listed, where / TARGET)
    ends = (root.signed.expires, timestamp.expires, snapshot.expires, targets.expires)
    advisories = {
        name: f"sha256:{one.hashes['sha256']}"
        for name, one in sorted(targets.targets.items())
        if name != TARGET
    }
    return Feed(timestamp.version, published, min(map(_utc, ends)), revocations, advisories)


def _same_version(signed: Any, version: int) -> None:
    from tuf.api.exceptions import BadVersionNumberError

    if signed.version != version:
        raise BadVersionNumberError(f"{signed.type} {signed.version}, not {version}")


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
