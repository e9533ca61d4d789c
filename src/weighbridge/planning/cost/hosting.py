"""What a deployment costs that is paid for by the hour, whether it works or not.

With a rent R a month, fixed costs F a month, a capacity of C requests a month and an API's price p
for a request:

    self-hosted, per request     (R + F) / (u C)          u: share of the capacity that is used
    k times cheaper than the API  u >= k (R + F) / (C p)
    break-even                    (n R + F) / p requests a month, with the fewest deployments n that
                                  can serve them: n (C p - R) >= F; none exists where C p <= R

Fixed costs are operations, and what was spent once (tuning, evaluation, red-teaming) divided by the
months that the model is in use. A model that is replaced after six months has to earn that back in
six months.
"""

from dataclasses import dataclass
from math import ceil, inf

HOURS_A_MONTH = 730
MONTHS_IN_USE = 6.0
"""Months that a model is in use unless the user says otherwise.

81 % of the tokens of one gateway ran on models that did not exist six months before
(https://vercel.com/i/self-hosted-llm).
"""


@dataclass(frozen=True)
class Hosting:
    """A deployment that is paid for by the hour.

    Attributes:
        usd_per_hour: Rent of the whole deployment, all its accelerators together.
        seconds_per_request: Time of the deployment that a request takes at full load: output
            tokens of a request over output tokens a second.
        operations_usd_per_month: People and services that keep it running.
        once_usd: Spent once: tuning, evaluation, red-teaming.
        months: Months in use, over which `once_usd` is spread.
    """

    usd_per_hour: float
    seconds_per_request: float
    operations_usd_per_month: float = 0.0
    once_usd: float = 0.0
    months: float = MONTHS_IN_USE

    @property
    def fixed_usd_per_month(self) -> float:
        """Costs that do not depend on the number of deployments."""
        return self.operations_usd_per_month + self.once_usd / self.months

    @property
    def requests_per_month(self) -> float:
        """Requests that it serves in a month at full load."""
        seconds = self.seconds_per_request
        return HOURS_A_MONTH * 3600 / seconds if seconds else inf


@dataclass(frozen=True)
class BreakEven:
    """The volume from which on self-hosting costs no more than the API.

    Attributes:
        requests_per_month: The volume; None where no volume suffices.
        deployments: Deployments that serve that volume; 1 where no volume suffices.
        utilization: Share of their capacity that the volume uses. Above 1 it is what a single
            deployment would need, and no volume suffices; None where the API costs nothing.
    """

    requests_per_month: float | None
    deployments: int
    utilization: float | None


def busy_usd(hosting: Hosting) -> float:
    """Return the rent for the time that one request takes at full load."""
    return hosting.seconds_per_request * hosting.usd_per_hour / 3600


def monthly_usd(hosting: Hosting, deployments: int = 1) -> float:
    """Return what a month costs, used or not."""
    return deployments * hosting.usd_per_hour * HOURS_A_MONTH + hosting.fixed_usd_per_month


def usd_per_request(hosting: Hosting, utilization: float = 1.0) -> float:
    """Return what a request costs where this share of the capacity is used."""
    fixed = hosting.fixed_usd_per_month / hosting.requests_per_month
    return (busy_usd(hosting) + fixed) / utilization


def deployments_for(hosting: Hosting, requests_per_month: float, peak: float = 1.0) -> int:
    """Return how many deployments serve a volume whose busiest hour has `peak` times the mean."""
    return max(1, ceil(requests_per_month * peak / hosting.requests_per_month - 1e-9))


def usd_at_volume(hosting: Hosting, requests_per_month: float, peak: float = 1.0) -> float:
    """Return what a request costs at a volume, with as many deployments as its peak takes."""
    count = deployments_for(hosting, requests_per_month, peak)
    return monthly_usd(hosting, count) / requests_per_month


def times_cheaper(hosting: Hosting, api_usd: float, utilization: float = 1.0) -> float:
    """Return how many times cheaper than an API: the article's "5-10x cheaper at scale".

    >>> two_h100 = Hosting(usd_per_hour=2 * 2.5, seconds_per_request=1000 / 4205)
    >>> round(times_cheaper(two_h100, api_usd=12.5e-3))
    38

    Args:
        hosting: The deployment.
        api_usd: What the API charges for the same request.
        utilization: Share of the capacity that is used.
    """
    own = usd_per_request(hosting, utilization)
    return api_usd / own if own else inf


def utilization_for(hosting: Hosting, api_usd: float, times: float = 1.0) -> float | None:
    """Return the utilization at which it is so many times cheaper than an API.

    Above 1 it never is; None where the API costs nothing.
    """
    return times * usd_per_request(hosting) / api_usd if api_usd else None


def break_even(hosting: Hosting, api_usd: float) -> BreakEven:
    """Return the volume from which on the API costs more.

    Several deployments share the fixed costs. So where a single one is full before it pays, several
    may still pay, if the rent alone is below the API's price.
    """
    rent = hosting.usd_per_hour * HOURS_A_MONTH
    at_full_load = hosting.requests_per_month * api_usd
    if not api_usd or at_full_load < rent:
        return BreakEven(None, 1, utilization_for(hosting, api_usd))
    fixed = hosting.fixed_usd_per_month
    if fixed and at_full_load == rent:
        return BreakEven(None, 1, utilization_for(hosting, api_usd))
    count = max(1, ceil(fixed / (at_full_load - rent) - 1e-9)) if fixed else 1
    requests = (count * rent + fixed) / api_usd
    return BreakEven(requests, count, requests / (count * hosting.requests_per_month))
