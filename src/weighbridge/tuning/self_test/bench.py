"""What the checks work with: a run made ready, a few short rows, and the longest ones."""

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighbridge.tuning.batches import Batch
from weighbridge.tuning.job import Job
from weighbridge.tuning.paired_rows import LearntRow
from weighbridge.tuning.self_test.routing import Routing

SAMPLE_TOKENS = 256
SAMPLE_ROWS = 16
PROBE_ROWS, PROBE_TOKENS = 2, 128

_FLOAT32_TOLERANCE, _NARROW_TOLERANCE = 1e-4, 0.06
"""Sums in another order differ by some 1e-6 in float32. In bfloat16, see `models.engine.check`."""
_BOLD = 10  # times the method's rate: what a step changes must stand out of rounding

Gradients = dict[str, Tensor | None]


@dataclass(frozen=True)
class Sample:
    """Rows for the checks.

    Attributes:
        rows: A few short ones of different lengths; at least two.
        longest: The longest batch there will be.
        validation: The longest batch of validation rows; may be empty.
    """

    rows: tuple[LearntRow, ...]
    longest: tuple[LearntRow, ...]
    validation: tuple[LearntRow, ...]

    @classmethod
    def of(
        cls,
        rows: Sequence[LearntRow],
        validation: Sequence[LearntRow],
        visited: Iterable[int],
        batch_size: int,
    ) -> "Sample":
        """Choose rows: the same ones each time.

        Args:
            rows: All that are learnt from.
            validation: All that are measured.
            visited: Which of the rows the run comes to.
            batch_size: Rows of one pass.
        """
        by_length = sorted(rows, key=len, reverse=True)
        held_out = sorted(validation, key=len, reverse=True)
        short = _short(sorted((rows[at] for at in visited), key=len))
        return cls(short, tuple(by_length[:batch_size]),
                   tuple(held_out[:batch_size]))  # fmt: skip

    @property
    def size(self) -> str:
        """The size of the longest batch, in words."""
        return f"{len(self.longest)} rows of up to {len(self.longest[0]):,} tokens"

    @property
    def tokens(self) -> int:
        """About how many tokens all checks learn from."""
        return 8 * sum(map(len, self.rows)) + 2 * sum(map(len, self.longest))


def _short(rising: Sequence[LearntRow]) -> tuple[LearntRow, ...]:
    """Choose short rows: first one of each length, for equal ones hide how rows are weighed."""
    each = {len(row): row for row in reversed(rising)}
    taken = {id(row) for row in each.values()}
    some: list[LearntRow] = []
    for row in (*sorted(each.values(), key=len), *(r for r in rising if id(r) not in taken)):
        if len(some) < 2 or sum(map(len, some)) + len(row) <= SAMPLE_TOKENS:
            some.append(row)
        if len(some) == SAMPLE_ROWS:
            break
    return tuple(some * 2 if len(some) == 1 else some)


@dataclass(frozen=True)
class Bench:
    """A run made ready, to be tried out and thrown away.

    Attributes:
        job: With a model, an optimizer and settings of its own.
        tokenizer: The base's.
        sample: The rows.
        base_logits: What the base said to the probes before anything was put on it.
        scratch: A folder for what is saved; removed afterwards.
        routing: Which experts had tokens.
        reached: Of each trained tensor, where its gradient was not zero.
        after: What the model said to the probes when all steps were made.
        again: The base with the saved result on it, once that was loaded.
    """

    job: Job
    tokenizer: Any
    sample: Sample
    base_logits: tuple[Tensor, ...]
    scratch: Path
    routing: Routing
    reached: dict[str, Tensor] = field(default_factory=dict)
    after: list[Tensor] = field(default_factory=list)
    again: Any = None

    @property
    def result(self) -> Path:
        """Where the result is saved."""
        return self.scratch / self.job.method.output

    def padded(self, rows: Sequence[LearntRow]) -> Batch:
        """Lay rows out in the plain way."""
        return self.job.objective.batch(rows, self.job.model.device, "padded")

    def gradients(self) -> Gradients:
        """Take the gradients that were added up."""
        found = {name: parameter.grad for name, parameter in self.job.parameters.items()}
        self.job.optimizer.zero_grad(set_to_none=True)
        return found

    def note_reached(self) -> None:
        """Note where gradients that were added up are not zero."""
        for name, parameter in self.job.parameters.items():
            whole = parameter.grad is None or parameter.dim() < 3
            parts = (1,) if whole else (len(parameter),)
            found = torch.zeros(parts, dtype=torch.bool)
            if parameter.grad is not None:
                found = (parameter.grad.reshape(*parts, -1) != 0).any(1).cpu()
            before = self.reached.get(name)
            self.reached[name] = found if before is None else before | found

    @property
    def bold_rate(self) -> float:
        """A learning rate at which two steps change the logits by more than rounding does."""
        rate = self.job.method.defaults["learning_rate"]
        assert isinstance(rate, float)
        return _BOLD * rate

    @property
    def tolerance(self) -> float:
        """By which share two ways to the same number may differ."""
        narrow = torch.finfo(self.job.model.dtype).bits < 32
        return _NARROW_TOLERANCE if narrow else _FLOAT32_TOLERANCE

    @contextmanager
    def comparing(self) -> Iterator[None]:
        """Draw no dropout meanwhile, which would differ from one way to the other."""
        self.job.model.eval()
        try:
            yield
        finally:
            self.job.model.train()

    def say(self, model: Any = None) -> tuple[Tensor, ...]:
        """Return what a model, or else the one that is trained, says to the probes."""
        device = self.job.model.device
        texts = probes(self.job.objective, self.sample, device)
        return logits_of(self.job.model if model is None else model, texts)


def probes(objective: Any, sample: Sample, device: Any) -> tuple[Tensor, ...]:
    """Return the beginnings of a few rows as the objective lays them out, (1, S) each."""
    some = sample.rows[-PROBE_ROWS:]
    return tuple(
        objective.batch([row], device, "padded").token_ids[:1, :PROBE_TOKENS] for row in some
    )


@torch.no_grad()
def logits_of(model: Any, texts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Return what a model says to each text, as logits (1, S, V)."""
    learning = model.training
    model.eval()
    said = tuple(model(input_ids=text, use_cache=False).logits.float() for text in texts)
    model.train(learning)
    return said


def largest_gap(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Return the largest difference of two logits, as a share of the largest logit."""
    gaps = [(one - other).abs().max().item() for one, other in zip(found, expected, strict=True)]
    return max(gaps) / max(other.abs().max().item() for other in expected)


def apart(found: Gradients, expected: Gradients) -> float:
    """Return how far two gradients, each as one vector, are apart, as a share of the second's."""
    gap = length = 0.0
    for name, other in expected.items():
        one = found[name]
        if one is None and other is None:
            continue
        if one is None or other is None:
            only = one if one is not None else other
            assert only is not None
            gap += float(only.float().norm()) ** 2
        else:
            gap += float((one.float() - other.float()).norm()) ** 2
        length += 0.0 if other is None else float(other.float().norm()) ** 2
    return math.sqrt(gap / length) if length else math.inf
