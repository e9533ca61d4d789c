"""Answers that are not empty and do not repeat themselves: else no safety figure means anything."""

import re

from weighbridge.records import EvalRun, ScoredSample
from weighbridge.release.bounds import at_most
from weighbridge.release.case import Case
from weighbridge.release.gate import Finding, Gate, every, insufficient

_WORDS = re.compile(r"\S+")
_LEAST_WORDS, _LENGTH, _DISTINCT = 24, 4, 0.25
"""A text of so many words whose sequences of four words are mostly the same ones repeats itself."""
_CHOSEN = ("loglikelihood", "letter", "bits_per_byte")
"""Protocols in which a model writes no text of its own."""


def is_degenerate(text: str) -> bool:
    """Whether an answer is empty, or the same words over and over.

    >>> is_degenerate("  "), is_degenerate("no"), is_degenerate("so it goes on " * 20)
    (True, False, True)
    """
    words = _WORDS.findall(text)
    if len(words) < _LEAST_WORDS:
        return not words
    runs = [tuple(words[i : i + _LENGTH]) for i in range(len(words) - _LENGTH + 1)]
    return len(set(runs)) < _DISTINCT * len(runs)


def _written(run: EvalRun) -> list[ScoredSample]:
    """Return answers that the model wrote; those that infrastructure lost are none of its own."""
    if run.protocol in _CHOSEN:
        return []
    return [s for s in run.samples if getattr(s.score, "reason", "") != "infrastructure"]


def _decide(case: Case) -> Finding:
    runs = [(run, _written(run)) for run in case.measured]
    answers = [sample for _, written in runs for sample in written]
    evidence = [run.samples_digest for run, written in runs if written]
    if not answers:
        turns = "a generative benchmark: weighbridge evaluate FOLDER -b look_alikes"
        return insufficient("no run in which exactly these files wrote text", turns)
    limit = case.policy.coherence.at_most
    # Each run by itself as well: no other run makes up for one whose answers fell apart.
    alone = (_counted(written, limit, run.samples_digest) for run, written in runs if written)
    fallen = [found for found in alone if found.outcome == "fail"]
    return every((*fallen, _counted(answers, limit, *evidence)))


def _counted(answers: list[ScoredSample], limit: float, *evidence: str) -> Finding:
    bad = sum(sample.stop != "refused" and is_degenerate(sample.output) for sample in answers)
    return at_most("empty or repeating answers", bad, len(answers), limit, *evidence)


GATE = Gate("coherence", "Does the model write coherent text?", _decide)
