"""The alarm for runs in which many answers could not be read: their score measures format."""

from collections.abc import Iterable, Iterator, Mapping

from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.models.marks import CONTEXT_ENDED
from weighbridge.records import ALARM, ScoredSample, Ungraded

ALARM_SHARE = 0.1
"""Above this share of answers without anything to grade, a run says so."""


def extraction_alarms(
    benchmark: Benchmark,
    answers: int,
    ungraded: Mapping[str, int],
    samples: Iterable[ScoredSample],
) -> tuple[str, ...]:
    """Say loudly that a figure rests on answers that could not be read, or were cut too early.

    Args:
        benchmark: Whose rules read the answers; says what to do.
        answers: How many were asked for, which may be fewer than were planned.
        ungraded: Counts by reason.
        samples: The answers, read only for an alarm.

    Returns:
        No sentence, or one for each way.
    """
    asked = answers - ungraded["infrastructure"]  # that is ours, not the model's
    unparsed, truncated = ungraded["unparsed"], ungraded["truncated"]
    said = []
    if max(unparsed, truncated) <= ALARM_SHARE * asked:
        return ()
    first, beyond = _look(benchmark, samples)
    if unparsed > ALARM_SHARE * asked:
        todo = f"; {benchmark.when_unparsed}" if benchmark.when_unparsed else ""
        said.append(
            f"{ALARM}{unparsed} of {asked} answers hold nothing that can be graded"
            f"{first}, so this figure measures their format{todo}."
        )
    if truncated - beyond > ALARM_SHARE * asked:
        said.append(
            f"{ALARM}{truncated - beyond} of {asked} answers were cut by the token limit before "
            "there was anything to grade; raise --max-tokens."
        )
    if beyond > ALARM_SHARE * asked:
        said.append(
            f"{ALARM}{beyond} of {asked} prompts leave too little room for an answer in the "
            "model's context; take fewer --shots or a longer context: more --max-tokens can't help."
        )
    return tuple(said)


def lost_answers(samples: Iterable[ScoredSample]) -> Iterator[str]:
    """Say how many answers were lost on the way, and in whose words."""
    reasons = [
        sample.score.why
        for sample in samples
        if isinstance(sample.score, Ungraded) and sample.score.reason == "infrastructure"
    ]
    if reasons:
        told = next((f"; the first: {why}" for why in reasons if why), "")
        yield f"{len(reasons)} answers were lost and are no part of the mean{told}."


def _look(benchmark: Benchmark, samples: Iterable[ScoredSample]) -> tuple[str, int]:
    """Return what the first unparsed answer says, and how many were cut by the model's context."""
    first, beyond = "", 0
    for sample in samples:
        if not isinstance(sample.score, Ungraded):
            continue
        reason, why = sample.score.reason, sample.score.why
        if reason == "unparsed" and not first and benchmark.publishes_questions:
            first = f" (the first: {why})"
        ended = sample.stop == "overlong" or CONTEXT_ENDED.sign in why
        beyond += reason == "truncated" and ended
    return first, beyond
