"""No worse than the base on what tuning should not touch."""

from weighbridge.release.gate import Gate
from weighbridge.release.paired import non_inferior

GATE = Gate(
    "retention",
    "Did tuning leave what it was not about?",
    lambda case: non_inferior(case, case.policy.retention),
)
