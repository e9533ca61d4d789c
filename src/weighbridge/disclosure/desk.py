"""The desk: a folder in which each step of each report is sealed, one small file a step.

    events/00001.json   received, acknowledged, triaged, fixed, advised, revoked; never rewritten
    sealed/DIGEST.json  what was reported, for its owner alone

Each event holds the digest of the one before it, so that none can be altered, left out or put in.
A file is written whole or not at all: a kill at any moment leaves the desk as it was before the
step, or as it is after it. What was reported lies apart and may be deleted; its digest remains.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from weighbridge.errors import EvidenceError, InputError
from weighbridge.records import Json, canonical_digest, canonical_json
from weighbridge.sources.documents import read_json
from weighbridge.sources.regular_files import SETTINGS_BYTES
from weighbridge.storage import sole_owner, storage_errors, sweep, write_whole

EventKind = Literal["received", "acknowledged", "triaged", "fixed", "advised", "revoked"]
_VERSION = 1
_KEYS = frozenset({"schema_version", "number", "at", "kind", "report", "body", "previous"})
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


@dataclass(frozen=True)
class Event:
    """One step.

    Attributes:
        number: 1-based.
        at: When, UTC, to the second.
        kind: What was done.
        report: On which report; "" where it is on none.
        body: What is known of it; nothing that may not be shown.
        previous: Digest of the event before; "" for the first.
    """

    number: int
    at: datetime
    kind: EventKind
    report: str
    body: Mapping[str, Json]
    previous: str

    @property
    def plain(self) -> dict[str, Json]:
        """As it is written."""
        return {
            "schema_version": _VERSION,
            "number": self.number,
            "at": time_text(self.at),
            "kind": self.kind,
            "report": self.report,
            "body": dict(self.body),
            "previous": self.previous,
        }

    @property
    def digest(self) -> str:
        """SHA-256 over all of it, by which the next one names it."""
        return canonical_digest(self.plain)


def time_text(at: datetime) -> str:
    """Return a time as it is written: UTC, to the second."""
    return at.astimezone(UTC).replace(microsecond=0).strftime("%Y-%m-%dT%H:%M:%SZ")


class Desk:
    """The folder of one desk; `record` is the only way in.

    Args:
        root: The folder; is made at the first event.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def events(self) -> tuple[Event, ...]:
        """Read all events, in order.

        Raises:
            EvidenceError: One was altered, or is missing.
        """
        folder = self.root / "events"
        names = sorted(path.name for path in folder.glob("[0-9]*.json")) if folder.is_dir() else []
        found: list[Event] = []
        for number, name in enumerate(names, start=1):
            event = _read(folder / name)
            before = found[-1] if found else None
            fault = _fault(event, number, name, before)
            if fault:
                raise EvidenceError(
                    f"{folder / name}: {fault}", "events as they were sealed, one after the other",
                    "restore the desk's folder from a copy",
                )  # fmt: skip
            found.append(event)
        return tuple(found)

    def record(
        self, kind: EventKind, report: str, body: Mapping[str, Json], now: datetime
    ) -> Event:
        """Seal one more event.

        Raises:
            InputError: The clock stands before the last event's time.
            StorageError: The folder can't be written, or another process works in it.
        """
        with sole_owner(self.root):
            before = self.events()
            require_forward(before, now)
            return self._write(before, kind, report, body, now)

    def receive(
        self, content: Mapping[str, Json], digest: str, body: Mapping[str, Json], now: datetime
    ) -> tuple[Event, bool]:
        """Take a report in; one that is here already is not taken twice.

        Args:
            content: All that was reported, which is kept for its owner alone.
            digest: Of the content.
            body: What of it may be shown.
            now: The time.

        Returns:
            Its event, and whether it is new.
        """
        with sole_owner(self.root):
            before = self.events()
            received = [one for one in before if one.kind == "received"]
            for one in received:
                if one.body.get("submission_digest") == digest:
                    self._keep(digest, content)  # somebody may have deleted it
                    return one, False
            require_forward(before, now)
            self._keep(digest, content)  # a kill after this leaves a file that nothing names
            name = f"R-{len(received) + 1:04}"
            stated = {**body, "submission_digest": digest}
            return self._write(before, "received", name, stated, now), True

    def content_of(self, digest: str) -> dict[str, Json] | None:
        """Return what was reported; None where its owner deleted it.

        Raises:
            EvidenceError: It is not what was sealed.
        """
        path = self._content(digest)
        if not path.is_file():
            return None
        found = read_json(path, "a sealed report", limit=SETTINGS_BYTES)
        if not isinstance(found, dict) or canonical_digest(found) != digest:
            raise EvidenceError(f"{path} is not what was reported", f"digest {digest}")
        return found

    def _content(self, digest: str) -> Path:
        return self.root / "sealed" / f"{digest.removeprefix('sha256:')}.json"

    def _keep(self, digest: str, content: Mapping[str, Json]) -> None:
        path = self._content(digest)
        with storage_errors(path):
            path.parent.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
        sweep(path.parent)
        write_whole(path, canonical_json(dict(content)), _PRIVATE_FILE)

    def _write(
        self,
        before: tuple[Event, ...],
        kind: EventKind,
        report: str,
        body: Mapping[str, Json],
        now: datetime,
    ) -> Event:
        at = now.astimezone(UTC).replace(microsecond=0)
        previous = before[-1].digest if before else ""
        event = Event(len(before) + 1, at, kind, report, body, previous)
        path = self.root / "events" / f"{event.number:05}.json"
        with storage_errors(path):
            path.parent.mkdir(exist_ok=True)
        sweep(path.parent)
        write_whole(path, canonical_json(event.plain))
        return event


def require_forward(events: tuple[Event, ...], now: datetime) -> None:
    """Refuse a clock that stands before the last sealed event: the report's clocks rest on it.

    Raises:
        InputError: It does.
    """
    if events and now.astimezone(UTC).replace(microsecond=0) < events[-1].at:
        raise InputError(
            f"the clock says {time_text(now)}, and the desk's last event was sealed at "
            f"{time_text(events[-1].at)}",
            "a clock that was not set back",
            "set this machine's clock right, then run the command again",
        )


def _read(path: Path) -> Event:
    found = read_json(path, "an event of the desk", limit=SETTINGS_BYTES)
    whole = isinstance(found, dict) and found.keys() == _KEYS
    if not whole or found["schema_version"] != _VERSION:
        raise EvidenceError(f"{path} is no event that this version reads", f"version {_VERSION}")
    try:
        at = datetime.strptime(found["at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (TypeError, ValueError):
        at = None
    plain = isinstance(found["body"], dict) and isinstance(found["report"], str)
    if at is None or not plain or found["kind"] not in get_args(EventKind):
        raise EvidenceError(f"{path} is no event of a desk", "an event as it was sealed")
    return Event(
        found["number"], at, found["kind"], found["report"], found["body"], found["previous"]
    )


def _fault(event: Event, number: int, name: str, before: Event | None) -> str:
    if event.number != number or name != f"{number:05}.json":
        return f"event {number} is missing"
    if event.previous != (before.digest if before else ""):
        return f"the event before it is not the one that it was sealed after (event {number - 1})"
    if before is not None and event.at < before.at:
        return "it is earlier than the event before it"
    return ""
