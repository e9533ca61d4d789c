"""No worse than base and incumbent on what the release is for."""

from weighbridge.release.case import Case
from weighbridge.release.gate import Finding, Gate, every
from weighbridge.release.paired import non_inferior, non_inferior_to_incumbent


def _decide(case: Case) -> Finding:
    asked = case.policy.capability
    return every((non_inferior(case, asked), non_inferior_to_incumbent(case, asked)))


GATE = Gate("capability", "Is it no worse than its base, and than what it replaces?", _decide)
