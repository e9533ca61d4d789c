"""Published rates of serving, the best of each model, accelerator and load.

`serving_rates.json` is written by `scripts/build_catalog.py` from NVIDIA's tables (Apache-2.0) and
MLPerf's results. `planning.serving` forecasts rates of other deployments from more such rows.
"""

import json
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("serving_rates.json")


@dataclass(frozen=True)
class RateSource:
    """Who published rates.

    Attributes:
        title: Its name.
        url: Its address.
        day: About when they were measured.
    """

    title: str
    url: str
    day: date


@dataclass(frozen=True)
class ServingRate:
    """A published rate.

    Attributes:
        model: The model's name in the catalogue.
        accelerator: The accelerator's name in the catalogue.
        precision: Of the weights.
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        accelerators: How many served it.
        tokens_per_second: Output tokens a second of one accelerator.
        source: Who published it.
    """

    model: str
    accelerator: str
    precision: str
    input_tokens: float
    output_tokens: float
    accelerators: int
    tokens_per_second: float
    source: RateSource


@cache
def serving_rates() -> tuple[ServingRate, ...]:
    """Return all rates."""
    read = json.loads(FILE.read_text(encoding="utf-8"))
    sources = [
        RateSource(row["title"], row["url"], date.fromisoformat(row["day"]))
        for row in read["sources"]
    ]
    rates = []
    for model, accelerator, precision, read_in, written, count, rate, source in read["rates"]:
        rates.append(
            ServingRate(model, accelerator, precision, read_in, written, count, rate,
                        sources[source])
        )  # fmt: skip
    return tuple(rates)
