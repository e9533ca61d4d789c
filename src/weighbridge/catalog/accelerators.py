"""Accelerators: one row each in ``accelerators.json``, with the source of its figures."""

import json
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import UnknownName

_ROWS = Path(__file__).with_name("accelerators.json")


@dataclass(frozen=True)
class Accelerator:
    """One accelerator.

    Attributes:
        name: The name that `--accelerator` takes.
        bf16_flops: Peak FLOP/s in bfloat16, dense.
        memory_bytes: Its own memory; a data sheet's "GB" counts as 1e9 bytes, the lower reading.
        source: Where the figures were read; "not re-read" marks those that could not be checked.
        usd_per_hour: Assumed rent; None where the user must state a price.
        price_note: What that price stands for, such as an on-demand rent.
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
