"""Trains several rungs at once: one process per core, each with one thread.

A small model's operations are too short to be shared among cores, so each process has one thread,
and the losses don't depend on the number of cores. A worker ends when its parent ends, in whatever
way that ends.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.planning.scaling.ladder import Rung
from weighbridge.pretraining.corpus import read_corpus
from weighbridge.pretraining.training import Trained, train

_REPORT_INTERVAL_SECONDS = 0.5
_ENDED_BY_PARENT = 75


@dataclass(frozen=True)
class RungJob:
    """What all rungs share.

    Attributes:
        corpus: Path of the text, or None for Python's standard library.
        pattern: Which files of a folder to read; all where empty.
        corpus_digest: Digest of the text; a worker that reads another text stops.
        learning_rate: Peak learning rate, at a width of 64.
        checkpoints: Folder for checkpoints of rungs in progress.
    """

    corpus: Path | None
    pattern: str
    corpus_digest: str
    learning_rate: float
    checkpoints: Path

    def checkpoint(self, rung: Rung) -> Path:
        """Return the file that an interrupted rung goes on from."""
        return self.checkpoints / f"{rung.name}.safetensors"


@dataclass(frozen=True)
class Failed:
    """A worker's error, in the three parts of `WeighbridgeError`."""

    saw: str
    expected: str
    do: str


def train_all(
    rungs: Sequence[Rung],
    job: RungJob,
    workers: int,
    on_flops: Callable[[float], None],
) -> Generator[Trained, None, None]:
    """Train rungs, the most expensive first; yield each as it ends.

    Args:
        rungs: The rungs to train.
        job: What all rungs share.
        workers: Largest number of processes.
        on_flops: Called with the FLOPs done since its last call.

    Raises:
        WeighbridgeError: A worker failed or was killed.
    """
    waiting = sorted(rungs, key=lambda rung: -rung.flops)
    pool: list[_Worker] = []
    try:
        for _ in range(min(workers, len(waiting))):
            pool.append(_Worker(job))
            pool[-1].give(waiting.pop(0))
        busy = {worker.connection: worker for worker in pool}
        while busy:
            for connection in wait(list(busy)):
                worker = busy[connection]  # type: ignore[index]
                more, trained = worker.hear()
                on_flops(more)
                if trained is None:
                    continue
                yield trained
                if waiting:
                    worker.give(waiting.pop(0))
                else:
                    del busy[worker.connection]
    finally:
        for worker in pool:
            worker.end()


class _Worker:
    """A worker process, as its parent sees it."""

    def __init__(self, job: RungJob) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, job), daemon=True)
        # A terminal's Ctrl-C reaches workers, too, but only the parent handles it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._rung: Rung | None = None

    def give(self, rung: Rung) -> None:
        self._rung = rung
        self._flops = 0.0
        try:
            self.connection.send(rung)
        except OSError:
            raise self._gone() from None

    def hear(self) -> tuple[float, Trained | None]:
        """Return the FLOPs done since the last message, and the rung if it is finished."""
        assert self._rung is not None
        try:
            told = self.connection.recv()
        except (EOFError, OSError):
            raise self._gone() from None
        if isinstance(told, Failed):
            raise WeighbridgeError(told.saw, told.expected, told.do)
        trained = told if isinstance(told, Trained) else None
        done = self._rung.flops if trained else float(told)
        more, self._flops = done - self._flops, done
        return more, trained

    def _gone(self) -> WeighbridgeError:
        self._process.join(5)
        name = self._rung.name if self._rung else "a model"
        return WeighbridgeError(
            f"the process that trained {name} ended with {self._process.exitcode}",
            "a process that is not stopped from outside",
            "check that there is enough memory; the same command goes on",
        )

    def end(self) -> None:
        self._process.terminate()
        self._process.join()


def _work(connection: Connection, job: RungJob) -> None:
    """Train the rungs received from the parent process, until its pipe closes."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(1)
    try:
        corpus = read_corpus(job.corpus, job.pattern)
        if corpus.digest != job.corpus_digest:
            raise InputError(
                f"the files of {corpus.name} changed while the ladder was trained",
                "one text for all its models",
                "put them back, or begin another ladder",
            )
        while True:
            rung = connection.recv()
            told = _Progress(connection, rung)
            connection.send(train(rung, corpus, job.learning_rate, job.checkpoint(rung), told))
    except EOFError:
        return
    except WeighbridgeError as error:
        connection.send(Failed(error.saw, error.expected, error.do))
    except Exception as error:  # such as torch's own when memory ends
        first = (str(error).splitlines() or [""])[0]
        saw = f"training stopped with {type(error).__name__}: {first}"
        connection.send(Failed(saw, "a step that succeeds", "the same command goes on"))


class _Progress:
    """Reports FLOPs done to the parent process at intervals."""

    def __init__(self, connection: Connection, rung: Rung) -> None:
        self._connection, self._last = connection, 0.0
        self._per_token = rung.flops / rung.tokens

    def __call__(self, tokens: int) -> None:
        now = time.monotonic()
        if now - self._last > _REPORT_INTERVAL_SECONDS:
            self._last = now
            self._connection.send(tokens * self._per_token)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(_ENDED_BY_PARENT)
