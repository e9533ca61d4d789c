"""What the feed says: which digests are revoked, by which advisory, and what to use instead."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from weighbridge.errors import EvidenceError, InputError
from weighbridge.records import canonical_json
from weighbridge.sources.documents import parse_json

TARGET = "revocations.json"
FORMAT = 1


@checked(frozen=True, config=ConfigDict(extra="forbid", strict=True))
class Revocation:
    """One revoked digest.

    Attributes:
        digest: Of weights or an adapter as a run names them, of a model's folder, or of a file.
        advisory: Id of the advisory that says why.
        at: When it was revoked, ISO 8601, UTC.
        severity: In a word, as the advisory has it.
        reason: In a sentence.
        superseded_by: Digest of what to use instead; "" where there is none.
    """

    digest: str
    advisory: str
    at: str
    severity: str
    reason: str
    superseded_by: str = ""


@dataclass(frozen=True)
class Feed:
    """A feed whose signatures were checked.

    Attributes:
        version: Of its timestamp; grows with every publication.
        published: When it was published, ISO 8601, UTC.
        expires: Until when it may be relied on: the earliest end of its parts.
        revocations: By digest and advisory.
        advisories: Names of the advisories' files, each with its digest.
    """

    version: int
    published: str
    expires: datetime
    revocations: tuple[Revocation, ...]
    advisories: dict[str, str]

    def is_stale(self, now: datetime) -> bool:
        """Whether it has expired: what was revoked since then is not in it."""
        return now >= self.expires

    def found(self, digests: Iterable[str]) -> Revocation | None:
        """Return the revocation of any of these digests."""
        wanted = set(digests)
        return next((one for one in self.revocations if one.digest in wanted), None)


_LISTED = TypeAdapter(tuple[Revocation, ...])


def listed(revocations: Sequence[Revocation], published: str) -> bytes:
    """Return the file of a feed's revocations."""
    rows = sorted(revocations, key=lambda one: (one.digest, one.advisory))
    return canonical_json({"format": FORMAT, "published": published, "revocations": rows})


def read_listed(data: bytes, path: Path) -> tuple[str, tuple[Revocation, ...]]:
    """Return when a file of revocations was published, and what it lists.

    Raises:
        InputError: It is no such file; EvidenceError where it is of a newer format.
    """
    found: Any = parse_json(path, 1, data.decode("utf-8", "replace"))
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise EvidenceError(
            f"{path} is no list of revocations that this version reads", f"format {FORMAT}",
            "install a newer weighbridge",
        )  # fmt: skip
    try:
        rows = _LISTED.validate_json(canonical_json(found.get("revocations")))
    except ValidationError as error:
        raise InputError(f"{path}: {error.errors()[0]['msg']}", "a list of revocations") from error
    published = str(found.get("published"))
    if time_of(published) is None:
        raise EvidenceError(f"{path} was published at {published!r:.40}", "a time with its offset")
    return published, rows


def time_of(text: str) -> datetime | None:
    """Read a time in ISO 8601 with its offset from UTC; None where the text is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def require_kept(before: Sequence[Revocation], after: Sequence[Revocation]) -> None:
    """Refuse a list that lacks what was revoked before: a feed only grows.

    Raises:
        InputError: It lacks one.
    """
    there = {(one.digest, one.advisory) for one in after}
    gone = [one for one in before if (one.digest, one.advisory) not in there]
    if gone:
        raise InputError(
            f"{len(gone)} published revocations are missing, {gone[0].digest} of "
            f"{gone[0].advisory} among them",
            "all that was published before: a feed only grows",
            "publish from the desk that revoked them",
        )
