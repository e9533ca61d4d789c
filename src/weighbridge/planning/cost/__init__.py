"""What a model costs to run oneself, against what an API charges.

`Hosting` is a deployment that is paid for by the hour; `Workload` is what it is asked. All figures
are per request inside, and per million tokens (input and output together) where they are shown.
`compare` puts the four comparators side by side; `times_cheaper` is the article's claim.
"""

from weighbridge.planning.cost.hosting import (
    HOURS_A_MONTH,
    MONTHS_IN_USE,
    BreakEven,
    Hosting,
    break_even,
    busy_usd,
    monthly_usd,
    times_cheaper,
    usd_per_request,
    utilization_for,
)
from weighbridge.planning.cost.workload import Workload, api_usd_per_request

__all__ = [
    "HOURS_A_MONTH",
    "MONTHS_IN_USE",
    "BreakEven",
    "Hosting",
    "Workload",
    "api_usd_per_request",
    "break_even",
    "busy_usd",
    "monthly_usd",
    "times_cheaper",
    "usd_per_request",
    "utilization_for",
]
