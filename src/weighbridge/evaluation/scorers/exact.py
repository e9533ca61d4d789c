"""The answer is the target, give or take case, surrounding space and a final full stop."""

from weighbridge.records import Generation, Graded, Json, Score, Ungraded


def score_exact(generation: Generation, target: Json) -> Score:
    """Compare a model's whole text with the target."""
    if generation.stop == "error":
        return Ungraded("infrastructure", "the answer was lost")
    answer = generation.text.strip()
    if not answer:
        return Ungraded("truncated" if generation.stop == "length" else "unparsed", "no text")
    right = _plain(answer) == _plain(str(target))
    return Graded(float(right), answer, "" if right else f"expected {target}")


def _plain(text: str) -> str:
    return text.strip().removesuffix(".").strip().casefold()
