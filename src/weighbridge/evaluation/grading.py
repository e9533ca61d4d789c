"""Turns an answer into a line of evidence: its grade, and which of its texts are kept."""

from collections.abc import Sequence
from dataclasses import replace

from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.models.marks import signs
from weighbridge.models.protocol import Generated
from weighbridge.models.thoughts import MARKERS, Markers, separate_reasoning
from weighbridge.records import (
    Charge,
    Generation,
    Sample,
    Score,
    ScoredSample,
    Ungraded,
    canonical_digest,
)
from weighbridge.sources.digests import text_digest


def written_line(
    benchmark: Benchmark, sample: Sample, generated: Generated, score: Score
) -> ScoredSample:
    """Return the line of an answer that a model wrote."""
    written, shown = generated.generation, benchmark.about.publishes_questions
    return scored_line(
        benchmark,
        sample,
        repeat=written.repeat,
        prompt_text=generated.prompt_text,
        output=written.text if shown else getattr(score, "answer", ""),
        stop=written.stop,
        input_tokens=written.input_tokens,
        output_tokens=written.output_tokens,
        seed=written.seed,
        score=score,
        latency_seconds=written.latency_seconds,
        charges=(written.charge,) if written.charge else (),
    )


def grade_reply(benchmark: Benchmark, sample: Sample, generated: Generated) -> Score:
    """Grade a model's reply, without the reasoning that its markers show."""
    return grade(benchmark, sample, generated.generation, generated.prompt_text, generated.markers)


def grade(
    benchmark: Benchmark,
    sample: Sample,
    generation: Generation,
    prompt_text: str = "",
    markers: Sequence[Markers] = MARKERS,
) -> Score:
    """Judge one answer. Silence never scores, and a crashed grader is never a wrong answer.

    Args:
        benchmark: Whose rules apply.
        sample: What was asked.
        generation: The reply, of which the grader sees only what follows a thought.
        prompt_text: The prompt as the model saw it, which may have opened the thought.
        markers: What the model may put before and after a thought.
    """
    assert benchmark.grading.grade is not None, f"{benchmark.name} can't grade text"
    answered = generation.stop == "refused" and benchmark.grading.refusal_is_answer
    if not answered and (without := ungraded(generation)) is not None:
        # A server's words may quote what it was asked.
        kept = without.why if benchmark.about.publishes_questions else signs(without.why)
        return replace(without, why=kept)
    answer = separate_reasoning(generation.text, prompt_text, markers).answer
    if answer is None:
        return marked(benchmark, generation, Ungraded("truncated", "the thought never ends"))
    try:
        score = benchmark.grading.grade(sample, replace(generation, text=answer))
        return marked(benchmark, generation, score)
    except Exception as error:  # whatever it was, the model is not to blame for it
        told = f": {error}" if benchmark.about.publishes_questions else ""
        return Ungraded("infrastructure", f"the grader failed: {type(error).__name__}{told}")


def marked(benchmark: Benchmark, generation: Generation, score: Score) -> Score:
    """Add to a score what was wrong with the reply."""
    mark = generation.why if benchmark.about.publishes_questions else signs(generation.why)
    if mark in score.why:
        return score
    return replace(score, why="; ".join(filter(None, (score.why, mark))))


def ungraded(generation: Generation) -> Ungraded | None:
    """Return the reason if there is no answer to grade; else None."""
    match generation.stop:
        case "error":
            return Ungraded("infrastructure", generation.why or "the answer was lost")
        case "refused":
            return Ungraded("refused", generation.why or generation.text)
        case "overlong":
            return Ungraded("truncated", generation.why or "the prompt is beyond the context")
        case _:
            return None


def sample_seed(seed: int, sample_id: str, repeat: int) -> int:
    """Seed of one answer, from the run's seed, the item and the repeat only."""
    digest = canonical_digest([seed, sample_id, repeat])
    return int(digest.removeprefix("sha256:")[:12], 16)


def scored_line(
    benchmark: Benchmark,
    sample: Sample,
    *,
    prompt_text: str,
    output: str,
    stop: str,
    input_tokens: int,
    score: Score,
    repeat: int = 0,
    logprobs: tuple[float, ...] = (),
    output_tokens: int = 0,
    seed: int = 0,
    latency_seconds: float = 0.0,
    charges: tuple[Charge, ...] = (),
) -> ScoredSample:
    """Return one line of evidence, with the item's texts if the benchmark publishes them."""
    shown = benchmark.about.publishes_questions
    if (shown_as := benchmark.about.shown_as) is not None:
        score = replace(score, why="; ".join(filter(None, (score.why, shown_as(sample)))))
    return ScoredSample(
        sample_id=sample.id,
        repeat=repeat,
        cluster=sample.cluster,
        sample_digest=sample.digest,
        prompt_digest=text_digest(prompt_text),
        question=sample.question if shown else None,
        target=sample.target if shown else None,
        output=output,
        logprobs=logprobs,
        stop=stop,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        seed=seed,
        score=score,
        latency_seconds=latency_seconds,
        charges=charges,
    )
