"""The alarm for runs in which many answers could not be read: their score measures format."""

from collections.abc import Iterable, Mapping

from weighbridge.evaluation.benchmark import Benchmark
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
        answers: How many there are.
        ungraded: Counts by reason.
        samples: The answers, read as far as the first that is unparsed, and only for an alarm.

    Returns:
        No sentence, or one for each of the two ways.
    """
    asked = answers - ungraded["infrastructure"]  # that is ours, not the model's
    unparsed, truncated = ungraded["unparsed"], ungraded["truncated"]
    said = []
    if unparsed > ALARM_SHARE * asked:
        todo = f"; {benchmark.when_unparsed}" if benchmark.when_unparsed else ""
        said.append(
            f"{ALARM}{unparsed} of {asked} answers hold nothing that can be graded"
            f"{_first(benchmark, samples)}, so this figure measures their format{todo}."
        )
    if truncated > ALARM_SHARE * asked:
        said.append(
            f"{ALARM}{truncated} of {asked} answers were cut by the token limit before there was "
            "anything to grade; raise --max-tokens."
        )
    return tuple(said)


def _first(benchmark: Benchmark, samples: Iterable[ScoredSample]) -> str:
    if not benchmark.publishes_questions:
        return ""
    for sample in samples:
        if isinstance(sample.score, Ungraded) and sample.score.reason == "unparsed":
            return f" (the first: {sample.score.why})"
    return ""
