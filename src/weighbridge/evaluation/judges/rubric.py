"""A judge rates one answer by a rubric, on any scale: how a user's own benchmark is judged.

The judge reads rubric, conversation, reference (where there is one) and answer, and is asked for a
reason first and the rating last, in double brackets. The last such rating counts; none, or one off
the scale, is `Ungraded("unparsed")`, which is the judge's doing and is said in the run's notes.
"""

import re
from collections.abc import Iterable, Sequence
from functools import partial

from weighbridge.evaluation.judging import JudgeMethod
from weighbridge.models.protocol import Prompt
from weighbridge.records import Graded, Message, Sample, Score, ScoredSample, Ungraded

NO_RATING = "the judge gave no rating"
OFF_SCALE = "the judge's rating is off the scale"
SYSTEM = "You rate answers by a rubric, strictly and without regard to their length or style."

_RATING = re.compile(r"\[\[\s*([+-]?\d+(?:\.\d+)?)\s*\]\]")


def _prompts(
    scale: tuple[float, float],
    sample: Sample,
    answers: Sequence[str],
    baseline: Sequence[str],
) -> tuple[Prompt, ...]:
    low, high = scale
    conversation = "\n\n".join(f"[{m.role}]\n{m.content}" for m in sample.messages)
    reference = f"[Reference answer]\n{sample.target}\n\n" if sample.target else ""
    text = (
        f"[Rubric]\n{sample.metadata['rubric']}\n\n"
        f"[Conversation]\n{conversation}\n\n{reference}"
        f"[Answer to rate]\n{answers[-1]}\n[End of the answer]\n\n"
        "Give your reason in a few sentences. Then rate the answer with a number from "
        f"{low:g} (worst) to {high:g} (best) and end with that number in double brackets: "
        "[[number]]."
    )
    return (Prompt(messages=(Message("system", SYSTEM), Message("user", text))),)


def _read(scale: tuple[float, float], texts: Sequence[str]) -> Score:
    """Read a judgement: `answer` is the rating, `why` the judge's words."""
    (text,) = texts
    found = _RATING.findall(text)
    if not found:
        return Ungraded("unparsed", f"{NO_RATING}: {text}")
    value = float(found[-1])
    if not scale[0] <= value <= scale[1]:
        return Ungraded("unparsed", f"{OFF_SCALE} of {scale[0]:g} to {scale[1]:g}: {text}")
    return Graded(value, f"{value:g}", text)


def notes(samples: Iterable[ScoredSample]) -> tuple[str, ...]:
    """Say how many judgements can't be read."""
    every = failed = 0
    for sample in samples:
        why = sample.score.why if isinstance(sample.score, Ungraded) else ""
        unreadable = why.startswith((NO_RATING, OFF_SCALE))
        failed += unreadable
        every += unreadable or isinstance(sample.score, Graded)
    if not failed:
        return ()
    return (
        f"{failed} of {every} judgements can't be read, which is the judge's doing; they count as "
        "the scale's lowest value.",
    )


def rating(scale: tuple[float, float]) -> JudgeMethod:
    """Return the method on a scale.

    Args:
        scale: Lowest and highest rating.
    """
    return JudgeMethod(
        name="rubric",
        scale=scale,
        prompts=partial(_prompts, scale),
        read=partial(_read, scale),
        notes=notes,
    )


JUDGE = rating((1.0, 10.0))
