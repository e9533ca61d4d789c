"""Runs the checks before training, and leaves nothing changed."""

import json
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError, Interrupted, WeighbridgeError
from weighbridge.sources.documents import read_settings
from weighbridge.storage import write_whole
from weighbridge.tuning.job import prepare
from weighbridge.tuning.method import Method, Objective
from weighbridge.tuning.paired_rows import LearntRow
from weighbridge.tuning.schedule import Schedule
from weighbridge.tuning.self_test.bench import Bench, Sample, logits_of, probes
from weighbridge.tuning.self_test.checks import CHECKS, RELOADED, Check
from weighbridge.tuning.self_test.findings import CheckResult, Found, SelfTest
from weighbridge.tuning.self_test.routing import Routing
from weighbridge.tuning.settings import Checked, OnEvent, TuneSettings

FILE = "self_test.json"
_WORTH = 10  # times its tokens a run must learn from, so that it costs a tenth of it at most


@dataclass(frozen=True)
class Trial:
    """A run that is to be tried out; the fields are the arguments of `loop.tune`."""

    method: Method
    objective: Objective
    module: Any
    tokenizer: Any
    rows: tuple[LearntRow, ...]
    validation: tuple[LearntRow, ...]
    settings: TuneSettings
    base: str
    folder: Path

    @property
    def schedule(self) -> Schedule:
        """The run's."""
        return Schedule([len(row) for row in self.rows], self.settings)

    def sample(self, rows: Sequence[LearntRow], validation: Sequence[LearntRow]) -> Sample:
        """Choose rows for the checks, of these which have all that a loss needs."""
        return Sample.of(rows, validation, self.schedule.visited(), self.settings.batch_size)


def tried_out(trial: Trial, on_event: OnEvent, stopping: threading.Event) -> SelfTest | None:
    """Run the self-test where it is asked for or worth it; once for a run.

    Args:
        trial: The run.
        on_event: Called with a `Checked` for each check that passes.
        stopping: Is set when the run is to stop.

    Raises:
        InputError: A check doesn't pass; it says what to change.
        StorageError: What a run saves can't be saved.
        Interrupted: Ctrl-C.
    """
    wanted = trial.settings.self_test
    if wanted is None:
        cost = trial.sample(trial.rows, trial.validation).tokens
        wanted = _learnt_tokens(trial) >= _WORTH * cost
    if not wanted:
        return None
    kept = _kept(trial.folder)
    if kept is None:
        kept = _made(trial, on_event, stopping)
        write_whole(trial.folder / FILE, json.dumps(asdict(kept), indent=2) + "\n")
    return kept


def _learnt_tokens(trial: Trial) -> int:
    steps = trial.schedule.total_steps * trial.settings.rows_per_step
    return round(sum(map(len, trial.rows)) * steps / len(trial.rows))


def _kept(folder: Path) -> SelfTest | None:
    """Return what an earlier attempt at the same run found."""
    try:
        stored = read_settings(folder / FILE, "a self-test's result", within=folder)
        return TypeAdapter(SelfTest).validate_python(stored)
    except (OSError, ValueError, InputError, ValidationError):
        return None


def _made(trial: Trial, on_event: OnEvent, stopping: threading.Event) -> SelfTest:
    started = time.perf_counter()
    scratch = Path(tempfile.mkdtemp(prefix=".partial-self-test-", dir=trial.folder))
    results: list[CheckResult] = []

    def make(check: Check, bench: Bench) -> None:
        if stopping.is_set():
            raise Interrupted("the self-test was stopped", do="the same command begins again")
        before = time.perf_counter()
        found = _measured(check, bench)
        _require(check, found)
        seconds = time.perf_counter() - before
        results.append(CheckResult(check.name, found.figure, found.allowed, found.of, seconds))
        on_event(Checked(results[-1], len(results), len(CHECKS) + 1))

    try:
        with torch.random.fork_rng():
            bench = _with_model(trial, scratch, make, on_event, stopping)
            with trial.method.loaded(trial.module, bench.result) as model:
                make(RELOADED, replace(bench, again=model))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return SelfTest(tuple(results), time.perf_counter() - started, bench.job.arrangement)


def _with_model(
    trial: Trial,
    scratch: Path,
    make: Callable[[Check, Bench], None],
    on_event: OnEvent,
    stopping: threading.Event,
) -> Bench:
    """Make the checks that need the model as it will be trained."""
    texts = probes(trial.objective, trial.sample(trial.rows, trial.validation), trial.module.device)
    said = logits_of(trial.module, texts)
    with trial.method.prepared(trial.module, trial.settings, trial.base, trial.folder, []) as model:
        job = prepare(
            trial.method, trial.objective, model, trial.rows, trial.validation, trial.settings,
            trial.folder, on_event, stopping,
        )  # fmt: skip
        routing = Routing(model, job.parameters)
        sample = trial.sample(job.rows, job.validation)
        bench = Bench(job, trial.tokenizer, sample, said, scratch, routing)
        try:
            for check in CHECKS:
                make(check, bench)
        finally:
            routing.stop()
        return bench


def _measured(check: Check, bench: Bench) -> Found:
    """Measure, and say of what goes wrong meanwhile that training would come to it as well."""
    try:
        return check.measure(bench)
    except WeighbridgeError:
        raise
    except Exception as error:  # a model's own code fails in many ways
        said = " ".join(str(error).split()) or type(error).__name__
        if isinstance(error, torch.OutOfMemoryError | MemoryError) or "allocate memory" in said:
            size = bench.job.settings.batch_size
            raise InputError(
                f"the self-test ran out of memory at its check of {check.name}",
                f"room for the longest batch ({bench.sample.size}), to which every run comes",
                f"lower batch_size from {size} and raise accumulation as much, or lower max_tokens",
            ) from error
        raise InputError(
            f"the self-test's check of {check.name} ended in {type(error).__name__} ({said})",
            "a model, data and settings that go through it, since training does the same",
            f"{check.do or 'use another model'}; --no-self-test trains all the same",
        ) from error


def _require(check: Check, found: Found) -> None:
    if found.passes:
        return
    raise InputError(
        f"the self-test's check of {check.name} failed: {found.figure:.3g} {found.of}",
        f"at most {found.allowed:.1g}: {check.expected}",
        f"{check.do}; --no-self-test trains all the same",
    )
