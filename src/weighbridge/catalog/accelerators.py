"""Accelerators: one row each in ``accelerators.json``, and where its figures were read."""

import json
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import UnknownName

_ROWS = Path(__file__).with_name("accelerators.json")


@dataclass(frozen=True)
class Accelerator:
    """One accelerator.

    Attributes:
        name: As it is asked for.
        bf16_flops: Peak FLOP/s in bfloat16, dense.
        memory_bytes: Its own memory, where "GB" is read as 1e9 bytes, so never more than it has.
        source: Where these were read; it says "not re-read" of what could not be.
        usd_per_hour: Rent where one is assumed; None where the user must say.
        price_note: What that price is.
    """

    name: str
    bf16_flops: float
    memory_bytes: float
    source: str
    usd_per_hour: float | None = None
    price_note: str = ""


def accelerator(name: str) -> Accelerator:
    """Return an accelerator by name.

    Raises:
        UnknownName: It is not in the list.
    """
    rows = json.loads(_ROWS.read_text(encoding="utf-8"))
    if name not in rows:
        raise UnknownName("accelerator", name, rows)
    return Accelerator(name, **rows[name])
