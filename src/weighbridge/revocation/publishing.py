"""Publishes a feed: a folder that any web server, or a disk that is carried over, can hold.

    metadata/1.root.json N.targets.json N.snapshot.json timestamp.json
    targets/DIGEST.revocations.json DIGEST.ADVISORY.json

Every file but the timestamp has its version or digest in its name and is never rewritten, and the
timestamp comes last: a kill at any moment leaves the publication before, whole.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.errors import InputError
from weighbridge.revocation.chain import check_chain
from weighbridge.revocation.entries import TARGET, Feed, Revocation, listed, require_kept
from weighbridge.revocation.keys import OFFLINE, ONLINE, make_keys, read_key
from weighbridge.revocation.library import feed_errors, require_tuf
from weighbridge.sources.text_files import read_bytes
from weighbridge.storage import sole_owner, storage_errors, write_whole

if TYPE_CHECKING:
    from tuf.api.metadata import Metadata, Root

VALID_DAYS = 7
"""How long a publication may be relied on without a newer one."""
ROOT_DAYS = 365
_ROTATE_BEFORE_DAYS = 90


@dataclass(frozen=True)
class Published:
    """What was published.

    Attributes:
        feed: As it stands now.
        added: Revocations that are new.
        root_digest: SHA-256 of the first root, by which holders begin to trust the feed.
    """

    feed: Feed
    added: int
    root_digest: str


def init_feed(folder: Path, keys: Path, now: datetime, valid_days: int = VALID_DAYS) -> Published:
    """Make a feed that revokes nothing yet; keys that are not there are made.

    Raises:
        InputError: There is a feed.
    """
    from tuf.api.metadata import Metadata, Root, Snapshot, Targets, Timestamp

    require_tuf()
    if (folder / "metadata" / "timestamp.json").exists():
        raise InputError(f"{folder} is a feed already", "a new folder", "`release feed publish`")
    make_keys(keys)
    offline, online = read_key(keys, OFFLINE), read_key(keys, ONLINE)
    with storage_errors(folder):
        (folder / "targets").mkdir(parents=True, exist_ok=True)
    root = Root(expires=_end(now, ROOT_DAYS), consistent_snapshot=True)
    for role in (Root.type, Targets.type):
        root.add_key(offline.public_key, role)
    for role in (Snapshot.type, Timestamp.type):
        root.add_key(online.public_key, role)
    signed = Metadata(root)
    signed.sign(offline)
    with sole_owner(folder):
        with storage_errors(folder):
            (folder / "metadata").mkdir(exist_ok=True)
        _write(folder, "1.root.json", signed.to_bytes())
        return _publish(folder, keys, (), {}, now, valid_days, None)


def publish(
    folder: Path,
    keys: Path,
    revocations: Sequence[Revocation],
    advisories: Mapping[str, bytes],
    now: datetime,
    valid_days: int = VALID_DAYS,
) -> Published:
    """Publish what is revoked, or say anew that nothing more is: for that the online key suffices.

    Args:
        folder: The feed.
        keys: Folder of its keys.
        revocations: All of them, those published before among them.
        advisories: Their files' bytes, by name.
        now: The time.
        valid_days: How long it may be relied on.

    Raises:
        InputError: A published revocation is missing, or the clock was set back.
        EvidenceError: What is published is not as it was signed.
    """
    require_tuf()
    first_root(folder)  # a name that is mistyped makes no folder
    with sole_owner(folder):
        if not (folder / "metadata" / "timestamp.json").is_file():
            return _publish(folder, keys, revocations, advisories, now, valid_days, None)
        before = read_published(folder)
        _require_forward(before, now)
        require_kept(before.revocations, revocations)
        return _publish(folder, keys, revocations, advisories, now, valid_days, before)


def read_published(folder: Path) -> Feed:
    """Check and read a published feed, from its newest root down; expired ones, too.

    Raises:
        InputError: There is none.
        EvidenceError: It is not as it was signed.
    """
    require_tuf()
    with feed_errors(str(folder)):
        root = newest_root(folder)

        def read(role: str, version: int) -> bytes:
            name = f"{version}.{role}.json" if version else f"{role}.json"
            return read_bytes(folder / "metadata" / name, "a feed's metadata", within=folder)

        def target(name: str, digest: str) -> bytes:
            return read_bytes(folder / "targets" / f"{digest}.{name}", "a target", within=folder)

        return check_chain(root, read, target, folder)


def newest_root(folder: Path, first: bytes | None = None) -> "Metadata[Root]":
    """Return the last root of an unbroken chain, each signed by the one before.

    Args:
        folder: The feed.
        first: The root to begin with; None begins with the feed's own first.
    """
    from tuf.api.metadata import Metadata, Root

    root: Metadata[Any] = Metadata.from_bytes(first if first is not None else first_root(folder))
    root.verify_delegate(Root.type, root)
    while True:
        path = folder / "metadata" / f"{root.signed.version + 1}.root.json"
        if not path.is_file():
            return root
        after: Metadata[Any] = Metadata.from_bytes(read_bytes(path, "a root", within=folder))
        root.signed.verify_delegate(Root.type, after.signed_bytes, after.signatures)
        after.signed.verify_delegate(Root.type, after.signed_bytes, after.signatures)
        if after.signed.version != root.signed.version + 1:
            raise InputError(f"{path} has version {after.signed.version}", "the name's")
        root = after


def first_root(folder: Path) -> bytes:
    """Return the bytes of a feed's first root.

    Raises:
        InputError: There is none.
    """
    path = folder / "metadata" / "1.root.json"
    if not path.is_file():
        raise InputError(
            f"{folder} is no revocation feed", "a folder with metadata/1.root.json",
            "`weighbridge release feed init FEED --keys FOLDER` makes one",
        )  # fmt: skip
    return read_bytes(path, "a feed's root", within=folder)


def root_digest(data: bytes) -> str:
    """Return the digest by which a root is told to holders."""
    import hashlib

    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _publish(
    folder: Path,
    keys: Path,
    revocations: Sequence[Revocation],
    advisories: Mapping[str, bytes],
    now: datetime,
    valid_days: int,
    before: Feed | None,
) -> Published:
    """Write targets, snapshot and timestamp, in this order; the last makes them public."""
    from tuf.api.metadata import Metadata, Snapshot, Timestamp

    online = read_key(keys, ONLINE)
    with feed_errors(str(folder)):
        version, targets = _targets(folder, keys, revocations, advisories, now, before)
        # The snapshot's version grows with each publication, as the timestamp's does.
        number = (before.version if before else 0) + 1
        snapshot = Metadata(Snapshot(number, expires=_end(now, valid_days)))
        snapshot.signed.meta["targets.json"] = _meta(version, targets)
        snapshot.sign(online)
        data = snapshot.to_bytes()
        _write(folder, f"{number}.{Snapshot.type}.json", data)
        timestamp = Metadata(Timestamp(number, expires=_end(now, valid_days)))
        timestamp.signed.snapshot_meta = _meta(number, data)
        timestamp.sign(online)
        root = newest_root(folder).signed
        for role, one in ((Snapshot.type, snapshot), (Timestamp.type, timestamp)):
            root.verify_delegate(role, one.signed_bytes, one.signatures)
        _write(folder, f"{Timestamp.type}.json", timestamp.to_bytes())
    added = len(revocations) - (len(before.revocations) if before else 0)
    return Published(read_published(folder), added, root_digest(first_root(folder)))


def _targets(
    folder: Path,
    keys: Path,
    revocations: Sequence[Revocation],
    advisories: Mapping[str, bytes],
    now: datetime,
    before: Feed | None,
) -> tuple[int, bytes]:
    """Return version and bytes of the targets' metadata: those published, if nothing is new."""
    from tuf.api.metadata import Metadata, TargetFile, Targets

    known = {name: digest.removeprefix("sha256:") for name, digest in
             (before.advisories if before else {}).items()}  # fmt: skip
    files = dict(advisories)
    if before is not None and _nothing_new(before, revocations, files):
        version = _targets_version(folder)
        path = folder / "metadata" / f"{version}.targets.json"
        return version, read_bytes(path, "a feed's metadata", within=folder)
    offline = read_key(keys, OFFLINE)
    files[TARGET] = listed(revocations, now.astimezone(UTC).isoformat(timespec="seconds"))
    version = _targets_version(folder) + 1 if before is not None else 1
    targets = Metadata(Targets(version, expires=_end(now, ROOT_DAYS)))
    for name, digest in known.items():  # what was published stays, although its desk is elsewhere
        if name not in files:
            old = folder / "targets" / f"{digest}.{name}"
            files[name] = read_bytes(old, "an advisory", within=folder)
    for name, data in sorted(files.items()):
        info = TargetFile.from_data(name, data, ["sha256"])
        write_whole(folder / "targets" / f"{info.hashes['sha256']}.{name}", data)
        targets.signed.targets[name] = info
    targets.sign(offline)
    # A key that is not the feed's is found before anything is public.
    root = newest_root(folder).signed
    root.verify_delegate(Targets.type, targets.signed_bytes, targets.signatures)
    data = targets.to_bytes()
    _write(folder, f"{version}.targets.json", data)
    _renew_root(folder, offline, now)
    return version, data


def _nothing_new(
    before: Feed, revocations: Sequence[Revocation], advisories: Mapping[str, bytes]
) -> bool:
    same = {name: root_digest(data) for name, data in advisories.items()}
    return set(before.revocations) == set(revocations) and same.items() <= before.advisories.items()


def _targets_version(folder: Path) -> int:
    """Return the version of the targets that the published snapshot names."""
    from tuf.api.metadata import Metadata

    newest: Any = Metadata.from_bytes(
        read_bytes(folder / "metadata" / "timestamp.json", "a feed's metadata", within=folder)
    )
    number = newest.signed.snapshot_meta.version
    snapshot: Any = Metadata.from_bytes(
        read_bytes(folder / "metadata" / f"{number}.snapshot.json", "metadata", within=folder)
    )
    return int(snapshot.signed.meta["targets.json"].version)


def _renew_root(folder: Path, offline: Any, now: datetime) -> None:
    """Sign the root for another year, while the one before still counts."""
    root = newest_root(folder)
    if root.signed.expires - now > timedelta(days=_ROTATE_BEFORE_DAYS):
        return
    root.signed.version += 1
    root.signed.expires = _end(now, ROOT_DAYS)
    root.sign(offline)
    _write(folder, f"{root.signed.version}.root.json", root.to_bytes())


def _require_forward(before: Feed, now: datetime) -> None:
    if now < datetime.fromisoformat(before.published):
        raise InputError(
            f"the clock says {now.isoformat(timespec='seconds')}, and the feed's list is of "
            f"{before.published}",
            "a clock that was not set back",
            "set this machine's clock right",
        )


def _meta(version: int, data: bytes) -> Any:
    from tuf.api.metadata import MetaFile

    return MetaFile.from_data(version, data, ["sha256"])


def _end(now: datetime, days: int) -> datetime:
    return (now.astimezone(UTC) + timedelta(days=days)).replace(microsecond=0)


def _write(folder: Path, name: str, data: bytes) -> None:
    write_whole(folder / "metadata" / name, data)
