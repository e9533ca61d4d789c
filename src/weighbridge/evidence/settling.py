"""Decides whether a further change of a file would give it another time of change."""

import time

_TICK_NS, _SECOND_NS = 50_000_000, 1_000_000_000


def settled(changed_ns: int) -> bool:
    """Whether a change from now on would get a later time than the given one.

    File systems store times in steps: of the kernel's clock, or of one or two seconds where they
    store no fractions. A second change within the same step leaves the time as it is, so a note
    taken between the two changes would wrongly match the file after the second one.

    Args:
        changed_ns: The latest of the file's times of change, in nanoseconds.
    """
    step = 2 * _SECOND_NS if changed_ns % _SECOND_NS == 0 else _TICK_NS
    return time.time_ns() - changed_ns > step
