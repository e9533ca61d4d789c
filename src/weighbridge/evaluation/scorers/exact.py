"""The answer is the target, or one of several, give or take case, space and a final full stop."""

from weighbridge.records import Generation, Graded, Json, Score, Ungraded


def score_exact(generation: Generation, target: Json) -> Score:
    """Compare a model's whole text with the target, or with each of a list of them."""
    if generation.stop == "error":
        return Ungraded("infrastructure", "the answer was lost")
    answer = generation.text.strip()
    if not answer:
        return Ungraded("truncated" if generation.stop == "length" else "unparsed", "no text")
    accepted = target if isinstance(target, list) else [target]
    right = _plain(answer) in (_plain(str(one)) for one in accepted)
    expected = " or ".join(map(str, accepted))
    return Graded(float(right), answer, "" if right else f"expected {expected}")


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").strip().casefold()
