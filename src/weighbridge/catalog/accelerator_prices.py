"""What an hour of an accelerator costs: rows of ``accelerator_prices.json``, each with its day.

A source that tells only the month counts from its first day. Accelerators without a row have no
price that could be cited: then the user has to state one.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from weighbridge.catalog.accelerators import accelerator

_TABLE = Path(__file__).with_name("accelerator_prices.json")
BASES = ("rental", "neocloud", "hyperscaler")
"""Who pays what: who rents one, and the cost of ownership of a small and a large cloud."""


@dataclass(frozen=True)
class AcceleratorPrice:
    """The price of one accelerator for an hour.

    Attributes:
        accelerator: Its name.
        usd_per_hour: Dollars.
        basis: What it is: one of `BASES`, or "as given".
        day: The day that it is of.
        source: Where it was read.
        others: Prices on the other bases, by name.
        note: What else to know.
    """

    accelerator: str
    usd_per_hour: float
    basis: str
    day: date
    source: str
    others: Mapping[str, float]
    note: str = ""

    @property
    def said(self) -> str:
        """What it is, from where and of when: "rental, InferenceX-app's constants, April 2026"."""
        note = f"; {self.note}" if self.note else ""
        return f"{self.basis}, {self.source}{note}"

    def age_days(self, as_of: date) -> int:
        """Return how old it is on a day; 0 where it was known later than that day."""
        return max(0, (as_of - self.day).days)


OLD_AFTER_DAYS = 90
"""A price that is older than this is said to be."""


def aged(price: AcceleratorPrice, as_of: date) -> str:
    """Return what a price is, with its age where it is old."""
    age = price.age_days(as_of)
    return f"{price.said}, {age} days old" if age > OLD_AFTER_DAYS else price.said


def accelerator_price(name: str, basis: str = "rental") -> AcceleratorPrice | None:
    """Return the newest price of an accelerator, by any of its names; None where there is none.

    Raises:
        UnknownName: There is no such accelerator.
    """
    wanted = accelerator(name).name
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    rows = [row for row in table["prices"] if row["accelerator"] == wanted]
    if not rows:
        return None
    row = max(rows, key=lambda one: str(table["sources"][one["from"]]["day"]))
    origin = table["sources"][row["from"]]
    return AcceleratorPrice(
        accelerator=wanted,
        usd_per_hour=row[basis],
        basis=basis,
        day=date.fromisoformat(origin["day"]),
        source=origin["source"],
        others={one: row[one] for one in BASES if one != basis and one in row},
        note=row.get("note", ""),
    )


def priced_accelerators() -> tuple[str, ...]:
    """Return the names of all accelerators that have a price."""
    table = json.loads(_TABLE.read_text(encoding="utf-8"))
    return tuple(sorted({row["accelerator"] for row in table["prices"]}))
