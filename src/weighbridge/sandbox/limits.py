"""What jailed code may use, and how it ended."""

import math
from dataclasses import dataclass
from typing import Literal

from weighbridge.sandbox.jail import Level

Outcome = Literal["passed", "failed", "timed_out", "output_limit", "infrastructure"]


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
        wall_seconds: From its start; then everything in the jail is killed.
        cpu_seconds: Processor time; raised to what `wall_seconds` needs on one core.
        memory_bytes: Address space.
        file_bytes: Largest file; all of /tmp may hold twice that.
        output_bytes: Text written; more ends the program.
        processes: Threads, where a user's are counted; for root, none but the first may start.
        open_files: Open descriptors.
    """

    wall_seconds: float = 3.0
    cpu_seconds: int = 10
    memory_bytes: int = 1 << 30
    file_bytes: int = 16 << 20
    output_bytes: int = 1 << 20
    processes: int = 64
    open_files: int = 64

    def numbers(self) -> tuple[int, ...]:
        """Return what a process imposes on itself, in the order in which `confine` takes it."""
        cpu = max(self.cpu_seconds, math.ceil(2 * self.wall_seconds) + 2)
        return (cpu, self.memory_bytes, self.file_bytes, self.processes, self.open_files)


@dataclass(frozen=True)
class Execution:
    """How a program ended.

    Attributes:
        outcome: `passed` only on proof; `infrastructure` if the jail or the test itself failed.
        exit_code: Of the jail; negative for a signal, None where it was not waited for.
        output: The beginning of what it wrote.
        error: What the test or the program failed on.
        wall_seconds: Time taken.
        level: How far this outcome can be trusted.
    """

    outcome: Outcome
    exit_code: int | None
    output: str
    error: str
    wall_seconds: float
    level: Level
