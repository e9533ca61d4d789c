"""Asks the trusted feed before weights are used: revoked ones are refused, a stale feed is told."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from weighbridge.errors import RevokedWeights
from weighbridge.revocation.entries import Feed
from weighbridge.revocation.trusting import trusted_feed


@dataclass(frozen=True)
class Watch:
    """The trusted feed, as weights are checked against it.

    Attributes:
        feed: The feed.
        notes: What a reader must know of it: that it is stale.
    """

    feed: Feed
    notes: tuple[str, ...]

    def refuse(self, name: str, digests: Iterable[str | None]) -> None:
        """Refuse weights that the feed revokes.

        Args:
            name: What a person calls them.
            digests: All by which they may be named.

        Raises:
            RevokedWeights: One of them is revoked.
        """
        found = self.feed.found(one for one in digests if one)
        if found is None:
            return
        instead = f"use {found.superseded_by}" if found.superseded_by else "use other weights"
        raise RevokedWeights(
            f"{name} was revoked on {found.at[:10]} by {found.advisory} ({found.severity}: "
            f"{found.reason})",
            "weights that the trusted feed does not revoke",
            f"{instead}; `weighbridge release feed show` lists what is revoked",
        )


def watch(cache: Path, now: datetime | None = None) -> Watch | None:
    """Return the trusted feed to check weights against; None where none is trusted.

    The network is not reached: what was fetched last holds until it expires.

    Raises:
        EvidenceError: What is kept of it was altered.
    """
    found = trusted_feed(cache)
    if found is None:
        return None
    feed, trust = found
    now = now or datetime.now(UTC)
    return Watch(feed, tuple(staleness(feed, datetime.fromisoformat(trust.updated), now)))


def staleness(feed: Feed, updated: datetime, now: datetime) -> list[str]:
    """Return a sentence for each reason not to rely on a feed's silence."""
    again = "`weighbridge release feed update` fetches a newer one"
    if feed.is_stale(now):
        return [
            f"The trusted revocation feed expired on {feed.expires:%Y-%m-%d %H:%M} UTC: what was "
            f"revoked since then is not known here; {again}."
        ]
    if now < updated:
        return [
            f"The clock stands before {updated:%Y-%m-%d %H:%M} UTC, when the trusted revocation "
            "feed was updated, so whether it is still fresh can't be told; set the clock right."
        ]
    return []
