"""The gap on the catalogue's benchmarks: what was published of it, and when it says nothing."""

from dataclasses import replace
from datetime import date

import pytest

from weighbridge.catalog.published import (
    Benchmark,
    Catalogue,
    PublishedModel,
    Score,
    Source,
    catalogue,
)
from weighbridge.errors import WeighbridgeError
from weighbridge.planning.gap.analysis import measure

TODAY = date(2026, 11, 30)


@pytest.fixture(scope="module")
def facts():
    return catalogue()


@pytest.fixture(scope="module")
def on(facts):
    kept = {}

    def found(name, as_of=TODAY):
        if (name, as_of) not in kept:
            kept[name, as_of] = measure(facts, facts.benchmark(name), as_of, resamples=200)
        return kept[name, as_of]

    return found


def test_epochs_index_gives_what_epoch_says_of_it(on):
    """Epoch AI: about 4 months and 8 points (90 % interval 7 to 11) behind."""
    gap = on("eci")
    assert 7 <= gap.now.difference <= 11
    assert gap.lag.interval[0] < 5 and 4 <= gap.lag.months <= 8
    assert gap.now.open_best.model.name == "kimi-k2.5" and gap.used_share is None


def test_mmlu_is_saturated_so_that_converging_says_nothing(on):
    gap = on("mmlu")
    assert gap.saturated and gap.trend == "saturated"
    assert gap.now.difference == pytest.approx(0.881 - 0.873)
    assert gap.change_months < 0  # it does get shorter
    assert gap.now.mistakes_ratio(gap.benchmark) == pytest.approx(
        (0.9351 - 0.873) / (0.9351 - 0.881)
    )


def test_a_lag_that_grows_at_the_ceiling_is_told(on):
    """ARC-AGI-1: .98 by a proprietary model, .65 by an open one, and the lag grew."""
    gap = on("arc-agi")
    assert gap.saturated and gap.trend == "widening"


def test_an_earlier_day_sees_only_what_was_out(on):
    gap = on("gpqa-diamond", date(2025, 1, 31))
    assert max(point.model.released for point in gap.points) <= date(2025, 1, 31)
    assert gap.now.open_best.model.name == "deepseek-r1"


def test_too_few_models_are_not_a_gap(facts):
    with pytest.raises(WeighbridgeError, match="2 open models") as raised:
        measure(facts, facts.benchmark("swe-bench-verified"), TODAY)
    assert raised.value.exit_code == 3


def made(lag_days, ceiling=1.0, tops=(0.5, 0.5)):
    """Models every 50 days, the open ones as good as the proprietary ones, but later."""
    models, scores = {}, []
    for kind, later, top in (("proprietary", 0, tops[0]), ("open", lag_days, tops[1])):
        for step in range(30):
            name = f"{kind}-{step}"
            day = date.fromordinal(date(2020, 1, 1).toordinal() + 50 * step + later)
            models[name] = PublishedModel(name, name, "x", kind, day)
            value = min(top, 0.1 + 0.01 * step)
            scores.append(Score(name, "b", value, None, "base", 0, "", Source("s", "u")))
    benchmark = Benchmark("b", "B", 0.0, ceiling)
    return Catalogue(TODAY, models, {"b": benchmark}, tuple(scores), {}, {}), benchmark


@pytest.mark.parametrize("lag_days", [100, 200, 400])
def test_a_known_lag_is_found(lag_days):
    """Between two records the leader's next one is up to 50 days younger than the lag."""
    facts, benchmark = made(lag_days)
    gap = measure(facts, benchmark, date(2023, 12, 1), resamples=100)
    months = gap.lag.months * 365.25 / 12
    assert lag_days - 50 <= months <= lag_days
    assert gap.lag.interval[0] <= gap.lag.months + 2 and gap.trend == "no clear change"
    assert gap.change_months == pytest.approx(0, abs=0.2)
    assert replace(gap, used_share=0.95).trend == "saturated"
