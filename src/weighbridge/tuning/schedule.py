"""Which rows a step learns from, at what rate, with which seed: functions of the step alone."""

import math
from collections.abc import Iterator
from functools import lru_cache

from weighbridge.records import canonical_digest
from weighbridge.tuning.batches import epoch_order, split, steps_per_epoch
from weighbridge.tuning.settings import TuneSettings


class Schedule:
    """The plan of a run; steps count from 1.

    Attributes:
        epoch_steps: Steps in one pass over all rows.
        total_steps: Steps of the run.
    """

    def __init__(self, lengths: list[int], settings: TuneSettings) -> None:
        self._lengths, self._settings = lengths, settings
        self.epoch_steps = steps_per_epoch(len(lengths), settings.rows_per_step)
        steps = settings.epochs * self.epoch_steps
        self.total_steps = min(steps, settings.max_steps or steps)
        self._order = lru_cache(maxsize=2)(self._epoch_order)

    def passes(self, step: int) -> tuple[tuple[int, ...], ...]:
        """Return the rows of each forward pass of a step."""
        epoch, index = divmod(step - 1, self.epoch_steps)
        return split(self._order(epoch)[index], self._settings.batch_size)

    def all_passes(self) -> Iterator[tuple[int, ...]]:
        """Yield the rows of each forward pass of the run."""
        for step in range(1, self.total_steps + 1):
            yield from self.passes(step)

    def visited(self) -> tuple[int, ...]:
        """Return the rows that the run ever learns from, in their order."""
        return tuple(sorted({row for rows in self.all_passes() for row in rows}))

    def learning_rate(self, step: int) -> float:
        """Return the rate of a step: linear warm-up, then the schedule down to 0."""
        return learning_rate(self._settings, step, self.total_steps)

    def seed(self, step: int) -> int:
        """Return the seed of a step's dropout."""
        return int(canonical_digest([self._settings.seed, step])[7:22], 16)

    def validates_after(self, step: int) -> bool:
        """Whether the validation loss is measured after this step."""
        every = self._settings.validation_steps
        between = every is not None and step % every == 0
        return between or step % self.epoch_steps == 0 or step == self.total_steps

    def _epoch_order(self, epoch: int) -> tuple[tuple[int, ...], ...]:
        settings = self._settings
        return epoch_order(self._lengths, settings.rows_per_step, settings.seed, epoch)


def learning_rate(settings: TuneSettings, step: int, total_steps: int) -> float:
    """Return the rate of a 1-based step: linear warm-up, then the schedule down to 0."""
    warmup = max(1, round(settings.warmup_share * total_steps))
    if step <= warmup:
        return settings.learning_rate * step / warmup
    left = (total_steps - step + 1) / (total_steps - warmup + 1)  # 1 at the peak, 0 past the end
    share = {
        "cosine": 0.5 * (1 - math.cos(math.pi * left)),
        "linear": left,
        "constant": 1.0,
    }[settings.schedule]
    return settings.learning_rate * share
