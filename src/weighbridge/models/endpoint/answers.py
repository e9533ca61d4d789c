"""Answers on disk, found by their whole request, so that none is asked or paid for twice.

Each endpoint has one append-only file. A request is noted before it is sent, and its answer is
written durably before it is used, so that a process killed at any moment loses only requests in
flight and still knows what those may have cost. Answers may quote a benchmark's questions, so each
is encrypted with a keystream (SHAKE-256) seeded by its request: only who has the request reads it.
"""

import base64
import errno
import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weighbridge.models.endpoint.replies import ServerAnswer
from weighbridge.records import Json, canonical_json
from weighbridge.sources.regular_files import bounded_lines, open_regular
from weighbridge.storage import storage_errors

_ANSWER = TypeAdapter(ServerAnswer)
KEPT = "2"  # of keeping replies; raise it when one that was kept as an answer may have been none


class Request:
    """A request's identity: its name in the file, and the key that its answer is encrypted with."""

    def __init__(self, fields: dict[str, Json]) -> None:
        whole = canonical_json(fields | {"kept": KEPT})
        self.name = hashlib.sha256(whole).hexdigest()
        self._seed = hashlib.sha256(b"answer to " + whole).digest()

    def keep(self, answer: ServerAnswer) -> str:
        """Return an answer in its encrypted form."""
        return base64.b64encode(self._mask(canonical_json(asdict(answer)))).decode("ascii")

    def read(self, kept: str) -> ServerAnswer | None:
        """Decrypt a kept answer; None if it is damaged."""
        try:
            return _ANSWER.validate_json(self._mask(base64.b64decode(kept, validate=True)))
        except (ValueError, ValidationError):
            return None

    def _mask(self, data: bytes) -> bytes:
        stream = hashlib.shake_256(self._seed).digest(len(data))
        return bytes(a ^ b for a, b in zip(data, stream, strict=True))


class Answers:
    """The file of one endpoint, open for appending.

    Attributes:
        path: The file; made when the first request is sent.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._at: dict[str, int] = {}  # where an answer's line begins
        self._open: dict[str, list[float]] = {}  # sent, and not known how it ended: its worst cost
        self._handle: int | None = None
        if path.exists():
            with open_regular(path, "answers that were kept") as file:
                begin = 0
                for line in bounded_lines(file, path):
                    self._note(line, begin)
                    begin += len(line)

    def find(self, request: Request) -> ServerAnswer | None:
        """Return the answer to a request that was asked before."""
        if request.name not in self._at:
            return None
        with open_regular(self.path) as file:
            file.seek(self._at[request.name])
            row = json.loads(next(bounded_lines(file, self.path)))
        return request.read(row["kept"])

    def lost_usd(self, request: Request) -> float:
        """Return the most that a request may have cost whose answer never came."""
        return sum(self._open.get(request.name, ()))

    def sent(self, request: Request, usd_at_most: float) -> None:
        """Note a request about to be sent; survives a killed process, but not a power cut."""
        self._append({"sent": request.name, "usd_at_most": usd_at_most}, durable=False)

    def not_charged(self, request: Request) -> None:
        """Note that a request certainly cost nothing."""
        self._append({"not_charged": request.name}, durable=False)

    def answered(self, request: Request, answer: ServerAnswer) -> None:
        """Keep an answer; it is on disk when this returns."""
        self._append({"answered": request.name, "kept": request.keep(answer)}, durable=True)

    def close(self) -> None:
        """Close the file."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _append(self, row: dict[str, Json], *, durable: bool) -> None:
        line = json.dumps(row).encode("ascii") + b"\n"
        with storage_errors(self.path):
            if self._handle is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
                size = os.fstat(self._handle).st_size
                if size and os.pread(self._handle, 1, size - 1) != b"\n":
                    os.write(self._handle, b"\n")  # what a crash cut is no line, and stays alone
            if os.write(self._handle, line) != len(line):
                raise OSError(errno.ENOSPC, "no room for an answer", str(self.path))
            end = os.lseek(self._handle, 0, os.SEEK_CUR)
            if durable:
                os.fsync(self._handle)
        self._note(line, end - len(line))

    def _note(self, line: bytes, begin: int) -> None:
        """Read one line; a line that a crash cut is ignored."""
        try:
            row = json.loads(line)
            if "sent" in row:
                self._open.setdefault(row["sent"], []).append(float(row["usd_at_most"]))
            elif "answered" in row and isinstance(row["kept"], str):
                self._at[row["answered"]] = begin
                self._end(row["answered"])
            elif "not_charged" in row:
                self._end(row["not_charged"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            return

    def _end(self, name: str) -> None:
        open_ = self._open.get(name)
        if open_:
            open_.pop()
            if not open_:
                del self._open[name]
