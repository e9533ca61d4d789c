"""Whether a file's time of change tells a later change apart."""

import time

_TICK_NS, _SECOND_NS = 50_000_000, 1_000_000_000


def settled(changed_ns: int) -> bool:
    """Whether a file that is changed from now on bears another time than this one.

    File systems keep times in steps: of the kernel's clock, or of one or two seconds where they
    store no fractions. What is noted of a file within the step in which it was changed may hold
    for the file before another change, too.

    Args:
        changed_ns: The latest of the file's times of change, in nanoseconds.
    """
    step = 2 * _SECOND_NS if changed_ns % _SECOND_NS == 0 else _TICK_NS
    return time.time_ns() - changed_ns > step
