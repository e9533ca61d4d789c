"""A project's verdict as text: `run` and `demo` end with it."""

from weighbridge.verdict.findings import ProjectVerdict

_SIGNS = {"yes": "yes", "no": "NO ", "insufficient": "?  "}


def verdict_lines(judged: ProjectVerdict) -> list[str]:
    """Return the verdict, the sentence that gives the reason, and a line for each finding."""
    lines = ["", f"Verdict: {judged.verdict.upper()}", judged.headline, ""]
    return lines + [f"  {_SIGNS[finding.outcome]}  {finding.title}" for finding in judged.findings]
