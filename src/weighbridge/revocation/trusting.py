"""The feed that this machine trusts: what is kept of it, and how it is brought up to date.

    <cache>/revocation-feed/trust.json     where the feed is, and when it was last updated
    <cache>/revocation-feed/N/             metadata and list, as TUF's client keeps them

Trust begins with the digest of the feed's first root, which its publisher tells by another way. An
update is made in a copy that takes the old one's place once it is whole, so that a kill, or a feed
that is refused, leaves what was trusted before.
"""

import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from weighbridge.errors import EvidenceError, InputError, MissingPiece
from weighbridge.records import canonical_json
from weighbridge.revocation.chain import check_chain
from weighbridge.revocation.entries import TARGET, Feed, time_of
from weighbridge.revocation.library import feed_errors, require_tuf
from weighbridge.revocation.publishing import first_root, root_digest
from weighbridge.sources.documents import read_json
from weighbridge.sources.regular_files import SETTINGS_BYTES
from weighbridge.sources.text_files import read_bytes
from weighbridge.storage import sole_owner, storage_errors, whole_folder, write_whole

if TYPE_CHECKING:
    from tuf.ngclient.fetcher import FetcherInterface

_FOLDER, _TRUST = "revocation-feed", "trust.json"


@dataclass(frozen=True)
class Trust:
    """What is known of the trusted feed.

    Attributes:
        source: Its folder, or its address (https).
        root_digest: SHA-256 of the root that trust began with.
        state: The folder of what is kept.
        updated: When it was last brought up to date, ISO 8601, UTC.
    """

    source: str
    root_digest: str
    state: int
    updated: str


def trust_file(cache: Path) -> Path:
    """Return where it is written which feed is trusted."""
    return cache / _FOLDER / _TRUST


def read_trust(cache: Path) -> Trust | None:
    """Return which feed is trusted; None where none is.

    Raises:
        EvidenceError: What says so can't be read: trust that is broken is not the same as none.
    """
    path = trust_file(cache)
    if not path.exists():
        return None
    try:
        found = Trust(**read_json(path, "the trusted feed", limit=SETTINGS_BYTES))
        whole = type(found.state) is int and time_of(found.updated) is not None
    except (InputError, TypeError):
        whole = False
    if not whole:
        raise EvidenceError(
            f"{path} is not as it was written", "which revocation feed is trusted",
            "trust it again: weighbridge release feed trust FEED --root-digest DIGEST",
        )  # fmt: skip
    return found


def trust(cache: Path, source: str, digest: str, now: datetime, offline: bool) -> Feed:
    """Begin to trust a feed.

    Args:
        cache: The folder of converted weights, beside which it is kept.
        source: Its folder, or its address.
        digest: SHA-256 of its first root, as its publisher told it.
        now: The time.
        offline: Whether the network is out of bounds.

    Raises:
        InputError: Its root is another one.
        EvidenceError: It is refused.
    """
    require_tuf()
    source = source if _is_address(source) else str(Path(source).resolve())
    with feed_errors(source):
        root = _fetched_root(source, offline)
    if root_digest(root) != digest:
        raise InputError(
            f"the root of {source} has the digest {root_digest(root)}", digest,
            "ask the feed's publisher for the digest, by another way than this feed",
        )  # fmt: skip
    with sole_owner(cache / _FOLDER):
        before = None
        with suppress(EvidenceError):  # what is broken is mended by trusting anew
            before = read_trust(cache)
        same = before is not None and before.root_digest == digest
        return _updated(cache, source, digest, root, before if same else None, now, offline)


def update(cache: Path, now: datetime, offline: bool) -> Feed:
    """Bring the trusted feed up to date.

    Raises:
        InputError: None is trusted.
        EvidenceError: What is published is refused; what was trusted before still is.
        MissingPiece: It can't be reached.
    """
    require_tuf()
    with sole_owner(cache / _FOLDER):
        before = read_trust(cache)
        if before is None:
            raise none_trusted()
        return _updated(cache, before.source, before.root_digest, None, before, now, offline)


def trusted_feed(cache: Path) -> tuple[Feed, Trust] | None:
    """Read and check what is kept of the trusted feed; None where none is trusted.

    Raises:
        EvidenceError: It was altered.
        MissingPiece: The packages that check it are not here.
    """
    found = read_trust(cache)
    if found is None:
        return None
    require_tuf()
    folder = cache / _FOLDER / str(found.state)
    with feed_errors(f"kept in {folder}"):
        return _kept(folder), found


def none_trusted() -> InputError:
    """Return the error where no feed is trusted."""
    return InputError(
        "no revocation feed is trusted here", "one",
        "weighbridge release feed trust FEED --root-digest DIGEST",
    )  # fmt: skip


def _updated(
    cache: Path,
    source: str,
    digest: str,
    root: bytes | None,
    before: Trust | None,
    now: datetime,
    offline: bool,
) -> Feed:
    """Update in a copy, and let it take the old one's place."""
    number = (before.state if before else 0) + 1
    folder = cache / _FOLDER / str(number)
    if before is None and folder.exists():  # of another feed, or of a kill
        shutil.rmtree(folder)
    with whole_folder(folder) as copy:
        if before is not None:
            shutil.copytree(cache / _FOLDER / str(before.state), copy, dirs_exist_ok=True,
                            symlinks=True)  # fmt: skip
        _refresh(copy, source, root, offline)
        with feed_errors(source):
            feed = _kept(copy)
    at = now.astimezone(UTC).isoformat(timespec="seconds")
    found = Trust(source, digest, number, at)
    write_whole(trust_file(cache), canonical_json(asdict(found)))
    if before is not None:
        shutil.rmtree(cache / _FOLDER / str(before.state), ignore_errors=True)
    return feed


def _refresh(folder: Path, source: str, root: bytes | None, offline: bool) -> None:
    """Run TUF's own client: root, timestamp, snapshot, targets, and the list itself."""
    from tuf.ngclient import Updater

    metadata, targets = folder / "metadata", folder / "targets"
    with storage_errors(folder):
        metadata.mkdir(exist_ok=True)
        targets.mkdir(exist_ok=True)
    base = source.rstrip("/") if _is_address(source) else "feed:"
    with feed_errors(source):
        updater = Updater(
            str(metadata), f"{base}/metadata/", str(targets), f"{base}/targets/",
            _fetcher(source, offline), bootstrap=root,
        )  # fmt: skip
        updater.refresh()
        info = updater.get_targetinfo(TARGET)
        if info is None:
            raise EvidenceError(f"{source} has no {TARGET}", "a feed of revocations")
        updater.download_target(info)


def _kept(folder: Path) -> Feed:
    from tuf.api.metadata import Metadata, Root

    def read(role: str, version: int) -> bytes:
        return read_bytes(folder / "metadata" / f"{role}.json", "a feed's metadata", within=folder)

    def target(name: str, digest: str) -> bytes:
        return read_bytes(folder / "targets" / name, "a target", within=folder)

    root: Metadata[Root] = Metadata[Root].from_bytes(read(Root.type, 0))
    return check_chain(root, read, target, folder)


def _is_address(source: str) -> bool:
    return urlsplit(source).scheme in ("http", "https")


def _fetched_root(source: str, offline: bool) -> bytes:
    if not _is_address(source):
        return first_root(Path(source))
    address = f"{source.rstrip('/')}/metadata/1.root.json"
    root: bytes = _fetcher(source, offline).download_bytes(address, SETTINGS_BYTES)
    return root


def _fetcher(source: str, offline: bool) -> "FetcherInterface":
    from tuf.ngclient.urllib3_fetcher import Urllib3Fetcher

    if not _is_address(source):
        return _from_folder(Path(source))
    if urlsplit(source).scheme != "https" and urlsplit(source).hostname != "localhost":
        raise InputError(f"{source}", "an address with https, or a folder")
    if offline:
        raise MissingPiece(
            f"{source} can't be reached with --offline", "a folder, or the network",
            "what is trusted here still holds, until it expires",
        )  # fmt: skip
    return Urllib3Fetcher()


def _from_folder(folder: Path) -> "FetcherInterface":
    """Return a fetcher that reads a feed out of a folder, such as a disk that was carried over."""
    from tuf.api.exceptions import DownloadHTTPError
    from tuf.ngclient.fetcher import FetcherInterface

    class FromFolder(FetcherInterface):  # type: ignore[misc]  # the package is not looked into
        def _fetch(self, url: str) -> Iterator[bytes]:
            path = folder / urlsplit(url).path.lstrip("/")
            if not path.is_file():
                raise DownloadHTTPError(f"no file {path}", 404)
            yield read_bytes(path, "a feed's file", within=folder)

    return FromFolder()
