"""A judge compares two answers in both orders, as FastChat's does (arXiv:2306.05685).

An answer wins (1) or loses (0) only if both orders say so; a tie, or two orders that disagree,
counts ½. So the mean over judged pairs is FastChat's `win_rate_adjusted`. A pair of which either
order names no winner is `Ungraded("unparsed")`, which FastChat drops.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from weighbridge.evaluation.judging import JudgeMethod, judge_prompt, judge_template, shared_fields
from weighbridge.models.protocol import Prompt
from weighbridge.records import Graded, Sample, Score, ScoredSample, Ungraded

Verdict = Literal["A", "B", "tie"]
NO_VERDICT = "the judge named no winner"
BETWEEN = "\n\n--- the same two answers, the other way round ---\n\n"
_WON: dict[Verdict, str] = {"A": "win", "B": "loss", "tie": "tie"}
_WON_SWAPPED: dict[Verdict, str] = {"A": "loss", "B": "win", "tie": "tie"}


def parse_verdict(text: str) -> Verdict | None:
    """Return who won: `[[A]]` anywhere comes before `[[B]]`, and that before `[[C]]`, a tie.

    >>> parse_verdict("not [[B]] but [[A]]"), parse_verdict("[[C]]"), parse_verdict("[[D]]")
    ('A', 'tie', None)
    """
    marks: tuple[tuple[str, Verdict], ...] = (("[[A]]", "A"), ("[[B]]", "B"), ("[[C]]", "tie"))
    return next((verdict for mark, verdict in marks if mark in text), None)


def _prompts(sample: Sample, answers: Sequence[str], baseline: Sequence[str]) -> tuple[Prompt, ...]:
    template = judge_template(sample, "pair")
    return tuple(
        judge_prompt(template, shared_fields(sample) | _named("a", a) | _named("b", b))
        for a, b in ((answers, baseline), (baseline, answers))
    )


def _named(assistant: str, answers: Sequence[str]) -> dict[str, str]:
    numbered = {f"answer_{assistant}_{n}": text for n, text in enumerate(answers, start=1)}
    return {f"answer_{assistant}": answers[0], **numbered}


def read(texts: Sequence[str]) -> Score:
    """Read both orders' judgements, the first with the model's answer as A."""
    first, swapped = map(parse_verdict, texts)
    why = BETWEEN.join(texts)
    if first is None or swapped is None:
        return Ungraded("unparsed", f"{NO_VERDICT}: {why}")
    a, b = _WON[first], _WON_SWAPPED[swapped]
    parts = {"position_consistent": float(a == b)}
    value = {"win": 1.0, "loss": 0.0}.get(a, 0.5) if a == b else 0.5
    return Graded(value, f"{a}, swapped {b}", why, parts)


def notes(samples: Iterable[ScoredSample]) -> tuple[str, ...]:
    """Say wins, ties and losses, FastChat's adjusted win rate, and position consistency."""
    outcomes = Counter[float]()
    consistent = failed = 0
    for sample in samples:
        if isinstance(sample.score, Graded):
            outcomes[sample.score.value] += 1
            consistent += sample.score.parts.get("position_consistent", 0.0) == 1
        elif sample.score.why.startswith(NO_VERDICT):
            failed += 1
    judged = outcomes.total()
    said = []
    if judged:
        rate = (outcomes[1.0] + outcomes[0.5] / 2) / judged
        said = [
            f"{outcomes[1.0]} won, {outcomes[0.5]} tied, {outcomes[0.0]} lost; adjusted win rate "
            f"as FastChat's, unreadable pairs dropped: {rate:.1%} over {judged} of "
            f"{judged + failed} pairs.",
            f"Position consistency: both orders agree on {consistent} of {judged} pairs "
            f"({consistent / judged:.1%}).",
        ]
    if failed:
        said.append(
            f"{failed} of {judged + failed} pairs can't be read, which is the judge's doing."
        )
    return tuple(said)


JUDGE = JudgeMethod(
    name="pairwise",
    scale=(0.0, 1.0),
    prompts=_prompts,
    read=read,
    notes=notes,
    needs_baseline=True,
)
