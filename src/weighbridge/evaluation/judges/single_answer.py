"""A judge rates one answer from 1 to 10, as FastChat's does (Zheng et al., arXiv:2306.05685).

FastChat drops a judgement without a rating from its average and says nothing. Here it is an
`Ungraded("unparsed")`: a run's `mean` counts it as 1, its `mean_graded` leaves it out, and a note
gives FastChat's average and how many judgements it rests on.
"""

import re
from collections.abc import Iterable, Sequence
from math import fsum

from weighbridge.evaluation.judging import JudgeMethod, judge_prompt, judge_template, shared_fields
from weighbridge.models.protocol import Prompt
from weighbridge.records import Graded, Sample, Score, ScoredSample, Ungraded

SCALE = (1.0, 10.0)
OFF_SCALE = "the judge's rating is off the scale"
NO_RATING = "the judge gave no rating"

_RATING = re.compile(r"\[\[(\d+(?:\.\d*)?)\]\]")
_RATING_FALLBACK = re.compile(r"\[(\d+(?:\.\d*)?)\]")


def parse_rating(text: str) -> float | None:
    """Return the first rating in double brackets, else the first in single ones, else None.

    >>> parse_rating("Rating: [[8.5]]"), parse_rating("[3] of [[9]]"), parse_rating("Rating: 7/10")
    (8.5, 9.0, None)
    """
    found = _RATING.search(text) or _RATING_FALLBACK.search(text)
    return float(found[1]) if found else None


def _prompts(sample: Sample, answers: Sequence[str], baseline: Sequence[str]) -> tuple[Prompt, ...]:
    fields = shared_fields(sample) | {"answer": answers[0]}
    fields |= {f"answer_{n}": text for n, text in enumerate(answers, start=1)}
    return (judge_prompt(judge_template(sample, "single"), fields),)


def read(texts: Sequence[str]) -> Score:
    """Read a judgement: `answer` is the rating, `why` the judge's words."""
    (text,) = texts
    rating = parse_rating(text)
    if rating is None:
        return Ungraded("unparsed", f"{NO_RATING}: {text}")
    if not SCALE[0] <= rating <= SCALE[1]:
        return Ungraded("unparsed", f"{OFF_SCALE} of 1 to 10: {text}")
    return Graded(rating, f"{rating:g}", text)


def notes(samples: Iterable[ScoredSample]) -> tuple[str, ...]:
    """Say FastChat's average, by turn and over all judgements, beside that of all judgements."""
    rated: list[float] = []
    by_turn: dict[str, list[float]] = {}
    unreadable = off_scale = 0
    for sample in samples:
        match sample.score:
            case Graded(value=value):
                rated.append(value)
                by_turn.setdefault(sample.sample_id.rpartition("/")[2], []).append(value)
            case Ungraded(reason="unparsed", why=why) if why.startswith(OFF_SCALE):
                off_scale += 1
            case Ungraded(reason="unparsed", why=why) if why.startswith(NO_RATING):
                unreadable += 1
            case _:
                pass
    failed = unreadable + off_scale
    if not rated and not failed:
        return ()
    every = len(rated) + failed
    said = []
    if rated:
        turns = ", ".join(f"turn {t} {_mean(by_turn[t]):.3f}" for t in sorted(by_turn))
        counted = _mean([*rated, *[SCALE[0]] * failed])
        said.append(
            f"Average as FastChat's, parse failures dropped: {_mean(rated):.3f} over {len(rated)} "
            f"of {every} judgements ({turns}); counted as 1: {counted:.3f} over {every}."
        )
    if failed:
        said.append(
            f"{failed} of {every} judgements can't be read ({unreadable} without a rating, "
            f"{off_scale} off the scale), which is the judge's doing."
        )
    return tuple(said)


def _mean(values: Sequence[float]) -> float:
    return fsum(values) / len(values)


JUDGE = JudgeMethod(name="single_answer", scale=SCALE, prompts=_prompts, read=read, notes=notes)
