"""The answer is what a pattern finds last in the text."""

import re

from weighbridge.records import Generation, Graded, Json, Score, Ungraded


def score_regex(generation: Generation, target: Json, pattern: re.Pattern[str]) -> Score:
    """Compare the last match (its group 1, where it has one) with the target."""
    if generation.stop == "error":
        return Ungraded("infrastructure", "the answer was lost")
    found = list(pattern.finditer(generation.text))
    if not found:
        cut = generation.stop == "length"
        why = f"nothing matches {pattern.pattern}"
        return Ungraded("truncated" if cut else "unparsed", why)
    last = found[-1]
    answer = (last.group(1) if pattern.groups else last.group(0)) or ""
    right = answer.strip().casefold() == str(target).strip().casefold()
    return Graded(float(right), answer, "" if right else f"expected {target}")
