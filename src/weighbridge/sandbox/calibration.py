"""Wall limits that follow the machine's speed, so that a slow machine doesn't change a score.

What runs out of time is run once more, alone, with a limit measured then and there: a multiple of
what the reference solution takes on this machine, and never less than the limit asked for. Where
there is no reference, it is run alone with the same limit: a program that uses all of the machine
may then cost itself the verdict, but not its neighbours.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from weighbridge.sandbox.limits import Execution, Limits

SLACK = 20.0  # times as long as the reference solution, its jail included, may be needed
LONGEST_SECONDS = 60.0  # a reference that needs longer says something is wrong with the machine


class Lanes:
    """Many may run beside each other, or one alone."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._running, self._waiting = 0, 0

    @contextmanager
    def beside_others(self) -> Iterator[None]:
        """Run together with whoever does the same."""
        with self._changed:
            # Who wants to be alone goes first, or a busy run would never let it.
            self._changed.wait_for(lambda: self._running >= 0 and not self._waiting)
            self._running += 1
        try:
            yield
        finally:
            with self._changed:
                self._running -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run while nothing else does."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: self._running == 0)
            self._waiting -= 1
            self._running = -1
        try:
            yield
        finally:
            with self._changed:
                self._running = 0
                self._changed.notify_all()


_lanes = Lanes()


def run_calibrated(
    run: Callable[[str, Limits], Execution], program: str, reference: str, limits: Limits
) -> Execution:
    """Run a program with the time that this machine needs.

    Args:
        run: Runs a program, such as `run_python`, or `check_function` with its test filled in.
        program: What to run.
        reference: A program that passes, such as a benchmark's canonical solution; "" if unknown.
        limits: What the program may use; `wall_seconds` is the least.

    Returns:
        `infrastructure` where not even the reference passes here.

    Raises:
        SandboxUnavailable: This machine does not reach the level that `run` needs.
    """
    with _lanes.beside_others():
        done = run(program, limits)
    if done.outcome != "timed_out":
        return done
    with _lanes.alone():
        if not reference:
            return run(program, limits)
        known = run(
            reference, replace(limits, wall_seconds=max(LONGEST_SECONDS, limits.wall_seconds))
        )
        if known.outcome != "passed":
            why = f"the reference solution {known.outcome} here: {known.error}"
            return replace(known, outcome="infrastructure", error=why)
        wall = max(limits.wall_seconds, SLACK * known.wall_seconds)
        return run(program, replace(limits, wall_seconds=wall))
