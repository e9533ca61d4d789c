"""Finds a learning rate by a few short runs from one start, on the same rows in the same order.

A range test (Smith 2017, arXiv:1506.01186) raises the rate within one run. There, what a rate does
is mixed with what all the lower ones have done; with an adapter, whose B begins at 0 and which
AdamW moves by about the rate in each step, the first half of the curve shows little but that. So
each rate has a short run of its own here, and they differ in nothing else: their losses on rows
that none of them learns are compared row by row, which takes out how hard the rows are.

Of the rates that can't be told from the best, the lowest is recommended (one standard error:
Breiman et al. 1984). Short runs favour high rates: Schulman et al. 2025 (LoRA Without Regret)
measured optima at 15 times full tuning's over a short run and at 10 times over a long one.
"""

import math
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from weighbridge.tuning.job import Job, optimizer_of, prepare, require_base, require_rows
from weighbridge.tuning.paired_rows import LearntRow, parts_of
from weighbridge.tuning.registry import find_method, find_objective
from weighbridge.tuning.rows import TuningRow
from weighbridge.tuning.schedule import Schedule
from weighbridge.tuning.session import reproducible
from weighbridge.tuning.settings import TuneSettings
from weighbridge.tuning.step import add_gradients, update
from weighbridge.tuning.tensors import read_tensors, write_tensors

STEPS = 16
_POWERS = (-3, -2, -1, 0, 1, 2, 3)  # of the root of ten, times the rate in the middle
_FURTHER = 2  # more, where the best lies at an end
_MEASURED_ROWS, _FEWEST_ROWS = 32, 8
_DIVERGED = 2.0  # times the loss at the start, and one nat more
_SURE = 2.0  # standard errors
_WORTHWHILE = 0.01  # of the loss at the start: less than that is no curve, however sure

OnStep = Callable[[int, int], None]


@dataclass(frozen=True)
class Tried:
    """One rate.

    Attributes:
        learning_rate: At its peak.
        loss: On the measured rows after the last step, in nats per learnt token; None where it
            diverged.
        change: The loss less the one at the start; None likewise.
        standard_error: Of `change`, over rows.
        diverged_at: The step at which the loss was no number, or had doubled.
    """

    learning_rate: float
    loss: float | None
    change: float | None
    standard_error: float | None
    diverged_at: int | None = None


@dataclass(frozen=True)
class RateSweep:
    """What a sweep found.

    Attributes:
        steps: Of each run.
        rows_per_step: That each step learns from.
        measured_rows: Rows that the loss is measured on.
        unseen: Whether the runs learn from none of these.
        loss_start: The loss before the first step.
        tried: Rates in rising order.
        recommended: The rate to take.
        middle: The rate that the sweep was laid around: the method's own, or what was set.
        tells: Whether the curve is why that rate is recommended.
        why: In a sentence.
        seconds: All of it.
    """

    steps: int
    rows_per_step: int
    measured_rows: int
    unseen: bool
    loss_start: float
    tried: tuple[Tried, ...]
    recommended: float
    middle: float
    tells: bool
    why: str
    seconds: float


def sweep_rates(
    module: Any,
    tokenizer: Any,
    train: Sequence[TuningRow],
    validation: Sequence[TuningRow],
    settings: TuneSettings,
    scratch: Path,
    on_step: OnStep,
) -> RateSweep:
    """Try rates around the settings' own; `module` is handed back as it was.

    Args:
        module: The base.
        tokenizer: Its tokenizer.
        train: What is learnt from.
        validation: What is measured; where it is empty, training rows that no run comes to.
        settings: Of the run to come.
        scratch: A folder for the start's values, removed by whoever made it.
        on_step: Told how many steps are done, of how many.

    Raises:
        InputError: Data, settings or template are wrong.
    """
    began = time.perf_counter()
    require_base(module)
    method = find_method(settings.method)
    objective = find_objective(settings.objective).bound(settings)
    config = module.config.get_text_config()
    limit = settings.max_tokens or getattr(config, "max_position_embeddings", None) or 1 << 20
    rows, _ = objective.rows(tokenizer, train, limit, settings.overflow)
    held_out: Sequence[LearntRow] = ()
    if validation:
        held_out, _ = objective.rows(tokenizer, validation, limit, settings.overflow)
    require_rows(module, tokenizer, parts_of((*rows, *held_out)))
    short = _short(settings)
    measured, unseen = _measured(rows, held_out, short)
    with (
        reproducible(settings.seed, torch.get_num_threads()),
        method.prepared(module, short, "the base", scratch, []) as model,
    ):
        job = prepare(
            method, objective, model, rows, tuple(measured), short, scratch, lambda event: None,
            threading.Event(),
        )  # fmt: skip
        write_tensors(scratch / "start.safetensors", job.parameters)
        sweep = _Sweep(job, scratch / "start.safetensors", on_step)
        tried = sweep.all(settings.learning_rate)
    best, tells, why = _chosen(tried, sweep, settings.learning_rate)
    return RateSweep(
        steps=job.schedule.total_steps,
        rows_per_step=short.rows_per_step,
        measured_rows=len(measured),
        unseen=unseen,
        loss_start=sum(sweep.start) / sum(sweep.targets),
        tried=tuple(one for one, _ in tried),
        recommended=best,
        middle=settings.learning_rate,
        tells=tells,
        why=why,
        seconds=time.perf_counter() - began,
    )


def _short(settings: TuneSettings) -> TuneSettings:
    """Return the settings of each run: a few steps, after the warm-up at one rate."""
    return replace(
        settings,
        max_steps=min(STEPS, settings.max_steps or STEPS),
        schedule="constant",
        self_test=False,
    )


def _measured(
    rows: Sequence[LearntRow], held_out: Sequence[LearntRow], settings: TuneSettings
) -> tuple[list[LearntRow], bool]:
    """Choose rows to measure the loss on, and say whether no run learns from them."""
    rng = random.Random(f"weighbridge rate sweep {settings.seed}")
    learnt = set(Schedule([len(row) for row in rows], settings).visited())
    left = [row for at, row in enumerate(rows) if at not in learnt]
    unseen = bool(held_out) or len(left) >= _FEWEST_ROWS
    pool = list(held_out) or (left if unseen else [rows[at] for at in sorted(learnt)])
    return rng.sample(pool, min(_MEASURED_ROWS, len(pool))), unseen


class _Sweep:
    """Runs from one start; losses of a run are sums of each measured row, in order."""

    def __init__(self, job: Job, start: Path, on_step: OnStep) -> None:
        self._job, self._kept, self._on_step = job, start, on_step
        self._done = 0
        self._runs = len(_POWERS)
        batches = [job.objective.batch([row], job.model.device, "padded") for row in job.validation]
        self.targets = [job.objective.targets(batch) for batch in batches]
        self.start = self._losses()

    def all(self, middle: float) -> "list[tuple[Tried, list[float] | None]]":
        """Try rates from the lowest up to the first that diverges, and beyond an end if need be."""
        tried: list[tuple[Tried, list[float] | None]] = []
        for power in _POWERS:
            tried.append(self.one(middle * 10 ** (power / 2)))
            if tried[-1][1] is None:
                break
        for _ in range(_FURTHER):
            if (beyond := _beyond(tried)) is None:
                break
            self._runs += 1
            tried = sorted([*tried, self.one(beyond)], key=lambda one: one[0].learning_rate)
        return tried

    def one(self, rate: float) -> "tuple[Tried, list[float] | None]":
        """Make one run."""
        rate = float(f"{rate:.2g}")
        job = self._job
        begun = read_tensors(self._kept)
        with torch.no_grad():
            for name, parameter in job.parameters.items():
                parameter.copy_(begun[name])
        del begun
        settings = replace(job.settings, learning_rate=rate)
        job = replace(
            job,
            settings=settings,
            optimizer=optimizer_of(job.method, job.parameters, settings),
            schedule=Schedule([len(row) for row in job.rows], settings),
        )
        limit = _DIVERGED * sum(self.start) / sum(self.targets) + 1
        with job.method.accelerated(job.model):
            for step in range(1, job.schedule.total_steps + 1):
                loss = self._step(job, step)
                if not math.isfinite(loss) or loss > limit:
                    return Tried(rate, None, None, None, step), None
        losses = self._losses()
        if not all(map(math.isfinite, losses)):
            return Tried(rate, None, None, None, job.schedule.total_steps), None
        change, error = paired(losses, self.start, self.targets)
        return Tried(rate, sum(losses) / sum(self.targets), change, error), losses

    def _step(self, job: Job, step: int) -> float:
        torch.manual_seed(job.schedule.seed(step))
        passes = [job.batch([job.rows[at] for at in rows]) for rows in job.schedule.passes(step)]
        loss = add_gradients(job, passes)
        norm = update(job, job.schedule.learning_rate(step))
        self._done += 1
        self._on_step(self._done, self._runs * job.schedule.total_steps)
        return loss if math.isfinite(norm) else math.nan

    @torch.no_grad()
    def _losses(self) -> list[float]:
        """Return each measured row's loss, in nats."""
        job = self._job
        job.model.eval()
        found = [
            job.objective.loss(
                job.model, job.objective.batch([row], job.model.device, "padded")
            ).item()
            for row in job.validation
        ]
        job.model.train()
        return found


def paired(
    one: Sequence[float], other: Sequence[float], targets: Sequence[int]
) -> tuple[float, float]:
    """Return the difference of two losses per token, and its standard error over rows.

    Rows are what is drawn; a ratio of sums is linearised (Cochran 1977, ch. 6).

    Args:
        one: Sums over each row's tokens.
        other: The same of what it is compared with.
        targets: Tokens of each row.
    """
    apart = [a - b for a, b in zip(one, other, strict=True)]
    total, n = sum(targets), len(apart)
    mean = sum(apart) / total
    if n < 2:
        return mean, math.inf
    left = sum((gap - mean * count) ** 2 for gap, count in zip(apart, targets, strict=True))
    return mean, math.sqrt(n / (n - 1) * left) / total


def _best(tried: "Sequence[tuple[Tried, list[float] | None]]") -> int | None:
    """Return the place of the lowest loss."""
    there = [(one.loss, at) for at, (one, _) in enumerate(tried) if one.loss is not None]
    return min(there)[1] if there else None


def _beyond(tried: "Sequence[tuple[Tried, list[float] | None]]") -> float | None:
    """Return the next rate beyond an end at which the best lies; None where it lies inside."""
    best = _best(tried)
    if best == len(tried) - 1:
        return tried[-1][0].learning_rate * math.sqrt(10)
    if best in (0, None):
        return tried[0][0].learning_rate / math.sqrt(10)
    return None


def _chosen(
    tried: "Sequence[tuple[Tried, list[float] | None]]", sweep: _Sweep, middle: float
) -> tuple[float, bool, str]:
    """Return the rate to take, whether the curve says so, and why."""
    best = _best(tried)
    if best is None:
        return middle, False, "every rate diverged: look at the data with --show-mask first"
    lowest, losses = tried[best]
    assert losses is not None and lowest.change is not None and lowest.standard_error is not None
    start = sum(sweep.start) / sum(sweep.targets)
    if -lowest.change <= max(_SURE * lowest.standard_error, _WORTHWHILE * abs(start)):
        return (
            middle,
            False,
            (
                "no rate lowered the loss by 1 % and by more than chance does, in so few steps and "
                "rows: the curve tells nothing, and the rate stays as it was"
            ),
        )
    alike = []
    for one, others in tried[: best + 1]:
        if others is not None:
            gap, error = paired(others, losses, sweep.targets)
            if one is lowest or gap <= error:
                alike.append(one.learning_rate)
    taken = alike[0]
    why = f"the lowest loss of {len(tried)} rates"
    if taken != lowest.learning_rate:
        why = (
            f"the lowest rate that can't be told from the best, {lowest.learning_rate:g} (one "
            "standard error over rows; short runs favour high rates)"
        )
    if best in (0, len(tried) - 1):
        why += "; it lies at the end of what was tried, so the best may lie beyond"
    return taken, True, why
