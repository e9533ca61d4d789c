"""Computes how many sequences run at once: all that fit, all that come, or as a limit allows."""

from dataclasses import dataclass

import numpy as np

from weighbridge.planning.serving.costs import (
    Costs,
    Number,
    Rates,
    decode_seconds,
    prefill_seconds,
)

HEADROOM = 0.7
"""Share of a per-token limit that the mean step may take, so that the slowest steps keep to it."""
STAFFING = 2.33
"""Standard deviations of a Poisson load for which there are free places: enough for 99 % of
arrivals."""
_HALVINGS = 12


@dataclass(frozen=True)
class Demand:
    """What is asked of a deployment; an array of measurements, or one number each.

    Attributes:
        concurrency: Requests at once, over all groups; NaN for as many as fit.
        each_seconds: Limit for each token, in seconds; NaN for none.
        arrivals: 1 where requests arrive at random, as at a server, else 0.
    """

    concurrency: Number
    each_seconds: Number
    arrivals: Number


def served_batch(costs: Costs, demand: Demand, rates: Rates) -> Number:
    """Return the mean batch of one group.

    Where requests arrive at random, the mean stays below the number of places by 2.33 times its own
    square root (square-root staffing), so that nearly all requests find a free place.
    """
    own = np.asarray(demand.concurrency) / costs.replicas
    batch = np.where(np.isnan(own), costs.max_batch, np.minimum(own, costs.max_batch))
    batch = np.maximum(batch, 1.0)
    limit = np.asarray(demand.each_seconds)
    batch = np.where(np.isnan(limit), batch, _within(costs, batch, limit * HEADROOM, rates))
    root = (np.sqrt(STAFFING**2 + 4 * batch) - STAFFING) / 2
    arriving = np.asarray(demand.arrivals) > 0
    return np.where(arriving, np.maximum(1.0, root**2), batch)


def step_seconds(costs: Costs, batch: Number, rates: Rates) -> Number:
    """Return the time between two tokens of a sequence, with other sequences' prompts between."""
    prompts = batch * costs.prompts * prefill_seconds(costs, rates)
    return decode_seconds(costs, batch, rates) + prompts


def multiplying_share(costs: Costs, batch: Number, rates: Rates) -> Number:
    """Return the share of a step spent on matrix products and the residual stream, in [0, 1]."""
    c = costs
    work = c.decode_flops / rates.decoding + c.expert_flops / rates.expert_multiplying
    own = work / c.flops + c.stream * rates.passes / c.bandwidth
    own = own + c.prompts * prefill_seconds(c, rates)
    return np.minimum(1.0, batch * own / step_seconds(c, batch, rates))


def _within(costs: Costs, most: Number, seconds: Number, rates: Rates) -> Number:
    """Return the largest batch whose steps take no longer than `seconds`; 1 where none does."""
    low, high = np.ones_like(np.asarray(most)), np.asarray(most)
    for _ in range(_HALVINGS):
        middle = np.sqrt(low * high)
        fits = step_seconds(costs, middle, rates) <= seconds
        low, high = np.where(fits, middle, low), np.where(fits, high, middle)
    return np.where(step_seconds(costs, high, rates) <= seconds, high, low)
