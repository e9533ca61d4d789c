"""Says what was measured of a gap, in sentences that can be quoted."""

from weighbridge.catalog.published import Benchmark
from weighbridge.planning.gap.analysis import RESAMPLES, SATURATED_FROM, Gap, Interval, Lag

METHOD = (
    "Of each model version the best published score counts, whoever published it; variants, shots "
    "and protocols differ, and stand beside each score.",
    "On a day, open models are behind by the time since proprietary ones went past what the best "
    "open model reaches on that day; a lead counts as a negative lag. The figure is the mean "
    "over the year that ends with the newest model that has a score.",
    f"The interval is from {RESAMPLES} resamples of models, each group drawn by itself, versions "
    "of one model together. It says how much the figure depends on which models were measured. A "
    "resample without the best model has a lower record, so the figure need not be in the middle.",
    f"A benchmark is saturated where the best model has {SATURATED_FROM:.0%} of the range from "
    "chance to the best possible score. There a gap in points closes by itself, because the first "
    "has nowhere to go.",
    "A proprietary model whose size its maker did not publish has no place on the axis of sizes. "
    "Rumoured and estimated sizes are left out.",
)


def figure(value: float, benchmark: Benchmark) -> str:
    """Return a score as people write it: 87.3 %, or a number in the benchmark's unit."""
    if not benchmark.unit:
        return f"{100 * value:.1f} %"
    return f"{value:,.0f} {benchmark.unit}" if value >= 1000 else f"{value:.1f} {benchmark.unit}"


def difference(value: float, benchmark: Benchmark) -> str:
    """Return a difference of scores: 0.8 points, or a number in the benchmark's unit."""
    shown = abs(value)
    return f"{100 * shown:.1f} points" if not benchmark.unit else f"{shown:.1f} {benchmark.unit}"


def months(lag: Lag) -> str:
    """Return a lag with its interval: 5.4 months (95 % interval 3.9 to 7.4)."""
    return f"{lag.months:.1f} months ({interval(lag.interval)})"


def interval(ends: Interval) -> str:
    """Return a 95 % interval of months."""
    return f"95 % interval {ends[0]:.1f} to {ends[1]:.1f}"


def sentence(gap: Gap) -> str:
    """Return the finding in words that stand by themselves."""
    now, benchmark = gap.now, gap.benchmark
    day = now.day.strftime("%-d %B %Y")
    best, rival = now.proprietary_best, now.open_best
    told = (
        f"On {benchmark.title}, the best open model with a published score by {day} is "
        f"{rival.model.name} with {figure(rival.score.value, benchmark)}, against "
        f"{figure(best.score.value, benchmark)} of {best.model.name}. "
    )
    if gap.lag.months >= 0:
        told += f"Over the year before, open models were behind by {months(gap.lag)}"
    else:
        told += (
            f"Over the year before, open models led by {-gap.lag.months:.1f} months "
            f"({interval((-gap.lag.interval[1], -gap.lag.interval[0]))})"
        )
    return f"{told}; {_trend(gap)}"


def _trend(gap: Gap) -> str:
    if gap.trend == "saturated":
        assert gap.used_share is not None
        return (
            f"but the best score has {min(gap.used_share, 1):.0%} of what can be reached, so that "
            "a closing gap here would show the end of the benchmark, not of the lag."
        )
    if gap.change_months is None or gap.change_interval is None:
        return "the scores don't reach back far enough to say whether that grows."
    change = f"{abs(gap.change_months):.1f} months"
    if gap.trend == "narrowing":
        return f"that is {change} less than the year before."
    if gap.trend == "widening":
        return f"that is {change} more than the year before: the gap widened."
    sign = "more" if gap.change_months > 0 else "less"
    return (
        f"that is {change} {sign} than the year before, too little to tell from chance "
        f"({interval(gap.change_interval)})."
    )
