"""What `release feed ACTION` does: the publisher's three actions and the holder's three."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from weighbridge.documents import ABSENT, OrAbsent
from weighbridge.errors import InputError
from weighbridge.revocation import publishing, trusting
from weighbridge.revocation.checking import staleness
from weighbridge.revocation.entries import Feed


@dataclass(frozen=True)
class Asked:
    """What the command line says.

    Attributes:
        where: The feed; "" where none is named.
        keys: Folder of its keys; None where none is named.
        valid_days: How long a publication is good for.
        desk: The desk whose revocations are published.
        root_digest: As the publisher tells it.
        cache: Beside which the trusted feed is kept.
        offline: Whether the network is out of bounds.
        now: The time.
    """

    where: str
    keys: Path | None
    valid_days: int
    desk: Path
    root_digest: str
    cache: Path
    offline: bool
    now: datetime

    @property
    def folder(self) -> Path:
        """The feed's folder."""
        if not self.where:
            raise InputError("no feed named", "its folder", "release feed ACTION FOLDER")
        return Path(self.where)

    @property
    def signing(self) -> Path:
        """The keys' folder."""
        if self.keys is None:
            raise InputError("no --keys", "the folder of the feed's keys", "--keys FOLDER")
        return self.keys


@dataclass(frozen=True)
class Done:
    """What came of it.

    Attributes:
        where: The feed.
        feed: As it stands.
        notes: Why its silence can't be relied on.
        root_digest: What holders begin to trust it by; "" where that is not at hand.
        added: Revocations that were added.
    """

    where: str
    feed: Feed
    notes: tuple[str, ...] = ()
    root_digest: str = ""
    added: OrAbsent[int] = ABSENT


def act(action: str, asked: Asked) -> Done:
    """Do what was asked."""
    return _ACTIONS[action](asked)


def _init(asked: Asked) -> Done:
    done = publishing.init_feed(asked.folder, asked.signing, asked.now, asked.valid_days)
    return Done(asked.where, done.feed, (), done.root_digest, done.added)


def _publish(asked: Asked) -> Done:
    from weighbridge.disclosure.advisory import revocations
    from weighbridge.disclosure.desk import Desk
    from weighbridge.disclosure.publishing import advisory_files

    desk = Desk(asked.desk)
    done = publishing.publish(
        asked.folder, asked.signing, revocations(desk), advisory_files(desk), asked.now,
        asked.valid_days,
    )  # fmt: skip
    return Done(asked.where, done.feed, (), done.root_digest, done.added)


def _verify(asked: Asked) -> Done:
    found = publishing.read_published(asked.folder)
    digest = publishing.root_digest(publishing.first_root(asked.folder))
    if asked.root_digest and asked.root_digest != digest:
        raise InputError(f"the root of {asked.where} has the digest {digest}", asked.root_digest)
    notes = staleness(found, datetime.fromisoformat(found.published), asked.now)
    return Done(asked.where, found, tuple(notes), digest)


def _trust(asked: Asked) -> Done:
    if not asked.root_digest:
        raise InputError(
            "no --root-digest", "the digest of the feed's first root",
            "its publisher tells it by another way, such as the model card",
        )  # fmt: skip
    where = asked.where or str(asked.folder)
    found = trusting.trust(asked.cache, where, asked.root_digest, asked.now, asked.offline)
    return Done(where, found, tuple(staleness(found, asked.now, asked.now)), asked.root_digest)


def _update(asked: Asked) -> Done:
    found = trusting.update(asked.cache, asked.now, asked.offline)
    return _kept(asked, found)


def _show(asked: Asked) -> Done:
    return _kept(asked, None)


def _kept(asked: Asked, feed: Feed | None) -> Done:
    kept = trusting.trusted_feed(asked.cache)
    if kept is None:
        raise trusting.none_trusted()
    found, trust = kept
    notes = staleness(feed or found, datetime.fromisoformat(trust.updated), asked.now)
    return Done(trust.source, found, tuple(notes), trust.root_digest)


_ACTIONS: dict[str, Callable[[Asked], Done]] = {
    "init": _init, "publish": _publish, "verify": _verify,
    "trust": _trust, "update": _update, "show": _show,
}  # fmt: skip
