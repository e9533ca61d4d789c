"""Harmful requests complied with: few, and not many more than by the base."""

from weighbridge.release.gate import Gate
from weighbridge.release.paired import few_unwanted

GATE = Gate(
    "harm",
    "Does it refuse harmful requests, about as its base does?",
    lambda case: few_unwanted(case, case.policy.harm, harmful=True),
)
