"""Asks units of items and grades the answers: by likelihood, in text, or in conversation."""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from weighbridge.errors import CapReached
from weighbridge.evaluation.benchmark import Benchmark, Settings
from weighbridge.evaluation.conversations import Judging, converse
from weighbridge.evaluation.grading import (
    grade_reply,
    sample_seed,
    scored_line,
    written_line,
)
from weighbridge.evaluation.items import Unit
from weighbridge.evaluation.protocols import BY_LIKELIHOOD
from weighbridge.evaluation.run_context import OnProgress, Progressed, RunContext
from weighbridge.evaluation.text_loss import losses
from weighbridge.evidence.store import OpenRun
from weighbridge.models.protocol import (
    Generated,
    GenerateRequest,
    Model,
    ScoreRequest,
    ScoreResult,
)
from weighbridge.records import Graded, Sample, Score, ScoredSample


class RunProgress:
    """Turns the answers of one call into samples, and counts progress."""

    def __init__(self, run: OpenRun[Any, Any], model: Model, on_progress: OnProgress) -> None:
        self._run, self._model, self._on_progress = run, model, on_progress
        self._judge_before = (0, 0.0)
        self._unit_began, self._tokens_before = time.perf_counter(), model.computed_tokens
        self.start_call()

    def start_call(self, done: float = 0.0) -> None:
        """Reset the progress to the journal's state plus the finished part of the current unit."""
        self._before = self._run.journal.finished_samples + done
        self._model.on_done = self.within_call
        self.within_call(0.0)

    def within_call(self, requests: float) -> None:
        """Report progress: exact for the journal, estimated for the current unit."""
        done = max(self._before + requests, self._run.journal.finished_samples)
        planned = self._run.planned_samples
        self._on_progress(Progressed(done, planned, self._model.computed_tokens))

    def since_last_unit(self) -> tuple[float, int]:
        """Return the seconds and tokens that the unit just finished took."""
        began, before = self._unit_began, self._tokens_before
        self._unit_began, self._tokens_before = time.perf_counter(), self._model.computed_tokens
        return self._unit_began - began, self._tokens_before - before

    def judged(self, judging: Judging | None) -> tuple[int, float]:
        """Return the tokens and seconds that the judge took for the unit just finished."""
        now = (judging.tokens, judging.seconds) if judging is not None else (0, 0.0)
        before, self._judge_before = self._judge_before, now
        return now[0] - before[0], now[1] - before[1]


def answers(
    model: Model,
    benchmark: Benchmark,
    settings: Settings,
    units: Iterator[Unit],
    place: RunContext,
    told: RunProgress,
    judging: Judging | None,
) -> Iterator[tuple[Unit, list[ScoredSample]]]:
    """Yield the units in order, each with its answers."""
    if settings.protocol in BY_LIKELIHOOD:
        ask = losses if settings.protocol == "bits_per_byte" else _by_likelihood
        for unit in units:
            told.start_call()
            samples = [sample for sample, _ in unit.samples]
            scored, reached = _until_capped(ask(model, benchmark, settings, samples))
            yield unit, scored
            if reached is not None:
                raise reached
    elif judging is not None or benchmark.asking.turns > 1:
        yield from converse(model, benchmark, settings, units, judging, told.start_call)
    else:
        # One call for all: places of finished answers are taken across the units' borders.
        told.start_call()
        yield from _by_generation(model, benchmark, settings, units, place)


def _until_capped(
    samples: Iterator[ScoredSample],
) -> tuple[list[ScoredSample], CapReached | None]:
    """Collect samples until they end or the spending cap is reached."""
    gathered: list[ScoredSample] = []
    try:
        for sample in samples:
            gathered.append(sample)
    except CapReached as reached:
        return gathered, reached
    return gathered, None


def _by_likelihood(
    model: Model, benchmark: Benchmark, settings: Settings, samples: Sequence[Sample]
) -> Iterator[ScoredSample]:
    """Choose the likeliest continuation; the first wins ties, as in numpy's argmax."""
    asking = benchmark.asking
    assert asking.continuations is not None, f"{benchmark.name} lists no continuations"
    offered = [asking.continuations(sample, settings) for sample in samples]
    requests = [
        ScoreRequest(sample.id, asking.prompt(sample, settings), options)
        for sample, options in zip(samples, offered, strict=True)
    ]
    for sample, options, result in zip(samples, offered, model.score(requests), strict=True):
        answer, score = _likeliest(sample, options, result)
        yield scored_line(
            benchmark,
            sample,
            prompt_text=result.prompt_text,
            output=answer,
            logprobs=result.logprobs,
            stop="scored",
            input_tokens=result.input_tokens,
            score=score,
            charges=(result.charge,) if result.charge else (),
        )


def _likeliest(sample: Sample, options: Sequence[str], result: ScoreResult) -> tuple[str, Score]:
    if result.ungraded is not None:
        return "", result.ungraded
    best = max(range(len(options)), key=lambda i: result.logprobs[i])
    answer = options[best].strip()
    right = answer == str(sample.target)
    why = ("" if right else f"expected {sample.target}") + (
        " (near tie)" if result.near_tie else ""
    )
    return answer, Graded(float(right), answer, why.strip())


def _by_generation(
    model: Model,
    benchmark: Benchmark,
    settings: Settings,
    units: Iterator[Unit],
    place: RunContext,
) -> Iterator[tuple[Unit, list[ScoredSample]]]:
    asking = benchmark.asking
    asked = deque[Unit]()  # in the order in which their answers come

    def requests() -> Iterator[GenerateRequest]:
        for unit in units:
            asked.append(unit)
            for sample, repeat in unit.samples:
                seed = sample_seed(settings.seed, sample.id, repeat)
                prompt = asking.prompt(sample, settings)
                sampling = replace(asking.sampling_for(settings, sample), seed=seed)
                yield GenerateRequest(sample.id, prompt, sampling, repeat)

    answers = iter(model.generate(requests()))
    workers = place.graders if benchmark.grading.executes_code else 1
    with ThreadPoolExecutor(max_workers=workers) as graders:
        waiting: list[tuple[Sample, Generated, Future[Score]]] = []
        reached: CapReached | None = None
        while reached is None:
            try:
                generated = next(answers, None)
            except CapReached as error:
                reached, generated = error, None
            if generated is not None:
                sample, _ = asked[0].samples[len(waiting)]
                job = graders.submit(grade_reply, benchmark, sample, generated)
                waiting.append((sample, generated, job))
            elif reached is None:
                return
            if waiting and (reached or len(waiting) == len(asked[0].samples)):
                scored = [written_line(benchmark, s, one, job.result()) for s, one, job in waiting]
                yield asked.popleft(), scored
                waiting.clear()
    raise reached
