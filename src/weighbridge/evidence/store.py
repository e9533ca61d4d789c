"""All runs under one folder: found by identity, resumed, sealed, listed."""

import fcntl
import math
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from weighbridge.errors import (
    EvidenceError,
    InputError,
    StorageError,
    UnknownName,
)
from weighbridge.evidence.checked import CHECKS, read_run, remember
from weighbridge.evidence.document import load, read_object, run_identity
from weighbridge.evidence.index import RunIndex
from weighbridge.evidence.journal import Journal
from weighbridge.evidence.listing import RunSummary, summary_of
from weighbridge.evidence.seal import SCHEMA_VERSION, file_digest, seal_of, tally
from weighbridge.records import (
    Estimate,
    EvalRun,
    Json,
    ModelRef,
    Provenance,
    Slicing,
    StoppedEarly,
    canonical_json,
)
from weighbridge.storage import storage_errors, write_whole

PROGRESS_SECONDS = 1.0
"""Seconds between writes of the counters. A kill may lose these counts, but no samples."""

Listener = Callable[[int, int], object]
"""Is told how many runs of how many were looked at."""


@dataclass(frozen=True)
class RunHeader:
    """What is known of a run before it starts.

    Attributes:
        model: The model.
        benchmark: Benchmark's name.
        benchmark_version: Its version.
        subset: Part of it, or None.
        protocol: How answers are obtained.
        settings: As plain JSON.
        aggregate: Name of the headline aggregate.
        planned_samples: Answers to come.
        planned_units: Units that they are cut into.
        started: ISO 8601, UTC.
    """

    model: ModelRef
    benchmark: str
    benchmark_version: str
    subset: str | None
    protocol: str
    settings: dict[str, Json]
    aggregate: str
    planned_samples: int
    planned_units: int
    started: str

    @property
    def title(self) -> str:
        """Benchmark and subset as typed."""
        return f"{self.benchmark}:{self.subset}" if self.subset else self.benchmark


def run_id_for(title: str, model: str, identity: str) -> str:
    """Return a name that a person can read, such as `mmlu-astronomy--smollm2--1a2b3c4d5e`."""
    plain = [re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.")[:40] for text in (title, model)]
    return "--".join([*plain, identity.removeprefix("sha256:")[:10]])


class OpenRun:
    """A run in progress; see `RunStore.open`.

    Attributes:
        run_id: Its folder's name.
        journal: Its samples.
        finished: The sealed run without its samples, where there is nothing left to do.
        wall_seconds: Time spent on it, earlier attempts included.
        computed_tokens: Tokens computed for it, likewise.
        judge_tokens: Tokens that its judge read and wrote, likewise.
        judge_seconds: Time that its judge took of `wall_seconds`, likewise.
    """

    def __init__(
        self, folder: Path, fields: dict[str, Json], header: RunHeader, finished: EvalRun | None
    ) -> None:
        self.folder, self.run_id, self.finished = folder, folder.name, finished
        self._fields, self._header = fields, header
        self.journal = Journal(folder / "samples.jsonl") if finished is None else _NO_JOURNAL
        state = read_object(folder / "progress.json") if finished is None else {}
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
            with suppress(StorageError):  # whatever stopped the run is the error to be told of
                self._write_progress()

    def cost_usd(self) -> float:
        """What the answers in the journal cost."""
        if not self.journal.finished_samples:
            return 0.0
        return math.fsum(c.usd for sample in self.journal.samples() for c in sample.charges)

    def seal(
        self,
        estimate: Estimate,
        provenance: Provenance,
        slicing: Slicing | None = None,
        stopped: StoppedEarly | None = None,
        unasked: int = 0,
    ) -> EvalRun:
        """Write the figures down and make the run read-only; it is returned without its samples.

        Args:
            estimate: Of the samples.
            provenance: Where and how.
            slicing: Which samples make which slice of the estimate.
            stopped: How it ended, where it might end before every planned sample was asked.
            unasked: Samples that the run lacks; see `EvalRun.unasked_samples`.
        """
        if self.journal.path.exists():
            with storage_errors(self.folder):
                os.chmod(self.journal.path, 0o444)
        read = tally(self.journal.samples())
        planned = stopped.asked_samples if stopped else self._header.planned_samples
        if read.samples != planned:
            raise EvidenceError(f"{self.run_id} has {read.samples} samples", f"{planned}")
        provenance = replace(
            provenance,
            input_tokens=read.input_tokens,
            output_tokens=read.output_tokens,
            cost_usd=read.cost_usd,
            judge_cost_usd=read.judge_cost_usd,
        )
        header = self._header
        run = EvalRun(
            run_id=self.run_id,
            model=header.model,
            benchmark=header.benchmark,
            benchmark_version=header.benchmark_version,
            subset=header.subset,
            protocol=header.protocol,
            settings=header.settings,
            identity=run_identity(self._fields),
            samples_digest=read.digest,
            estimate=estimate,
            provenance=provenance,
            slicing=slicing or {},
            stopped=stopped,
            unasked_samples=unasked,
        )
        self._write_documents(run, planned)
        (self.folder / "progress.json").unlink(missing_ok=True)
        # Read back, so that what is reported now and what is verified later are the same thing.
        sealed = load(self.folder)
        remember(sealed)
        return sealed.run

    def _write_documents(self, run: EvalRun, planned: int) -> None:
        """Write `run.json` and the seal over it and the samples."""
        document = asdict(run) | {
            "schema_version": SCHEMA_VERSION,
            "identity_fields": self._fields,
            "planned_samples": planned,
        }
        document.pop("samples")
        document.pop("conditions")
        if run.stopped is None:
            document.pop("stopped")  # runs that can't stop look as they always did
        data = canonical_json(document)
        write_whole(self.folder / "run.json", data, mode=0o444)
        seal = seal_of(data, run.samples_digest, file_digest(self.folder / "samples.jsonl"))
        write_whole(self.folder / "seal.json", canonical_json(seal), mode=0o444)

    def _write_progress(self) -> None:
        state = asdict(self._header) | {
            "identity_fields": self._fields,
            "done": self.journal.finished_samples,
            "wall_seconds": self.wall_seconds,
            "computed_tokens": self.computed_tokens,
            "judge_tokens": self.judge_tokens,
            "judge_seconds": self.judge_seconds,
        }
        write_whole(self.folder / "progress.json", canonical_json(state))
        self._written = time.monotonic()


_NO_JOURNAL = Journal(Path(os.devnull) / "none")


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # such as a name longer than any folder's
        return False


def _unheard(done: int, total: int) -> None:
    return None


class RunStore:
    """Runs under one folder, normally `.weighbridge/runs`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @contextmanager
    def open(self, fields: dict[str, Json], header: RunHeader) -> Iterator[OpenRun]:
        """Start a run, or go on with the one that has the same identity.

        Raises:
            StorageError: Another process works on it, or the folder can't be written.
        """
        run_id = run_id_for(header.title, header.model.name, run_identity(fields))
        folder = self._folder_with(run_identity(fields)) or self.root / run_id
        if (folder / "seal.json").is_file():
            yield OpenRun(folder, fields, header, self._sealed(folder, fields))
            return
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with _sole_owner(folder):
            if (folder / "seal.json").is_file():  # sealed by the process that we waited for
                yield OpenRun(folder, fields, header, self._sealed(folder, fields))
            else:
                if (folder / "samples.jsonl").exists():
                    os.chmod(folder / "samples.jsonl", 0o644)  # died between chmod and seal
                run = OpenRun(folder, fields, header, None)
                try:
                    yield run
                finally:
                    run.leave()

    def find(self, fields: dict[str, Json]) -> EvalRun | None:
        """Return the sealed run with this identity, without its samples, if there is one."""
        folder = self._folder_with(run_identity(fields))
        if folder is None or not (folder / "seal.json").is_file():
            return None
        return self._sealed(folder, fields)

    def _sealed(self, folder: Path, fields: dict[str, Json]) -> EvalRun:
        """Read a run and check that its identity is that of these fields, not only its name."""
        run = read_run(folder, samples=False)
        if run.identity != run_identity(fields):
            raise EvidenceError(
                f"{folder.name} holds another run than its name says ({run.identity})",
                run_identity(fields),
                "move its folder away and run again",
            )
        return run

    def read(self, name: str, *, samples: bool = True) -> EvalRun:
        """Read a sealed run by id, by the beginning of its id, or by its folder.

        Args:
            name: Which run.
            samples: Whether to hold all of its samples in memory; else there are none.

        Raises:
            UnknownName: No such run.
            InputError: It is unfinished, or the beginning fits several.
            EvidenceError: Its files are damaged.
        """
        return read_run(self.folder_of(name), samples=samples)

    def folder_of(self, name: str) -> Path:
        """Find a run's folder by id, by the beginning of its id, or by the folder itself."""
        if os.sep in name and _is_folder(Path(name)):
            return Path(name)
        if _is_folder(self.root / name) and name not in ("", ".", ".."):
            return self.root / name
        names = self._names()
        fitting = [n for n in names if n.startswith(name)]
        if len(fitting) > 1:
            raise InputError(f"{len(fitting)} runs begin with {name!r}", "one", "add characters")
        if not fitting:
            raise UnknownName("run", name, names, "list them with: weighbridge runs list")
        return self.root / fitting[0]

    def summaries(self, heard: Listener = _unheard) -> list[RunSummary]:
        """Return all runs, newest first, unfinished ones included.

        A run whose files are as they were when it was last checked is not opened; see
        `evidence.index`.

        Args:
            heard: Is told how many runs were looked at, and of how many; the first listing of a
                large store checks all of them.
        """
        index, names = RunIndex(self.root, CHECKS), self._names()
        found = []
        for number, name in enumerate(names):
            summary = index.find(name)
            if summary is None:
                heard(number, len(names))
                stamp = index.stamp(name)
                summary = summary_of(self.root / name)
                if summary is not None and not summary.altered and stamp is not None:
                    index.add(summary, stamp)
            if summary is not None:
                found.append(summary)
        index.save(set(names))
        return sorted(found, key=lambda run: (run.started, run.run_id), reverse=True)

    def _names(self) -> list[str]:
        """Return the names of all folders, in order."""
        if not self.root.is_dir():
            return []
        with os.scandir(self.root) as found:
            return sorted(e.name for e in found if not e.name.startswith(".") and e.is_dir())

    def _folder_with(self, identity: str) -> Path | None:
        ending = f"--{identity.removeprefix('sha256:')[:10]}"
        fitting = [name for name in self._names() if name.endswith(ending)]
        return self.root / fitting[0] if fitting else None


@contextmanager
def _sole_owner(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when the process ends, however it ends.

    The file says who holds it; the folder is locked as well, because a file can be tidied away.
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
    except OSError:  # NFS locks only what can be written
        return
