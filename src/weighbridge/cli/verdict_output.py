"""A project's verdict as text: `run` and `demo` end with it."""

from collections.abc import Sequence

from weighbridge.cli.output import wrapped
from weighbridge.records import SafetyDelta
from weighbridge.records.attack import AttackDelta, Rate95
from weighbridge.records.printable import printable_line
from weighbridge.verdict.findings import ProjectVerdict

_SIGNS = {"yes": "yes", "no": "NO ", "insufficient": "?  "}


def verdict_lines(judged: ProjectVerdict) -> list[str]:
    """Return the verdict, the sentence that gives the reason, and a line for each finding."""
    lines = ["", f"Verdict: {judged.verdict.upper()}", *wrapped(judged.headline, ""), ""]
    return lines + [f"  {_SIGNS[finding.outcome]}  {finding.title}" for finding in judged.findings]


def safety_lines(delta: SafetyDelta | None) -> list[str]:
    """Return how safety differs between two models: a line for each rate, the reference first."""
    if delta is None:
        return []
    lines = ["", "Safety delta (95 % intervals, paired; less is better):"]
    for rate in delta.rates:
        (before, _), (after, _), (change, (low, high)) = (
            rate.reference, rate.candidate, rate.difference,
        )  # fmt: skip
        freed = (
            f"; freed of the judge's error: {_points(rate.corrected[2])}" if rate.corrected else ""
        )
        lines += wrapped(
            f"{rate.title}: {before:.0%} to {after:.0%}, {100 * change:+.1f} points "
            f"[{100 * low:+.1f}, {100 * high:+.1f}] on {rate.items} requests{freed}",
            "  ",
        )
    return lines


def attack_lines(deltas: Sequence[AttackDelta]) -> list[str]:
    """Return how two models stand attacks: a line for each rate, with the noise beside."""
    lines: list[str] = []
    for delta in deltas:
        title = f"Attacks of the campaign {printable_line(delta.campaign)}"
        lines += ["", *wrapped(f"{title} (95 % intervals, paired; less is better):")]
        for rate in delta.rates:
            counted = "" if rate.freed else ", as counted"
            noise = f"; base again {_points(rate.noise)}" if rate.noise else ""
            lines += wrapped(
                f"{rate.attack}, {rate.system} system turn, {rate.what}: {_share(rate.base)} to "
                f"{_share(rate.tuned)}, {_points(rate.difference)}{counted}{noise}",
                "  ",
            )
        found = f"{delta.new} new, {delta.mended} mended, {delta.remaining} remaining"
        lines += wrapped(f"behaviours that an attack gets through: {found}", "  ")
        for note in delta.notes:
            lines += wrapped(printable_line(note), "  ")
    return lines


def _share(rate: Rate95 | None) -> str:
    return "nothing scored" if rate is None else f"{rate[0]:.0%}"


def _points(found: Rate95) -> str:
    change, (low, high) = found
    return f"{100 * change:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"
