"""Until when a report is to be acknowledged, judged and published, from its sealed dates.

Days are of 24 hours from the moment the report was received. A reporter waits at most three days to
hear that it arrived, and ten to hear what is thought of it. Nothing is published for ninety days,
so that the flaw can be mended; for seven where it is already being used to do harm; and for none
where nobody may hold the content.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

ACKNOWLEDGE_DAYS, TRIAGE_DAYS, EMBARGO_DAYS, EXPLOITED_DAYS = 3, 10, 90, 7
ClockName = Literal["acknowledge", "triage", "publish"]
ClockState = Literal["met", "late", "running", "overdue"]


@dataclass(frozen=True)
class Clock:
    """One of a report's clocks.

    Attributes:
        name: What is to be done; the advisory is not to be published before the last one's end.
        due: Until when.
        done: When it was done; None where it was not.
        state: Met in time or late; running, or overdue.
    """

    name: ClockName
    due: datetime
    done: datetime | None
    state: ClockState


def embargo_days(exploited: bool, no_content: bool) -> int:
    """Return how many days nothing is published."""
    if no_content:
        return 0
    return EXPLOITED_DAYS if exploited else EMBARGO_DAYS


def clock(
    name: ClockName, received: datetime, days: int, done: datetime | None, now: datetime
) -> Clock:
    """Return one clock as it stands now."""
    due = received + timedelta(days=days)
    state: ClockState
    if done is not None:
        state = "met" if done <= due else "late"
    else:
        state = "running" if now <= due else "overdue"
    return Clock(name, due, done, state)
