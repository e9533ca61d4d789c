"""When a proprietary model leaves its maker's API, as its maker announced."""

import re
from datetime import date

from weighbridge.catalog.published import catalogue

_DATED = r"(?:-\d{4}-?\d{2}-?\d{2})?"


def leaves_api_on(model: str) -> date | None:
    """Return the day on which a model leaves its maker's API; None where none is announced.

    >>> leaves_api_on("gpt-4o")
    datetime.date(2027, 1, 14)

    A name without a date stands for all versions of that name: the last one to leave counts.

    Args:
        model: As its maker calls it.
    """
    versions = re.compile(re.escape(model.lower()) + _DATED)
    days = [one.retires for name, one in catalogue().models.items() if versions.fullmatch(name)]
    announced = [day for day in days if day is not None]
    return max(announced) if announced and len(announced) == len(days) else None
