"""All runs under one folder, of every kind: found by identity, resumed, sealed, listed."""

import fcntl
import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic

from weighbridge.errors import EvidenceError, InputError, StorageError, UnknownName
from weighbridge.evidence.checked import read_sealed, remember
from weighbridge.evidence.document import (
    Sealed,
    load_as,
    of_kind,
    read_object,
    run_identity,
    stated_envelope,
    with_samples,
)
from weighbridge.evidence.journal import Journal
from weighbridge.evidence.listing import run_names, summaries
from weighbridge.evidence.payload import (
    FIRST_VERSION,
    Content,
    Facts,
    Header,
    Payload,
    Result,
    RunSummary,
    Sample,
    payload_of,
)
from weighbridge.evidence.seal import file_digest, seal_of, tally
from weighbridge.records import Json, canonical_json
from weighbridge.storage import storage_errors, write_whole

PROGRESS_SECONDS = 1.0
"""Seconds between writes of the counters. A kill may lose these counts, but no samples."""


def run_id_for(title: str, subject: str, identity: str) -> str:
    """Return a name that a person can read, such as `mmlu-astronomy--smollm2--1a2b3c4d5e`."""
    both = (title, subject)
    plain = [re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:40] for text in both]
    return "--".join([*plain, identity.removeprefix("sha256:")[:10]])


class OpenRun(Generic[Sample, Content]):
    """A run in progress; see `EvidenceStore.open`.

    A run is finished in the version that it was begun in, whatever the newest is by then.

    Attributes:
        run_id: Name of the run's folder.
        journal: The run's samples.
        finished: The sealed run without its samples, where there is nothing left to do; else None.
        wall_seconds: Time spent on the run; this and the next three include earlier attempts.
        computed_tokens: Number of tokens computed.
        judge_tokens: Number of tokens that the judge read and wrote.
        judge_seconds: Part of `wall_seconds` that the judge took.
    """

    def __init__(
        self,
        folder: Path,
        fields: dict[str, Json],
        header: Header[Sample, Content],
        finished: Content | None,
    ) -> None:
        self.folder, self.run_id, self.finished = folder, folder.name, finished
        self._fields, self._header, self._payload = fields, header, header.payload
        state = read_object(folder / "progress.json") if finished is None else {}
        if state:
            version = payload_of(state, FIRST_VERSION).version
            self._payload = header.payload.at(version)
        where = folder / "samples.jsonl" if finished is None else Path(os.devnull) / "none"
        self.journal = Journal(where, self._payload)
        if state.get("identity_fields", fields) != fields:
            raise EvidenceError(
                f"{folder}/progress.json is of another run",
                "the folder's own",
                "move the folder away and run again",
            )
        self.wall_seconds = float(state.get("wall_seconds", 0.0))
        self.computed_tokens = int(state.get("computed_tokens", 0))
        self.judge_tokens = int(state.get("judge_tokens", 0))
        self.judge_seconds = float(state.get("judge_seconds", 0.0))
        self._written = 0.0
        if finished is None:
            self._write_progress()

    @property
    def planned_samples(self) -> int:
        """Number of answers in a complete run."""
        return self._header.planned_samples

    def record(
        self, seconds: float, tokens: int, judge_tokens: int = 0, judge_seconds: float = 0.0
    ) -> None:
        """Add the time and tokens of a unit that is now in the journal."""
        self.wall_seconds += seconds
        self.computed_tokens += tokens
        self.judge_tokens += judge_tokens
        self.judge_seconds += judge_seconds
        # Small units come by the hundred a second, and each writing waits for the disk.
        if time.monotonic() - self._written >= PROGRESS_SECONDS:
            self._write_progress()

    def leave(self) -> None:
        """Save the progress of an unfinished run."""
        if (self.folder / "progress.json").is_file():
            with suppress(StorageError):  # the error that stopped the run is the one to report
                self._write_progress()

    def seal(self, result: Result) -> Content:
        """Write the run's document and seal, make its files read-only, and return its content.

        Args:
            result: What the payload's document states beside the header.

        Returns:
            The run without its samples, as it is read back from the disk.

        Raises:
            EvidenceError: The journal does not hold the planned number of samples.
            StorageError: The files can't be written.
        """
        if self.journal.path.exists():
            with storage_errors(self.folder):
                os.chmod(self.journal.path, 0o444)
        count = self._payload.count()
        read = tally(self.journal.samples(), self._payload, count)
        planned = result.planned_samples
        planned = self._header.planned_samples if planned is None else planned
        if read.samples != planned:
            raise EvidenceError(f"{self.run_id} has {read.samples} samples", f"{planned}")
        facts = Facts(self.run_id, run_identity(self._fields), read.digest)
        own = self._payload.document(self._header, result, facts, count)
        self._write_documents(own, read.digest, planned)
        (self.folder / "progress.json").unlink(missing_ok=True)
        # Read back, so that what is reported now and what is verified later are the same thing.
        sealed = load_as(self.folder, self._payload)
        remember(sealed)
        return sealed.content

    def _write_documents(self, own: dict[str, Json], digest: str, planned: int) -> None:
        """Write `run.json` and the seal over it and the samples."""
        document = own | self._payload.stated | stated_envelope()
        document |= {
            "schema_version": self._payload.version,
            "identity_fields": self._fields,
            "planned_samples": planned,
        }
        data = canonical_json(document)
        write_whole(self.folder / "run.json", data, mode=0o444)
        seal = seal_of(data, digest, file_digest(self.folder / "samples.jsonl"))
        write_whole(self.folder / "seal.json", canonical_json(seal), mode=0o444)

    def _write_progress(self) -> None:
        state = asdict(self._header) | self._payload.stated  # type: ignore[call-overload]
        if self._payload.version != FIRST_VERSION:
            state["schema_version"] = self._payload.version
        state |= {
            "identity_fields": self._fields,
            "done": self.journal.finished_samples,
            "wall_seconds": self.wall_seconds,
            "computed_tokens": self.computed_tokens,
            "judge_tokens": self.judge_tokens,
            "judge_seconds": self.judge_seconds,
        }
        write_whole(self.folder / "progress.json", canonical_json(state))
        self._written = time.monotonic()


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as a name longer than any folder's
        return False


class EvidenceStore:
    """Runs under one folder, normally `.weighbridge/runs`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def open(
        self, fields: dict[str, Json], header: Header[Sample, Content]
    ) -> Iterator[OpenRun[Sample, Content]]:
        """Start a run, or go on with the one that has the same identity.

        Args:
            fields: The run's identity; the kind of run becomes a part of it.
            header: What else is known of the run, its kind among it.

        Raises:
            StorageError: Another process works on it, or the folder can't be written.
        """
        fields = fields | header.payload.stated
        run_id = run_id_for(header.title, header.subject, run_identity(fields))
        folder = self._folder_with(run_identity(fields)) or self.root / run_id
        if (folder / "seal.json").is_file():
            yield OpenRun(folder, fields, header, self._sealed(folder, fields, header.payload))
            return
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with _sole_owner(folder):
            if (folder / "seal.json").is_file():  # sealed by the process that we waited for
                yield OpenRun(folder, fields, header, self._sealed(folder, fields, header.payload))
            else:
                if (folder / "samples.jsonl").exists():
                    # A run that died between being made read-only and being sealed goes on.
                    os.chmod(folder / "samples.jsonl", 0o644)
                run = OpenRun(folder, fields, header, None)
                try:
                    yield run
                finally:
                    run.leave()

    def find_as(self, payload: Payload[Sample, Content], fields: dict[str, Json]) -> Content | None:
        """Return the sealed run with this identity, without its samples, if there is one."""
        fields = fields | payload.stated
        folder = self._folder_with(run_identity(fields))
        if folder is None or not (folder / "seal.json").is_file():
            return None
        return self._sealed(folder, fields, payload)

    def _sealed(
        self, folder: Path, fields: dict[str, Json], payload: Payload[Sample, Content]
    ) -> Content:
        """Read a run and check that its identity is that of these fields, not only its name."""
        sealed = of_kind(read_sealed(folder), payload)
        if sealed.envelope.identity != run_identity(fields):
            raise EvidenceError(
                f"{folder.name} holds another run than its name says ({sealed.envelope.identity})",
                run_identity(fields),
                "move its folder away and run again",
            )
        return sealed.content

    def sealed(self, name: str) -> Sealed[Any]:
        """Read a sealed run of any kind; `name` and errors are as in `read_as`."""
        return read_sealed(self.folder_of(name))

    def read_as(
        self, payload: Payload[Sample, Content], name: str, *, samples: bool = True
    ) -> Content:
        """Read a sealed run of one kind by id, by the beginning of its id, or by its folder.

        Args:
            payload: The run's kind.
            name: The run's id, the beginning of its id, or its folder.
            samples: Whether to read all of the run's samples into memory; else it is without them.

        Raises:
            UnknownName: No such run.
            InputError: It is unfinished or of another kind, a newer version of the program wrote
                it, or the beginning fits several.
            EvidenceError: Its files are damaged.
        """
        sealed = of_kind(self.sealed(name), payload)
        return with_samples(sealed) if samples else sealed.content

    def folder_of(self, name: str) -> Path:
        """Find a run's folder by id, by the beginning of its id, or by the folder itself."""
        if os.sep in name and _is_folder(Path(name)):
            return Path(name)
        if _is_folder(self.root / name) and name not in ("", ".", ".."):
            return self.root / name
        names = run_names(self.root)
        fitting = [n for n in names if n.startswith(name)]
        if len(fitting) > 1:
            raise InputError(f"{len(fitting)} runs begin with {name!r}", "one", "add characters")
        if not fitting:
            raise UnknownName("run", name, names, "list them with: weighbridge runs list")
        return self.root / fitting[0]

    def summaries(self) -> list[RunSummary]:
        """Return all runs, newest first, unfinished ones included; see `listing.summaries`."""
        return summaries(self.root)

    def _folder_with(self, identity: str) -> Path | None:
        ending = f"--{identity.removeprefix('sha256:')[:10]}"
        fitting = [name for name in run_names(self.root) if name.endswith(ending)]
        return self.root / fitting[0] if fitting else None


@contextmanager
def _sole_owner(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when the process ends, however it ends.

    The lock file says which process holds it; the folder is locked as well, because someone may
    delete the file.
    """
    path = folder / ".lock"
    with storage_errors(path):
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise StorageError(f"{path} is no regular file", "a run's own lock", "remove it")
    whole = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _lock_folder(whole)
        except BlockingIOError as error:
            owner = os.read(handle, 32).decode(errors="replace").strip() or "another process"
            raise StorageError(
                f"process {owner} works on {folder.name}", "one at a time", "wait, or end that one"
            ) from error
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(whole)
        os.close(handle)


def _lock_folder(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:  # NFS locks only files opened for writing, which a folder can't be
        return
