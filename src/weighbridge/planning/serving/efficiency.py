"""Calibrated constants: which shares of the hardware's peaks are reached, and how sure that is.

`calibration.json` beside this file holds them; `bench/serving_forecast.py --calibrate` makes it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from functools import lru_cache
from math import exp, log, sqrt
from pathlib import Path
from typing import Any

from weighbridge.planning.serving.costs import Rates

FILE = Path(__file__).with_name("calibration.json")
CALIBRATED, NEIGHBOURING, OUTSIDE = "calibrated", "neighbouring", "outside"
ENOUGH = 5
"""Number of measurements from which on a cell is calibrated."""
REGIMES = ("multiplying", "rest")
FORECAST_EFFECTS = ("class", "accelerator", "precision", "pair", "cell", "model", "scenario")
"""Kinds of effects that a forecast uses; publishers and engines are left out on purpose."""


@dataclass(frozen=True)
class Cell:
    """The measurements of a class of architectures on an accelerator at a precision.

    Attributes:
        kind: The architectures' class.
        accelerator: The accelerator's name.
        precision: The precision's name.
        measurements: Number of measurements.
        models: Number of models that were measured.
        newest: Day of the last measurement.
    """

    kind: str
    accelerator: str
    precision: str
    measurements: int
    models: int
    newest: date

    @property
    def name(self) -> str:
        """The cell's name: class, accelerator and precision."""
        return cell_name(self.kind, self.accelerator, self.precision)


@dataclass(frozen=True)
class FirstToken:
    """Time to a first token: (own prompt + one step) · scale · batch^power.

    Prompts that come together wait for each other, the more the larger the batch.

    Attributes:
        scale: Factor at a batch of 1.
        power: Exponent of the batch.
        within_factor: Factor within which 95 % of measurements lie.
    """

    scale: float
    power: float
    within_factor: float


@dataclass(frozen=True)
class Calibration:
    """All constants of a forecast.

    Attributes:
        made: The day that the constants were fitted.
        sources: The measurements that they were fitted to.
        rates: Constants that are the same everywhere.
        effects: Logarithms of factors on the rate, by regime, kind and name of an effect.
        per_year: Logarithm of the factor by which software got faster in a year.
        newest: Day of the last measurement; a forecast is for software of that day.
        spread: Half width of a 95 % interval, as a logarithm, by a forecast's support.
        drift: Standard deviation of the logarithm after a year; it grows with the root of time.
        first_token: Constants of the time to a first token.
        cells: The cells that were measured.
    """

    made: date
    sources: tuple[str, ...]
    rates: Rates
    effects: Mapping[str, Mapping[str, Mapping[str, float]]]
    per_year: float
    newest: date
    spread: Mapping[str, float]
    drift: float
    first_token: FirstToken
    cells: tuple[Cell, ...]

    def factor(self, labels: Mapping[str, str], multiplying: float, measured: date) -> float:
        """Return the factor on the rate that is forecast by `Rates` alone.

        Args:
            labels: A name for each kind of effect; an unknown name has no effect.
            multiplying: Share of a step that multiplies, see `batches.multiplying_share`.
            measured: Day of the software; later days count as that of the newest measurement.
        """
        total = self.per_year * (min(measured, self.newest) - self.newest).days / 365.25
        for regime, share in zip(REGIMES, (multiplying, 1 - multiplying), strict=True):
            held = self.effects[regime]
            own = sum(held[kind].get(labels.get(kind, ""), 0.0) for kind in FORECAST_EFFECTS)
            total += share * own
        return exp(total)

    def support(self, kind: str, accelerator: str, precision: str) -> tuple[str, Cell | None]:
        """Return how well a forecast is supported, and the cell that it rests on, if there is one.

        Calibrated: the cell itself has enough measurements. Neighbouring: it has too few, or the
        accelerator was measured with another class or precision. Outside: the accelerator was not
        measured at all.
        """
        for cell in self.cells:
            if cell.name == cell_name(kind, accelerator, precision):
                if cell.measurements >= ENOUGH:
                    return CALIBRATED, cell
                return NEIGHBOURING, cell
        near = [cell for cell in self.cells if cell.accelerator == accelerator]
        if near:
            return NEIGHBOURING, max(near, key=lambda cell: cell.measurements)
        return OUTSIDE, None

    def half_width(self, support: str, rests_on: date, as_of: date) -> float:
        """Return the half width of a 95 % interval of the logarithm, which grows with age.

        Args:
            support: `CALIBRATED`, `NEIGHBOURING` or `OUTSIDE`.
            rests_on: Day of the newest measurement that the forecast rests on.
            as_of: Day of the forecast.
        """
        years = max(0.0, (as_of - rests_on).days / 365.25)
        return sqrt(self.spread[support] ** 2 + (1.96 * self.drift) ** 2 * years)


def cell_name(kind: str, accelerator: str, precision: str) -> str:
    """Return the name of a cell."""
    return f"{kind}, {accelerator}, {precision}"


def labels_of(
    kind: str, accelerator: str, precision: str, model: str, scenario: str
) -> dict[str, str]:
    """Return a name for each kind of effect."""
    return {
        "class": kind,
        "accelerator": accelerator,
        "precision": precision,
        "pair": f"{accelerator}, {precision}",
        "cell": cell_name(kind, accelerator, precision),
        "model": model,
        "scenario": scenario,
    }


@lru_cache(maxsize=1)
def calibrated() -> Calibration:
    """Read the constants that are shipped."""
    return from_json(json.loads(FILE.read_text(encoding="utf-8")))


def from_json(held: Mapping[str, Any]) -> Calibration:
    """Read constants from their document."""
    return Calibration(
        made=date.fromisoformat(held["made"]),
        sources=tuple(held["sources"]),
        rates=Rates(**held["rates"]),
        effects=held["effects"],
        per_year=log(held["faster_per_year"]),
        newest=date.fromisoformat(held["newest"]),
        spread={name: log(factor) for name, factor in held["within_factor"].items()},
        drift=held["drift_per_root_year"],
        first_token=FirstToken(**held["first_token"]),
        cells=tuple(
            Cell(**{**cell, "newest": date.fromisoformat(cell["newest"])}) for cell in held["cells"]
        ),
    )


def to_json(one: Calibration) -> dict[str, Any]:
    """Return the document of constants, with rounded figures."""
    rounded = {
        regime: {
            kind: {name: round(value, 3) for name, value in sorted(names.items())}
            for kind, names in kinds.items()
        }
        for regime, kinds in one.effects.items()
    }
    return {
        "made": one.made.isoformat(),
        "sources": list(one.sources),
        "rates": {name: float(f"{value:.4g}") for name, value in asdict(one.rates).items()},
        "faster_per_year": round(exp(one.per_year), 3),
        "newest": one.newest.isoformat(),
        "within_factor": {name: round(exp(half), 3) for name, half in one.spread.items()},
        "drift_per_root_year": round(one.drift, 3),
        "first_token": {n: round(value, 3) for n, value in asdict(one.first_token).items()},
        "cells": [{**asdict(cell), "newest": cell.newest.isoformat()} for cell in one.cells],
        "effects": rounded,
    }
