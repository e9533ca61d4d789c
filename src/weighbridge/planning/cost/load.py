"""What a log's hourly load means for a deployment: peaks, idle hours, how not to pay for them.

A deployment of one's own is paid for in every hour, and has to be large enough for the busiest one.
Four ways to run it are compared:

    for the peak     as many deployments as the busiest hour takes, all the time
    by the hour      as many as each hour takes, but at least one
    scale to zero    one from when requests come until a while after the last one, and its start;
                     more where an hour takes more
    shared           a share of deployments that others' requests fill up

The log is repeated over a month as it is: a log of an hour tells nothing about the night.
"""

from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

from weighbridge.planning.cost.hosting import HOURS_A_MONTH, Hosting
from weighbridge.planning.serving.trace import Trace

IDLE_SECONDS = 300.0
"""How long a deployment that scales to zero waits for another request."""
START_SECONDS = 120.0
"""Seconds that a deployment takes to start, and that are paid for: an assumption; measure yours."""
SHARED_UTILIZATION = 0.6
"""Share of a shared deployment's capacity that all who share it use: an assumption."""


@dataclass(frozen=True)
class Hour:
    """One hour of a log, counted from its first request; the last one may be shorter.

    Attributes:
        hours: Length in hours.
        requests: Requests that arrived.
        input_tokens: Tokens of their prompts.
        output_tokens: Tokens of their answers.
        deployments: How many deployments their work fills: 0.5 is half of one.
    """

    hours: float
    requests: int
    input_tokens: float
    output_tokens: float
    deployments: float


@dataclass(frozen=True)
class WayToRun:
    """A way to run the deployments under a load, such as around the clock, or only while asked.

    Attributes:
        name: Such as "scale to zero".
        deployments: Deployments that are paid for, on the average.
        usd_per_month: Rent and fixed costs.
        how: What it means, and what it assumes.
    """

    name: str
    deployments: float
    usd_per_month: float
    how: str


@dataclass(frozen=True)
class HourlyLoad:
    """A log, hour by hour.

    Attributes:
        hours: The hours.
        seconds: From the first request to the last.
        requests_per_month: At the log's mean rate.
        utilization: Share of one deployment's capacity that the log uses, on the average; above 1
            it takes several.
        peak: The same in the busiest hour.
        ways: Ways to run it.
    """

    hours: tuple[Hour, ...]
    seconds: float
    requests_per_month: float
    utilization: float
    peak: float
    ways: tuple[WayToRun, ...]

    @property
    def peak_deployments(self) -> int:
        """Deployments that the busiest hour takes."""
        return max(1, ceil(self.peak - 1e-9))

    @property
    def peak_over_mean(self) -> float:
        """How many times the mean load the busiest hour's is."""
        return self.peak / self.utilization if self.utilization else 1.0


def hourly_load(log: Trace, hosting: Hosting, tokens_per_second: float) -> HourlyLoad | None:
    """Return a log's load hour by hour; None where it has no times.

    Args:
        log: The requests.
        hosting: One deployment.
        tokens_per_second: Output tokens a second of one deployment at full load.
    """
    if not log.seconds:
        return None
    hours = _hours(log, tokens_per_second)
    whole = sum(one.hours for one in hours)
    used = sum(one.deployments * one.hours for one in hours) / whole
    return HourlyLoad(
        hours=hours,
        seconds=log.seconds,
        requests_per_month=log.requests / log.seconds * 3600 * HOURS_A_MONTH,
        utilization=used,
        peak=max(one.deployments for one in hours),
        ways=_ways(log, hosting, hours, used),
    )


def _hours(log: Trace, tokens_per_second: float) -> tuple[Hour, ...]:
    since = log.times - log.times.min()
    index = np.minimum(since // 3600, max(0, ceil(log.seconds / 3600) - 1)).astype(int)
    count = int(index.max()) + 1
    sums = [np.bincount(index, kind, count) for kind in (log.inputs, log.outputs)]
    requests = np.bincount(index, minlength=count)
    found = []
    for i in range(count):
        length = min(1.0, log.seconds / 3600 - i)
        work = float(sums[1][i]) / tokens_per_second / 3600 / length
        found.append(Hour(length, int(requests[i]), float(sums[0][i]), float(sums[1][i]), work))
    return tuple(found)


def _ways(
    log: Trace, hosting: Hosting, hours: tuple[Hour, ...], used: float
) -> tuple[WayToRun, ...]:
    whole = sum(one.hours for one in hours)
    peak = max(1, ceil(max(one.deployments for one in hours) - 1e-9))
    by_hour = sum(max(1, ceil(one.deployments - 1e-9)) * one.hours for one in hours) / whole
    awake = _awake_share(np.sort(log.times), log.seconds)
    more = sum(max(0, ceil(one.deployments - 1e-9) - 1) * one.hours for one in hours) / whole

    def way(name: str, deployments: float, how: str) -> WayToRun:
        rent = deployments * hosting.usd_per_hour * HOURS_A_MONTH
        return WayToRun(name, deployments, rent + hosting.fixed_usd_per_month, how)

    return (
        way("for the peak", float(peak), "as many as the busiest hour takes, all the time"),
        way("by the hour", by_hour, "as many as each hour takes, at least one"),
        way(
            "scale to zero",
            awake + more,
            f"off {IDLE_SECONDS:.0f} s after the last request; a start takes {START_SECONDS:.0f} s "
            f"(assumed), which the first request waits for",
        ),
        way(
            "shared",
            used / SHARED_UTILIZATION,
            f"others' requests fill it up to {SHARED_UTILIZATION:.0%} (assumed)",
        ),
    )


def _awake_share(times: npt.NDArray[np.float64], seconds: float) -> float:
    """Return the share of the time in which a deployment runs that scales to zero."""
    gaps = np.diff(times)
    slept = np.maximum(0.0, gaps - IDLE_SECONDS - START_SECONDS).sum()
    return float(1 - slept / seconds)
