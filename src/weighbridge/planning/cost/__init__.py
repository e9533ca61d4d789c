"""What a model costs to run oneself, against what an API charges.

`Hosting` is a deployment that is paid for by the hour; `Workload` is what it is asked. All figures
are per request inside, and per million tokens (input and output together) where they are shown.
`compare` puts the four comparators side by side; `times_cheaper` is the article's claim; `answer`
answers a whole `Question`.
"""

from weighbridge.planning.cost.comparison import (
    ROLES,
    Accepted,
    Alternative,
    Demand,
    Priced,
    Role,
    compare,
)
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
from weighbridge.planning.cost.question import Answer, Question, Rate, answer
from weighbridge.planning.cost.workload import Workload, api_usd_per_request

__all__ = [
    "HOURS_A_MONTH",
    "MONTHS_IN_USE",
    "ROLES",
    "Accepted",
    "Alternative",
    "Answer",
    "BreakEven",
    "Demand",
    "Hosting",
    "Priced",
    "Question",
    "Rate",
    "Role",
    "Workload",
    "answer",
    "api_usd_per_request",
    "break_even",
    "busy_usd",
    "compare",
    "monthly_usd",
    "times_cheaper",
    "usd_per_request",
    "utilization_for",
]
