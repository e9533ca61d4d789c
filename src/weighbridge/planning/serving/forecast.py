"""Forecasts one deployment: what fits, how fast it is, and how sure that is.

Speculative decoding, prefix caches, and prefill on separate accelerators are left out: the
measurements behind the forecast contain none of them, or such rows were left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import exp, inf, nan

import numpy as np

from weighbridge.catalog.accelerators import Accelerator
from weighbridge.errors import InputError
from weighbridge.planning.serving.batches import (
    Demand,
    multiplying_share,
    served_batch,
    step_seconds,
)
from weighbridge.planning.serving.costs import (
    RESERVED_BYTES,
    USABLE,
    Costs,
    ceiling,
    cost_of,
    held_weights,
    largest_batch,
    mean_context,
    prefill_seconds,
)
from weighbridge.planning.serving.efficiency import Calibration, Cell, labels_of
from weighbridge.planning.serving.footprint import Footprint
from weighbridge.planning.serving.layout import (
    Layout,
    check_tensor_parallel,
    possible_layouts,
)
from weighbridge.planning.serving.measurements import Latency, group_of

SERVER_LIMIT = Latency(2.0, 0.2)
"""Default limits of a server: MLPerf's for Llama-2-70B.

The batch is chosen to keep the limit for each token. The time to a first token is only stated,
because it is not known well enough.
"""


MOST_MEASURED_REQUESTS = 1024
"""Largest number of requests at once for which the time to a first token was measured."""


@dataclass(frozen=True)
class Deployment:
    """The deployment that a forecast is for.

    Attributes:
        model: The model at a precision.
        name: The model's name in the catalog, for its own effect; "" for another model.
        machine: The accelerator.
        accelerators: Number of accelerators.
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        concurrency: Requests at once, over all groups; None for as many as fit.
        tensor: Tensor-parallel degree; None for the best.
        as_of: Today; the age of measurements is counted from it.
        spread: Standard deviation of answers' lengths divided by their mean.
    """

    model: Footprint
    name: str
    machine: Accelerator
    accelerators: int
    input_tokens: float
    output_tokens: float
    concurrency: int | None
    tensor: int | None
    as_of: date
    spread: float = 0.0

    @property
    def context_tokens(self) -> int:
        """Mean number of tokens of a running sequence."""
        return mean_context(self.input_tokens, self.output_tokens, self.spread)


@dataclass(frozen=True)
class Speed:
    """A rate under one condition.

    Attributes:
        tokens_per_second: Output tokens a second of all accelerators.
        interval: 95 % interval of `tokens_per_second`.
        batch: Mean number of sequences at once in each group.
        first_seconds: Mean time to a first token, known to a factor of about three; None for a
            batch larger than any for which it was measured.
        each_seconds: Mean time of each later token.
        at_ceiling: Whether the rate is that of the roofline, because the forecast was above it.
    """

    tokens_per_second: float
    interval: tuple[float, float]
    batch: float
    first_seconds: float | None
    each_seconds: float
    at_ceiling: bool


@dataclass(frozen=True)
class Plan:
    """A deployment's forecast.

    Attributes:
        deployment: The deployment that was asked about.
        layout: The fastest layout.
        weights: Bytes of weights on one accelerator.
        sequence: Bytes of one sequence's cache at its mean length, on all accelerators of a group.
        free: Bytes of one accelerator left for the cache.
        largest_batch: Number of sequences that a group holds at once.
        offline: Speed with all requests waiting at the beginning.
        server: Speed with requests that arrive at random, under `limit`.
        limit: Latency limits of the server.
        ceiling: The roofline's rate for `offline`.
        support: calibrated, neighbouring or outside.
        cell: The measured cell that the forecast rests on; None if there is none.
        age_days: Age of the cell's newest measurement.
    """

    deployment: Deployment
    layout: Layout
    weights: float
    sequence: float
    free: float
    largest_batch: float
    offline: Speed
    server: Speed
    limit: Latency
    ceiling: float
    support: str
    cell: Cell | None
    age_days: int


def plan(asked: Deployment, constants: Calibration, limit: Latency = SERVER_LIMIT) -> Plan:
    """Forecast a deployment with the fastest layout that holds the model.

    Raises:
        InputError: The model can't fit, or the tensor-parallel degree is impossible.
    """
    layouts = _layouts(asked)
    costs = [_cost(asked, layout) for layout in layouts]
    fitting = [i for i, cost in enumerate(costs) if cost.max_batch >= 1]
    if not fitting:
        raise _too_large(asked, layouts)
    speeds = [speed(asked, layouts[i], costs[i], constants) for i in fitting]
    best = max(range(len(fitting)), key=lambda i: speeds[i].tokens_per_second)
    layout, cost = layouts[fitting[best]], costs[fitting[best]]
    kind = asked.model.kind, asked.machine.name, asked.model.precision.name
    support, cell = constants.support(*kind)
    context = asked.context_tokens
    servers = [speed(asked, layouts[i], costs[i], constants, limit) for i in fitting]
    return Plan(
        deployment=asked,
        layout=layout,
        weights=held_weights(asked.model, layout),
        sequence=asked.model.sequence_bytes(context),
        free=asked.machine.memory_bytes * USABLE
        - RESERVED_BYTES
        - held_weights(asked.model, layout),
        largest_batch=largest_batch(asked.model, asked.machine, layout, context),
        offline=speeds[best],
        server=max(servers, key=lambda one: one.tokens_per_second),
        limit=limit,
        ceiling=float(ceiling(cost, speeds[best].batch)),
        support=support,
        cell=cell,
        age_days=(asked.as_of - _rests_on(cell, constants)).days,
    )


def speed(
    asked: Deployment,
    layout: Layout,
    cost: Costs,
    constants: Calibration,
    limit: Latency | None = None,
    batch: float | None = None,
) -> Speed:
    """Forecast one layout.

    Args:
        asked: The deployment.
        layout: How the model is spread.
        cost: Costs of a step in this layout.
        constants: The calibrated constants.
        limit: Latency limits of a server whose requests arrive at random; None offline.
        batch: Number of sequences in a group; None computes it from the demand.
    """
    requests = nan if asked.concurrency is None else float(asked.concurrency)
    each = nan if limit is None else limit.each
    demand = Demand(requests, each, float(limit is not None))
    if batch is None:
        batch = float(served_batch(cost, demand, constants.rates))
    step = float(step_seconds(cost, batch, constants.rates))
    factor = _factor(asked, cost, batch, constants, limit)
    roof = float(ceiling(cost, batch))
    rate = min(layout.replicas * batch / step * factor, roof)
    half = _half_width(asked, constants)
    own = asked.input_tokens * float(prefill_seconds(cost, constants.rates)) + step
    first = constants.first_token
    return Speed(
        tokens_per_second=rate,
        interval=(rate * exp(-half), min(rate * exp(half), max(roof, rate))),
        batch=batch,
        first_seconds=own / factor * first.scale * batch**first.power
        if batch * layout.replicas <= MOST_MEASURED_REQUESTS
        else None,
        each_seconds=layout.replicas * batch / rate,
        at_ceiling=rate >= roof,
    )


def largest_batch_within(
    asked: Deployment, layout: Layout, constants: Calibration, limit: Latency
) -> tuple[float, Speed] | None:
    """Return the largest batch of a group whose mean latencies keep to a limit; None for none."""
    cost = _cost(asked, layout)
    if cost.max_batch < 1:
        return None

    def within_limit(batch: int) -> bool:
        found = speed(asked, layout, cost, constants, batch=float(batch))
        first = inf if found.first_seconds is None else found.first_seconds
        return found.each_seconds <= limit.each and first <= limit.first

    low, high = 0, int(cost.max_batch)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if within_limit(middle) else (low, middle - 1)
    if low == 0:
        return None
    return float(low), speed(asked, layout, cost, constants, batch=float(low))


def candidate_layouts(asked: Deployment) -> Sequence[Layout]:
    """Return the layouts that are tried.

    Raises:
        InputError: The tensor-parallel degree is impossible.
    """
    return _layouts(asked)


def _layouts(asked: Deployment) -> list[Layout]:
    architecture = asked.model.architecture
    if asked.tensor is not None:
        check_tensor_parallel(architecture, asked.tensor, asked.accelerators)
    found = list(possible_layouts(architecture, asked.accelerators))
    if asked.tensor is not None:
        found = [o for o in found if o.tensor == asked.tensor and not o.data_attention]
    return found


def _cost(asked: Deployment, layout: Layout) -> Costs:
    return cost_of(
        asked.model, asked.machine, layout, asked.input_tokens, asked.output_tokens, asked.spread
    )


def _factor(
    asked: Deployment,
    cost: Costs,
    batch: float,
    constants: Calibration,
    limit: Latency | None,
) -> float:
    share = float(np.asarray(multiplying_share(cost, batch, constants.rates)))
    labels = labels_of(
        asked.model.kind,
        asked.machine.name,
        asked.model.precision.name,
        group_of(asked.name),
        "" if limit is None else "server",
    )
    return constants.factor(labels, share, asked.as_of)


def _half_width(asked: Deployment, constants: Calibration) -> float:
    support, cell = constants.support(
        asked.model.kind, asked.machine.name, asked.model.precision.name
    )
    return constants.half_width(support, _rests_on(cell, constants), asked.as_of)


def _rests_on(cell: Cell | None, constants: Calibration) -> date:
    return constants.newest if cell is None else cell.newest


def _too_large(asked: Deployment, layouts: Sequence[Layout]) -> InputError:
    """Return the error for a model that can't fit, with how many accelerators it would need."""
    least = min(held_weights(asked.model, layout) for layout in layouts)
    room = asked.machine.memory_bytes * USABLE - RESERVED_BYTES
    usable = max(1.0, room)
    needed = 1
    while needed < 4096 and asked.model.weight_bytes / needed > usable * 0.95:
        needed *= 2
    return InputError(
        f"{asked.model.weight_bytes / 1e9:.1f} GB of weights in {asked.model.precision.name} and "
        f"one sequence's cache do not fit: "
        f"{least / 1e9:.1f} GB for each of {asked.accelerators} x {asked.machine.name}, which has "
        f"{room / 1e9:.1f} GB beside what the engine takes",
        f"--gpus {needed} or more, or another --precision",
    )
