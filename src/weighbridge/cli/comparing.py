"""A comparison as lines of at most 80 columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weighbridge.cli.output import as_plain, figure
from weighbridge.records import CleanSubset, Comparison, Contamination, Json

if TYPE_CHECKING:
    from weighbridge.pipeline.grouping import GroupComparison

Scale = tuple[float, float]


def comparison_text(result: Comparison, scale: Scale, flips: int = 3) -> list[str]:
    """Return a comparison as lines: the figures, what they rest on, and some flips."""
    per_unit = _per_unit(scale)
    what = "95% interval"
    if result.anytime:
        what = "95% interval at any stopping"
    lines = [
        f"{result.benchmark}: {figure(result.mean_a, scale)} against "
        f"{figure(result.mean_b, scale)}, n = {result.n}",
        f"  difference {per_unit * result.difference:+.1f} points, {what} "
        f"{_span(result.interval, per_unit)}",
        f"  {_named(result.verdict)} at a margin of {per_unit * result.margin:g} points "
        f"(p = {result.p_value:.3g})",
        *_lost(result, per_unit),
        *_repeats(result, per_unit),
    ]
    lost = sum(1 for flip in result.flips if flip.difference < 0)
    exact = "" if result.mcnemar_p_value is None else f" (McNemar p = {result.mcnemar_p_value:.3g})"
    lines.append(f"  {len(result.flips)} items differ: {len(result.flips) - lost} won, {lost} lost")
    lines[-1] += exact
    for flip in result.flips[:flips]:
        won = "won " if flip.difference > 0 else "lost"
        lines.append(
            f"  {won} {_short(flip.sample_id, 24)}: {_short(flip.output_a, 20)} | "
            f"{_short(flip.output_b, 20)}"
        )
    return lines


def groups_text(found: "Sequence[GroupComparison]", scale: Scale) -> list[str]:
    """Return groups' comparisons, one a line, with their joint verdicts."""
    per_unit = _per_unit(scale)
    lines = [f"  {len(found)} groups, verdicts corrected for comparing them all at once (Holm):"]
    for group in found:
        c = group.comparison
        lines.append(
            f"    {_short(group.name, 18):<18} {per_unit * c.difference:+6.1f} "
            f"[{per_unit * c.interval[0]:+.1f}, {per_unit * c.interval[1]:+.1f}]  "
            f"n = {c.n}  {_named(group.joint.verdict)}"
        )
    return lines


def groups_json(found: "Sequence[GroupComparison]") -> list[dict[str, Json]]:
    """Return groups' comparisons as plain data, without their flips."""
    return [
        {
            "group": group.name,
            **{key: value for key, value in as_plain(group.comparison).items() if key != "flips"},
            "joint_verdict": group.joint.verdict,
            "joint_claims": group.joint.claims,
        }
        for group in found
    ]


def overlap_text(found: Contamination, clean: CleanSubset, scale: Scale) -> str:
    """Return a run's headline beside its score without items that overlap with tuning data."""
    per_unit = _per_unit(scale)
    lines = [
        f"  {len(found.found)} of {found.items} items overlap with "
        f"{_short(found.tuning_data, 40)}:",
        f"    {len(found.exact)} share a long run of words, {len(found.near)} are nearly alike",
    ]
    if found.short:
        lines.append(f"    {found.short} are too short to be judged")
    if clean.clean_mean is None:
        lines.append("    without them nothing is left")
    elif found.found:
        low, high = (figure(end, scale) for end in clean.clean_interval)
        lines += [
            f"    without them {figure(clean.clean_mean, scale)}, 95% interval {low} to {high}, "
            f"n = {clean.clean_n}",
            f"    what they add to the headline: {per_unit * clean.difference:+.1f} points, 95% "
            f"interval {_span(clean.difference_interval, per_unit)}",
        ]
    return "\n".join(lines)


def _lost(result: Comparison, per_unit: float) -> list[str]:
    if not result.lost:
        return []
    low, high = (per_unit * end for end in result.bounds)
    lines = [
        f"  {result.lost} answers lost to infrastructure: the difference lies between "
        f"{low:+.1f} and {high:+.1f}"
    ]
    if result.bounds_interval is not None:
        lines.append(
            f"  with them, 95% interval {_span(result.bounds_interval, per_unit)}, on which the "
            "verdict rests"
        )
    return lines


def _repeats(result: Comparison, per_unit: float) -> list[str]:
    """How the variance of an item's difference splits, as standard deviations in points."""
    split = result.variance
    if split is None or split.per_item == 0:
        return []
    share = 1 - split.between / split.per_item
    return [
        f"  answers an item {split.repeats_a:.3g} and {split.repeats_b:.3g}; sd between items "
        f"{per_unit * split.between**0.5:.1f} points,",
        f"    within them {per_unit * split.within_a**0.5:.1f} and "
        f"{per_unit * split.within_b**0.5:.1f}: {share:.0%} of the variance would go with more "
        "repeats",
    ]


def _per_unit(scale: Scale) -> float:
    """On the scale from 0 to 1 people speak of percent and points, elsewhere of the values."""
    return 100 if tuple(scale) == (0, 1) else 1


def _span(interval: tuple[float, float], per_unit: float) -> str:
    return f"{per_unit * interval[0]:+.1f} to {per_unit * interval[1]:+.1f}"


def _named(verdict: str) -> str:
    return verdict.replace("_", "-")


def _short(text: str, width: int) -> str:
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
