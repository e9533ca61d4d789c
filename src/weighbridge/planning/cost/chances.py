"""The probability that the candidate is so many times cheaper, from its throughput's interval.

Only the throughput is uncertain here: it is taken as log-normal, with the forecast's interval on
either side of its middle. Prices and load are as they are assumed; `sensitivity` varies those.
"""

from collections.abc import Callable
from math import exp, log
from statistics import NormalDist

_QUANTILES = 199
_BOUND = NormalDist().inv_cdf(0.975)


def likely_rates(middle: float, interval: tuple[float, float]) -> list[float]:
    """Return rates that are equally likely.

    >>> rates = likely_rates(100.0, (50.0, 200.0))
    >>> round(rates[99]), round(sum(50 < rate < 200 for rate in rates) / len(rates), 2)
    (100, 0.95)

    Args:
        middle: The forecast.
        interval: Its 95 % interval.
    """
    low, high = (log(end / middle) / _BOUND for end in interval)
    found = []
    for step in range(_QUANTILES):
        z = NormalDist().inv_cdf((step + 1) / (_QUANTILES + 1))
        found.append(middle * exp(z * (abs(low) if z < 0 else high)))
    return found


def chance(
    usd_at: Callable[[float], float], rates: list[float], paid: float, times: float = 1.0
) -> float:
    """Return how likely the candidate costs at most `paid` / `times`.

    Args:
        usd_at: What a request costs with the candidate, by its rate.
        rates: Rates that are equally likely.
        paid: What a request costs otherwise.
        times: How many times cheaper it is to be.
    """
    return sum(times * usd_at(rate) <= paid for rate in rates) / len(rates)
