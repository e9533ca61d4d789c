"""Finds whether a tuning run fits, under which conditions, and the nearest run that fits."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import get_args

from weighbridge.planning.anatomy import Architecture
from weighbridge.planning.tuning_memory.forecast import (
    CONTEXT_BYTES,
    FRAGMENTATION_SHARE,
    TuningMemory,
    forecast,
)
from weighbridge.planning.tuning_memory.setup import Method, TuningSetup
from weighbridge.planning.tuning_memory.stacks import Stack

_MOST_DEVICES = 1024
_LEAST_TOKENS, _LEAST_RANK = 128, 4
_LONGEST = 1 << 24


@dataclass(frozen=True)
class Saving:
    """A setting that saves memory and does not, or hardly, change what is learnt.

    Attributes:
        name: The setting in words.
        on: Returns settings with it.
        off: Returns settings without it.
        is_on: Whether settings have it.
    """

    name: str
    on: Callable[[TuningSetup], TuningSetup]
    off: Callable[[TuningSetup], TuningSetup]
    is_on: Callable[[TuningSetup], bool]


SAVINGS = (
    Saving(
        "gradient checkpointing",
        lambda s: replace(s, checkpointing=True),
        lambda s: replace(s, checkpointing=False),
        lambda s: s.checkpointing,
    ),
    Saving(
        "an 8-bit optimizer",
        lambda s: replace(s, optimizer="adamw-8bit"),
        lambda s: replace(s, optimizer="adamw"),
        lambda s: s.optimizer == "adamw-8bit",
    ),
    Saving(
        "a paged optimizer",
        lambda s: replace(s, optimizer="adamw-paged"),
        lambda s: replace(s, optimizer="adamw"),
        lambda s: s.optimizer == "adamw-paged",
    ),
    Saving(
        "quantised scales",
        lambda s: replace(s, double_quantised=True),
        lambda s: replace(s, double_quantised=False),
        lambda s: s.double_quantised and s.method == "qlora",
    ),
    Saving(
        "embeddings in bf16",
        lambda s: replace(s, float32_embeddings=False),
        lambda s: replace(s, float32_embeddings=True),
        lambda s: not s.float32_embeddings and s.method == "qlora",
    ),
    Saving(
        "a loss in chunks",
        lambda s: replace(s, loss="chunked"),
        lambda s: replace(s, loss="whole"),
        lambda s: s.loss == "chunked",
    ),
)
"""The settings that cost most time come first, because they are the first to be left out again."""


@dataclass(frozen=True)
class Condition:
    """Something that must be true for a run to fit.

    Attributes:
        name: The condition in words.
        otherwise_bytes: The peak where the condition is not met.
    """

    name: str
    otherwise_bytes: int


@dataclass(frozen=True)
class MemoryBudget:
    """Says what fits, for a model, a training program and a device.

    Attributes:
        architecture: The model.
        stack: The training program.
        memory_bytes: Memory of one device; None if everything fits.
        fragmentation_share: See the constant of this name.
        context_bytes: What the device, or the process, holds before the first tensor.
        savings: The settings that the program has to save memory without learning otherwise.
    """

    architecture: Architecture
    stack: Stack
    memory_bytes: int | None = None
    fragmentation_share: float = FRAGMENTATION_SHARE
    context_bytes: int = CONTEXT_BYTES
    savings: tuple[Saving, ...] = SAVINGS

    def forecast(self, setup: TuningSetup) -> TuningMemory:
        """Forecast what one device needs, with the memory of the allocator and the driver."""
        return forecast(
            self.architecture,
            setup,
            self.stack,
            fragmentation_share=self.fragmentation_share,
            context_bytes=self.context_bytes,
        )

    def fits(self, setup: TuningSetup) -> bool:
        """Whether the forecast peak is within the device's memory."""
        return self.memory_bytes is None or self.forecast(setup).peak_bytes <= self.memory_bytes

    def conditions(self, setup: TuningSetup) -> tuple[Condition, ...]:
        """Return the memory-saving settings without which a run that fits would not fit."""
        without = [(one.name, one.off(setup)) for one in self.savings if one.is_on(setup)]
        if setup.method == "qlora":
            without.append(("weights of 4 bits", replace(setup, method="lora")))
        return tuple(
            Condition(name, self.forecast(changed).peak_bytes)
            for name, changed in without
            if not self.fits(changed)
        )

    def most(self, setup: TuningSetup, name: str) -> int:
        """Return the largest value of a setting with which the run still fits, others unchanged.

        Args:
            setup: A run that fits.
            name: `row_tokens`, `batch_size` or `rank`.
        """
        low = getattr(setup, name)
        high = max(low, self.architecture.hidden_size) if name == "rank" else _LONGEST
        while low < high:
            middle = (low + high + 1) // 2
            if self.fits(replace(setup, **{name: middle})):
                low = middle
            else:
                high = middle - 1
        return int(low)

    def nearest(self, setup: TuningSetup) -> TuningSetup | None:
        """Return the nearest run that fits one device, with as few changes as possible; or None.

        Savings that don't change the result are tried first, then fewer rows at once (with as many
        more passes per step), then shorter rows and a smaller rank, then another method.
        """
        for method in _methods_to_try(setup):
            for tokens, rank in _smaller(setup):
                asked = replace(setup, method=method, row_tokens=tokens, rank=rank, devices=1)
                found = self._with_savings(asked)
                if found is not None:
                    return found
        return None

    def _with_savings(self, setup: TuningSetup) -> TuningSetup | None:
        for batch in _fewer_rows(setup):
            leanest = batch
            for saving in self.savings[::-1]:
                leanest = saving.on(leanest)
            # Paging is the last resort: it takes the place of 8-bit moments.
            paged = replace(leanest, optimizer="adamw-paged")
            tried = (leanest, paged) if self.savings else (leanest,)
            found = next((one for one in tried if self.fits(one)), None)
            if found is not None:
                return self._without_needless(found, batch)
        return None

    def _without_needless(self, lean: TuningSetup, asked: TuningSetup) -> TuningSetup:
        """Drop every saving that the asked run does not have and that is not needed."""
        for saving in self.savings:
            if saving.is_on(lean) and not saving.is_on(asked):
                plainer = saving.off(lean)
                if saving.name.endswith("optimizer"):
                    plainer = replace(lean, optimizer=asked.optimizer)
                lean = plainer if self.fits(plainer) else lean
        return lean

    def devices(self, setup: TuningSetup) -> int | None:
        """Return over how many devices a run must be sharded; None if no number suffices."""
        count = 1
        while count <= _MOST_DEVICES:
            if self.fits(replace(setup, devices=count)):
                return count
            count *= 2
        return None


def _methods_to_try(setup: TuningSetup) -> tuple[Method, ...]:
    methods: tuple[Method, ...] = get_args(Method)
    return methods[methods.index(setup.method) :]


def _smaller(setup: TuningSetup) -> list[tuple[int, int]]:
    """Return pairs of row length and rank, by the number of halvings; the rank is halved first."""
    lengths = _halved(setup.row_tokens, _LEAST_TOKENS)
    ranks = [setup.rank] if setup.method == "full" else _halved(setup.rank, _LEAST_RANK)
    pairs = [(i, j) for i in range(len(lengths)) for j in range(len(ranks))]
    return [(lengths[i], ranks[j]) for i, j in sorted(pairs, key=lambda p: (sum(p), p))]


def _halved(value: int, least: int) -> list[int]:
    found = [value]
    while found[-1] > least:
        found.append(max(least, found[-1] // 2))
    return found


def _fewer_rows(setup: TuningSetup) -> Iterator[TuningSetup]:
    """Yield settings with the same rows per step, but fewer of them at once."""
    rows, batch = setup.batch_size * setup.accumulation, setup.batch_size
    while batch:
        if rows % batch == 0:
            yield replace(setup, batch_size=batch, accumulation=rows // batch)
        batch //= 2
