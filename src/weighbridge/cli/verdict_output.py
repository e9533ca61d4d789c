"""A project's verdict as text: `run` and `demo` end with it."""

from weighbridge.cli.output import wrapped
from weighbridge.records import SafetyDelta
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
        lines += wrapped(
            f"{rate.title}: {before:.0%} to {after:.0%}, {100 * change:+.1f} points "
            f"[{100 * low:+.1f}, {100 * high:+.1f}] on {rate.items} requests",
            "  ",
        )
    return lines
