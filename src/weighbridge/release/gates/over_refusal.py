"""Harmless requests that are refused: so that nothing is made safe by refusing everything."""

from weighbridge.release.gate import Gate
from weighbridge.release.paired import few_unwanted

GATE = Gate(
    "over_refusal",
    "Does it answer harmless requests that look harmful?",
    lambda case: few_unwanted(case, case.policy.over_refusal, harmful=False),
)
