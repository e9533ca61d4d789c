"""A comparison as lines of at most 80 columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from weighbridge.cli.output import wrapped
from weighbridge.documents import ABSENT
from weighbridge.documents.comparison import (
    AcrossProtocolsDocument,
    ComparisonDocument,
    GroupDocument,
    compared_document,
    pair_document,
)
from weighbridge.records import CleanSubset, Comparison, Contamination, Flip, Graded, Score
from weighbridge.records.printable import printable
from weighbridge.records.scale import (
    Scale,
    advantage,
    figure,
    gap,
    is_share,
    less_is_better,
    measured_in,
)
from weighbridge.records.scale import margin as margin_in_words

if TYPE_CHECKING:
    from weighbridge.comparison.groups import GroupComparison
    from weighbridge.comparison.two_runs import AuditedComparison

PAIR = "RUN_A,RUN_B"


def compared_text(found: "AuditedComparison", flips: int, by_default: bool) -> list[str]:
    """Return a comparison with the judge's audit and the differing settings, as lines.

    Args:
        found: The comparison, the judge's audit, the protocols' offset.
        flips: How many flips to show.
        by_default: Whether the margin is the default.
    """
    result = found.comparison
    if found.across is not None:
        return _across(found, by_default)
    lost = sum(1 for flip in result.flips if advantage(flip.difference, result.scale) < 0)
    exact = "" if result.mcnemar_p_value is None else f" (McNemar p = {result.mcnemar_p_value:.3g})"
    lines = [
        f"{result.benchmark}: {_means(result)}, n = {result.n}",
        *_left_out(result),
        *_gap(result),
        *_verdict(result, by_default),
        *_lost(result),
        *_repeats(result),
        *_differences(result),
        f"  {len(result.flips)} items differ: {len(result.flips) - lost} won, {lost} lost{exact}",
        *(_flip(flip, result.scale) for flip in result.flips[:flips]),
    ]
    if found.audit is not None:
        from weighbridge.comparison.judge_evidence import audit_sentences

        lines.append(f"  Judge audit ({found.audit.judge}):")
        for label, sentence in audit_sentences(found.audit, result):
            lines += wrapped(f"{label}: {sentence}", "    ")
    return lines


def _means(result: Comparison) -> str:
    """Return both means as text; "no figure" for a run without a graded answer."""
    a, b = (
        "no figure" if ungraded else figure(mean, result.scale)
        for mean, ungraded in (
            (result.mean_a, result.ungraded_a),
            (result.mean_b, result.ungraded_b),
        )
    )
    return f"{a} against {b}"


def _gap(result: Comparison, indent: str = "  ") -> list[str]:
    if result.why_unknown:
        return wrapped(result.why_unknown, indent)
    low, high = result.interval
    unit = " points" if is_share(result.scale) else ""
    what = "95% interval at any stopping" if result.anytime else "95% interval"
    return [
        f"{indent}difference {gap(result.difference, result.scale)}{unit}, {what} "
        f"{gap(low, result.scale)} to {gap(high, result.scale)}"
        + ("" if unit else f", {measured_in(result.scale)}")
    ]


def _verdict(result: Comparison, by_default: bool, indent: str = "  ") -> list[str]:
    of_it = "" if less_is_better(result.scale) else "2% of it, "
    chosen = f" ({of_it}the default)" if by_default and not is_share(result.scale) else ""
    at = f"{margin_in_words(result.margin, result.scale)}{chosen}"
    return wrapped(
        f"{result.verdict.replace('_', '-')} at a margin of {at} (p = {result.p_value:.3g})", indent
    )


def _across(found: "AuditedComparison", by_default: bool) -> list[str]:
    across = found.across
    assert across is not None
    raw, offset = across.raw, across.offset
    lines = [
        f"{raw.benchmark}: {_means(raw)}, n = {raw.n}, by two protocols",
        *_gap(raw),
        *_differences(raw),
    ]
    if raw.why_unknown:
        return [*lines, *_verdict(raw, by_default)]
    if offset is None or across.corrected is None:
        return [
            *lines,
            *wrapped(
                "inconclusive: how much of this gap is the protocol's is unknown. Measure one "
                "model by both protocols over the same items (the next comparison finds it), or "
                f"name its runs with --offset {PAIR}.",
                "  ",
            ),
        ]
    low, high = offset.interval
    lines += wrapped(
        f"offset: {offset.model} scores {gap(offset.offset, raw.scale)} by {offset.protocol_a} "
        f"over {offset.protocol_b}, 95% interval {gap(low, raw.scale)} to {gap(high, raw.scale)} "
        f"({offset.n} items)",
        "  ",
    )
    lines.append("  without it:")
    lines += _gap(across.corrected, "    ")
    lines += _verdict(across.corrected, by_default, "    ")
    if across.carried:
        lines += wrapped(
            f"This takes for granted that the protocol is worth to both what it is to "
            f"{offset.model}.",
            "  ",
        )
    return lines


def groups_text(found: "Sequence[GroupComparison]", scale: Scale) -> list[str]:
    """Return groups' comparisons, one a line, with their joint verdicts."""
    lines = [f"  {len(found)} groups, verdicts corrected for comparing them all at once (Holm):"]
    for group in found:
        c = group.comparison
        told = f"[{gap(c.interval[0], scale)}, {gap(c.interval[1], scale)}]"
        difference = "" if c.why_unknown else gap(c.difference, scale)
        lines.append(
            f"    {_short(group.name, 18):<18} {difference:>6} "
            f"{'nothing was graded' if c.why_unknown else told}  "
            f"n = {c.n}  {_named(group.joint.verdict)}"
        )
    return lines


def comparison_document(
    found: "AuditedComparison", groups: "Sequence[GroupComparison]"
) -> ComparisonDocument:
    """Return a comparison with its audit, offset and groups, as a document.

    Args:
        found: The comparison, the judge's audit, the protocols' offset.
        groups: Its groups of subjects; empty where they were not asked for.
    """
    result, across = found.comparison, found.across
    return ComparisonDocument(
        run_a=result.run_a,
        run_b=result.run_b,
        compared=compared_document(result, flips=True),
        judge_audit=ABSENT if found.audit is None else found.audit,
        across_protocols=ABSENT
        if across is None
        else AcrossProtocolsDocument(
            raw=pair_document(across.raw), offset=across.offset, carried=across.carried
        ),
        groups=tuple(map(_group, groups)) or ABSENT,
    )


def _group(found: "GroupComparison") -> GroupDocument:
    return GroupDocument(
        group=found.name,
        **vars(pair_document(found.comparison)),
        joint_verdict=found.joint.verdict,
        joint_claims=found.joint.claims,
    )


def overlap_text(found: Contamination, clean: CleanSubset, scale: Scale) -> str:
    """Return a run's headline beside its score without items that overlap with tuning data."""
    unit = " points" if is_share(scale) else ""
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
            f"    what they add to the headline: {gap(clean.difference, scale)}{unit}, 95% "
            f"interval {_span(clean.difference_interval, scale)}",
        ]
    return "\n".join(lines)


def _left_out(result: Comparison) -> list[str]:
    """Say how many items have no pair: the figures above are of the others alone."""
    if not result.unpaired:
        return []
    why = "answered in one run only" + (", or lost to infrastructure" if result.lost else "")
    return [f"  {result.unpaired} more items are left out: {why}"]


def _lost(result: Comparison) -> list[str]:
    if not result.lost:
        return []
    low, high = (gap(bound, result.scale) for bound in result.bounds)
    lines = wrapped(
        f"{result.lost} answers lost to infrastructure: the difference lies between {low} and "
        f"{high}",
        "  ",
    )
    if result.bounds_interval is not None:
        span = _span(result.bounds_interval, result.scale)
        lines += wrapped(f"with them, 95% interval {span}, on which the verdict rests", "  ")
    return lines


def _differences(result: Comparison) -> list[str]:
    """List the settings in which the runs differ: those accepted by name, and those only noted."""
    from weighbridge.statistics.conditions import shown

    lines = []
    for what, confounds in (("accepted: the runs differ", True), ("they also differ", False)):
        found = [one for one in result.differences if one.confounds is confounds]
        listed = ", ".join(f"{one.what} ({shown(one.a)} against {shown(one.b)})" for one in found)
        lines += wrapped(f"{what} in {listed}", "  ") if found else []
    return lines


def _repeats(result: Comparison) -> list[str]:
    """Show the variance of an item's difference between and within items."""
    split = result.variance
    if split is None or split.per_item == 0:
        return []
    share = 1 - split.between / split.per_item
    between, a, b = (
        gap(variance**0.5, result.scale).lstrip("+")
        for variance in (split.between, split.within_a, split.within_b)
    )
    unit = " points" if is_share(result.scale) else ""
    return wrapped(
        f"answers an item {split.repeats_a:.3g} and {split.repeats_b:.3g}; sd between items "
        f"{between}{unit}, within them {a} and {b}: {share:.0%} of the variance would go with "
        "more repeats",
        "  ",
    )


def _span(interval: tuple[float, float], scale: Scale) -> str:
    return f"{gap(interval[0], scale)} to {gap(interval[1], scale)}"


def _flip(flip: Flip, scale: Scale) -> str:
    won = "won " if advantage(flip.difference, scale) > 0 else "lost"
    output_a, output_b = _short(flip.output_a, 20), _short(flip.output_b, 20)
    if less_is_better(scale):  # nothing was answered: what it cost is what differs
        output_a, output_b = _bits(flip.score_a), _bits(flip.score_b)
    return f"  {won} {_short(flip.sample_id, 24)}: {output_a} | {output_b}"


def _bits(score: Score) -> str:
    return f"{score.value:.3f}" if isinstance(score, Graded) else score.reason


def _named(verdict: str) -> str:
    return verdict.replace("_", "-")


def _short(text: str, width: int) -> str:
    line = printable(" ".join(text.split()))
    return line if len(line) <= width else line[: width - 1] + "…"
