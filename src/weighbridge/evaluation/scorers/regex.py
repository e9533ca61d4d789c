"""The answer is what a pattern finds last in the text."""

from weighbridge.patterns import ForeignPattern, PatternTooSlow
from weighbridge.records import Generation, Graded, Json, Score, Ungraded


def score_regex(generation: Generation, target: Json, pattern: ForeignPattern) -> Score:
    """Compare the last match (its group 1, where it has one) with the target.

    An answer on which the pattern does not come to an end is neither right nor wrong.
    """
    if generation.stop == "error":
        return Ungraded("infrastructure", "the answer was lost")
    try:
        answer = pattern.last(generation.text)
    except PatternTooSlow as error:
        return Ungraded("infrastructure", str(error))
    if answer is None:
        cut = generation.stop == "length"
        why = f"nothing matches {pattern.text}"
        return Ungraded("truncated" if cut else "unparsed", why)
    right = answer.strip().casefold() == str(target).strip().casefold()
    return Graded(float(right), answer, "" if right else f"expected {target}")
