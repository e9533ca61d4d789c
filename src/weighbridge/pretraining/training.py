"""Trains one rung, with the same bits whether it was interrupted or not.

The batch and the learning rate of a step depend only on the step and the seed, so a checkpoint
holds no more than the parameters, AdamW's moments, the step and the seconds spent.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from weighbridge.errors import InputError
from weighbridge.planning.scaling.ladder import Rung
from weighbridge.pretraining.corpus import Bytes, Corpus
from weighbridge.pretraining.decoder import Decoder
from weighbridge.sources.regular_files import read_regular
from weighbridge.storage import replace_file, storage_errors

WARM_UP_SHARE = 0.1
WEIGHT_DECAY = 0.1
MOMENTUM = (0.9, 0.95)
LARGEST_GRADIENT = 1.0
UNEVEN_WEIGHT = 0.01
"""Weight of the experts' unevenness in the loss (Fedus et al. 2021, section 2.2)."""

WIDTH_OF_RATE = 64
"""Width for which the learning rate is stated; hidden weights of wider models get a lower one."""
VALIDATION_SEQUENCES = 1024
CHECKPOINT_SECONDS = 20.0
_LARGEST_CHECKPOINT_BYTES = 16 << 30  # read whole; a checkpoint is three times the weights


@dataclass(frozen=True)
class Trained:
    """Result of training one rung.

    Attributes:
        name: The rung's name.
        loss: Nats per byte on held-out text.
        loss_stderr: Standard error of the loss, over the held-out sequences.
        seconds: Seconds of training, summed over all attempts.
    """

    name: str
    loss: float
    loss_stderr: float
    seconds: float


def train(
    rung: Rung,
    corpus: Corpus,
    learning_rate: float,
    checkpoint: Path,
    on_tokens: Callable[[int], None],
) -> Trained:
    """Train a rung, or what is left of it, and measure its loss.

    Args:
        rung: The rung to train.
        corpus: The text.
        learning_rate: Peak learning rate, at a width of 64.
        checkpoint: File that an interrupted run resumes from; the caller removes it at the end.
        on_tokens: Called after each step with the number of tokens seen.

    Raises:
        InputError: The loss is no longer finite.
    """
    run = Run(rung, corpus.train, learning_rate, checkpoint)
    saved = time.perf_counter()
    while run.step < rung.steps:
        run.advance()
        on_tokens(run.step * rung.sequences * rung.context_tokens)
        if time.perf_counter() - saved > CHECKPOINT_SECONDS:
            run.save()
            saved = time.perf_counter()
    loss, stderr = validation_loss(run.model, corpus.validation, rung.context_tokens)
    if not math.isfinite(loss):
        raise InputError(
            f"{rung.name}: the loss is {loss} after {rung.steps} steps",
            "a learning rate at which training is stable",
            f"lower --learning-rate, which is {learning_rate:g}",
        )
    return Trained(rung.name, loss, stderr, run.seconds)


class Run:
    """A model that is being trained.

    Args:
        rung: The model's rung.
        text: The bytes that it learns.
        learning_rate: Peak learning rate, at a width of 64.
        checkpoint: File that training resumes from, if it exists.

    Attributes:
        model: The model.
        step: Number of steps made.
    """

    def __init__(self, rung: Rung, text: Bytes, learning_rate: float, checkpoint: Path) -> None:
        self.model = Decoder(rung.shape, rung.context_tokens, rung.seed)
        self._optimizer = _optimizer(self.model, learning_rate)
        self._peaks = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._rung, self._checkpoint = rung, checkpoint
        self.step, self._seconds_before = _restore(checkpoint, self.model, self._optimizer)
        self._batches = _batches(rung, text, self.step)
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        """Seconds of training, summed over all attempts."""
        return self._seconds_before + time.perf_counter() - self._started

    def advance(self, steps: int = 1) -> None:
        """Run optimizer steps."""
        for _ in range(steps):
            self.step += 1
            share = rate_share(self.step, self._rung.steps)
            for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
                group["lr"] = peak * share
            _learn(self.model, next(self._batches), self._optimizer)

    def save(self) -> None:
        """Write a checkpoint."""
        _save(self._checkpoint, self.model, self._optimizer, self.step, self.seconds)


def rate_share(step: int, steps: int) -> float:
    """Return the learning rate of a 1-based step over its peak: up linearly, then down to 0.

    Each rung has a schedule that ends with its own run. Losses taken halfway through a schedule of
    a longer run are too high, and a law fitted to them mistakes that for an effect of scale
    (Hoffmann et al. 2022, appendix B).
    """
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    if step <= warm_up:
        return step / warm_up
    return (steps - step + 1) / (steps - warm_up + 1)


@torch.no_grad()
def validation_loss(model: Decoder, text: Bytes, context_tokens: int) -> tuple[float, float]:
    """Return the mean loss over evenly spaced sequences, and its standard error."""
    count = min(VALIDATION_SEQUENCES, (len(text) - 1) // context_tokens)
    starts = np.linspace(0, len(text) - 1 - context_tokens, count).astype(np.int64)
    losses = []
    for part in np.array_split(starts, max(1, count // 32)):
        inputs, targets = _sequences(text, part, context_tokens)
        logits, _ = model(inputs)
        each = F.cross_entropy(logits, targets, reduction="none")
        losses.append(each.view(len(part), -1).double().mean(1))
    everything = torch.cat(losses)
    return float(everything.mean()), float(everything.std() / math.sqrt(count))


def _optimizer(model: Decoder, learning_rate: float) -> torch.optim.AdamW:
    """Return AdamW; only hidden weights decay, and their rate falls with the width."""
    hidden: list[Tensor] = []
    others: list[Tensor] = []
    for name, parameter in model.named_parameters():
        is_matrix = parameter.ndim > 1 and name != "embedding"
        (hidden if is_matrix else others).append(parameter)
    scaled = learning_rate * WIDTH_OF_RATE / model.shape.hidden
    groups = [
        {"params": hidden, "lr": scaled, "weight_decay": WEIGHT_DECAY},
        {"params": others, "lr": learning_rate, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, betas=MOMENTUM, eps=1e-10, fused=True)


def _learn(model: Decoder, batch: tuple[Tensor, Tensor], optimizer: torch.optim.AdamW) -> None:
    inputs, targets = batch
    logits, uneven = model(inputs)
    (F.cross_entropy(logits, targets) + UNEVEN_WEIGHT * uneven).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), LARGEST_GRADIENT, foreach=True)
    optimizer.step()
    optimizer.zero_grad()


def _batches(rung: Rung, text: Bytes, done: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the batches after `done` steps; an epoch goes over all sequences, shuffled anew."""
    length = rung.context_tokens
    sequences = (len(text) - 1) // length
    epoch, order = -1, np.empty(0, np.int64)
    for step in range(done, rung.steps):
        starts = []
        for at in range(step * rung.sequences, (step + 1) * rung.sequences):
            if at // sequences != epoch:
                epoch = at // sequences
                order = np.random.default_rng((rung.seed, epoch)).permutation(sequences)
            starts.append(order[at % sequences] * length)
        yield _sequences(text, np.array(starts), length)


def _sequences(text: Bytes, starts: np.ndarray, length: int) -> tuple[Tensor, Tensor]:
    """Return inputs, (sequences, length), and the bytes that follow each, flat."""
    rows = torch.from_numpy(text[starts[:, None] + np.arange(length + 1)].astype(np.int64))
    return rows[:, :-1], rows[:, 1:].reshape(-1)


def _save(
    path: Path, model: Decoder, optimizer: torch.optim.AdamW, step: int, seconds: float
) -> None:
    tensors = {f"value/{name}": p.detach() for name, p in model.named_parameters()}
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state[parameter].items():
            tensors[f"{key}/{name}"] = value
    tensors["progress"] = torch.tensor([step, seconds], dtype=torch.float64)
    with storage_errors(path):
        replace_file(path, save({name: value.contiguous() for name, value in tensors.items()}))


def _restore(path: Path, model: Decoder, optimizer: torch.optim.AdamW) -> tuple[int, float]:
    """Return the step that a checkpoint was saved after, and its seconds; 0 where none is."""
    if not path.exists():
        return 0, 0.0
    with storage_errors(path):
        data = read_regular(path, _LARGEST_CHECKPOINT_BYTES, "a checkpoint of a small model")
    try:
        tensors = load(data)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                parameter.copy_(tensors[f"value/{name}"])
                optimizer.state[parameter] = {
                    key: tensors[f"{key}/{name}"] for key in ("step", "exp_avg", "exp_avg_sq")
                }
        return int(tensors["progress"][0]), float(tensors["progress"][1])
    except (SafetensorError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{path} is no checkpoint of this model",
            "what this command wrote",
            "remove the file, and that model starts again",
        ) from error
