"""One optimizer step, in two halves: add gradients up, then apply them."""

import math
import threading
from collections.abc import Sequence

import torch

from weighbridge.tuning.batches import Batch
from weighbridge.tuning.job import Job
from weighbridge.tuning.rewards import RewardPair


class Stopped(Exception):
    """Ctrl-C, noticed between two forward passes: values and moments are those of a whole step."""


def add_gradients(
    job: Job,
    passes: Sequence[Batch],
    stopping: threading.Event | None = None,
    rewards: list[RewardPair] | None = None,
) -> float:
    """Add up the gradients of a step's passes; return its loss, the mean over its terms.

    Args:
        job: The run.
        passes: Its forward passes.
        stopping: Set where the step is to be given up.
        rewards: Gets those of the step's pairs.

    Raises:
        Stopped: The event was set meanwhile; the gradients are removed.
    """
    terms = sum(map(job.objective.targets, passes))
    loss = 0.0
    for batch in passes:
        _require_going_on(job, stopping)
        part = job.objective.loss(job.model, batch, rewards) / terms
        part.backward()
        loss += part.item()
    _require_going_on(job, stopping)
    return loss


def _require_going_on(job: Job, stopping: threading.Event | None) -> None:
    if stopping is not None and stopping.is_set():
        job.optimizer.zero_grad()
        raise Stopped


def update(job: Job, rate: float) -> float:
    """Clip, apply AdamW at the given rate, and return the gradient's norm before clipping."""
    clip = job.settings.clip_norm or math.inf
    norm = torch.nn.utils.clip_grad_norm_(job.parameters.values(), clip)
    for group in job.optimizer.param_groups:
        group["lr"] = rate * group["rate_factor"]
    job.optimizer.step()
    job.optimizer.zero_grad()
    return float(norm)
