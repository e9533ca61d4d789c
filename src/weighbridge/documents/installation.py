"""What is installed and what is missing: what `doctor` prints."""

from dataclasses import dataclass
from typing import Literal

from weighbridge.documents.form import Printed


@dataclass(frozen=True)
class InstallationCheck:
    """One thing that a command may need.

    Attributes:
        name: What was looked at.
        status: `degraded` works, but not for everything.
        found: What is there.
        needed_for: What does not work, or works worse, without it.
        fix: The command that mends it; empty where nothing needs mending.
    """

    name: str
    status: Literal["ok", "missing", "degraded"]
    found: str
    needed_for: str
    fix: str = ""


@dataclass(frozen=True, kw_only=True)
class InstallationDocument:
    """What is installed here.

    Attributes:
        healthy: Whether nothing is missing; what is degraded still works.
        checks: One each.
    """

    healthy: bool
    checks: tuple[InstallationCheck, ...]


PRINTED = (Printed("doctor", InstallationDocument),)
