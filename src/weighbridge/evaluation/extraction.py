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
    """Return alarms for a figure that rests on answers that could not be read or were cut.

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
    first, beyond, empty = _look(benchmark, samples)
    if unparsed > ALARM_SHARE * asked:
        todo = f"; {benchmark.about.when_unparsed}" if benchmark.about.when_unparsed else ""
        said.append(
            f"{ALARM}{unparsed} of {asked} answers hold nothing that can be graded"
            f"{first}, so this figure measures their format{todo}."
        )
    if empty > ALARM_SHARE * asked:
        said.append(
            f"{ALARM}{empty} of {asked} answers ended before their first token of text: more "
            "--max-tokens can't help; look at what the server, or the chat template at the end of "
            "a prompt, makes the model write first."
        )
    cut = truncated - beyond - empty
    if cut > ALARM_SHARE * asked:
        said.append(
            f"{ALARM}{cut} of {asked} answers were cut by the token limit before "
            "there was anything to grade; raise --max-tokens."
        )
    if beyond > ALARM_SHARE * asked:
        said.append(
            f"{ALARM}{beyond} of {asked} prompts leave too little room for an answer in the "
            "model's context; take fewer --shots or a longer context: more --max-tokens can't help."
        )
    return tuple(said)


def lost_answers(samples: Iterable[ScoredSample]) -> Iterator[str]:
    """Say how many answers were lost on the way, with the server's messages."""
    reasons = [
        sample.score.why
        for sample in samples
        if isinstance(sample.score, Ungraded) and sample.score.reason == "infrastructure"
    ]
    if reasons:
        told = next((f"; the first: {why}" for why in reasons if why), "")
        yield f"{len(reasons)} answers were lost and are no part of the mean{told}."


def _look(benchmark: Benchmark, samples: Iterable[ScoredSample]) -> tuple[str, int, int]:
    """Look at what can't be graded, answer by answer.

    Returns:
        What the first unparsed answer says; how many were cut by the model's context; and how many
        others were cut before they held any text.
    """
    first, beyond, empty = "", 0, 0
    for sample in samples:
        if not isinstance(sample.score, Ungraded):
            continue
        reason, why = sample.score.reason, sample.score.why
        if reason == "unparsed" and not first and benchmark.about.publishes_questions:
            first = f" (the first: {why})"
        ended = sample.stop == "overlong" or CONTEXT_ENDED.sign in why
        beyond += reason == "truncated" and ended
        at_once = sample.output_tokens <= 1 and not sample.output.strip()
        empty += reason == "truncated" and not ended and at_once
    return first, beyond, empty
