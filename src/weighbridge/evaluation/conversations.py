"""Asks items of several turns, and lets a model judge answers, one unit at a time.

    ask every first turn of the unit -> ask every second turn, with the answers in its prompt -> …
    -> let the judge read every answer -> one line of evidence a judgement

All requests of a round are one call, which batches them as it likes.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from weighbridge.errors import CapReached, EndpointUnusable, InputError
from weighbridge.evaluation.benchmark import Benchmark, Settings
from weighbridge.evaluation.grading import (
    grade_reply,
    marked,
    sample_seed,
    ungraded,
    written_line,
)
from weighbridge.evaluation.items import Unit
from weighbridge.evaluation.judging import Judge, JudgeMethod, repeat_notes
from weighbridge.models.protocol import Capability, Generated, GenerateRequest, Model
from weighbridge.records import (
    Charge,
    Generation,
    Json,
    Message,
    Sample,
    Score,
    ScoredSample,
    Ungraded,
)

_LOST_BEFORE = "an earlier answer of the conversation was lost"


@dataclass
class Judging:
    """The judge of one run, and its method for this benchmark's answers.

    Attributes:
        judge: Who.
        method: How.
        tokens: Read and written so far.
        seconds: Spent waiting for it so far.
    """

    judge: Judge
    method: JudgeMethod
    tokens: int = 0
    seconds: float = 0.0

    @property
    def identity(self) -> dict[str, Json]:
        """What must be equal for two runs to be judged alike."""
        return self.judge.identity(self.method)

    def notes(self, samples: Iterable[ScoredSample]) -> tuple[str, ...]:
        """Sentences that a reader of the run must know."""
        judge, times = self.judge, self.judge.repeats
        against = f" against {judge.baseline_name}" if self.method.needs_baseline else ""
        often = f", {times} times an answer" if times > 1 else ""
        who = f"Judged by {judge.model.ref.name}{against}{often} ({self.method.name})."
        held = list(samples)  # 160 answers, some times over
        return (who, *self.method.notes(held), *repeat_notes(held, times))

    def read(self, generated: Generated) -> str | Ungraded:
        """Count the judge's tokens, and return its text without its reasoning."""
        made = generated.generation
        self.tokens += made.input_tokens + made.output_tokens
        if made.stop in ("error", "refused", "overlong"):
            return Ungraded(
                "infrastructure", f"the judge's answer was lost: {made.why or made.stop}"
            )
        said = generated.answer
        return Ungraded("unparsed", "the judge's thought never ends") if said is None else said


def judging_of(
    benchmark: Benchmark,
    settings: Settings,
    judge: Judge | None,
    load: Callable[[], Iterable[Sample]],
) -> Judging | None:
    """Return how a run's answers are judged; None where the benchmark grades them by itself.

    Raises:
        InputError: A judge is needed and there is none, or it lacks what it needs.
    """
    method = benchmark.judge_for(settings)
    if method is None:
        return None
    if judge is None:
        raise InputError(
            f"{benchmark.name} without a judge",
            "a model that judges the answers",
            "add --judge MODEL",
        )
    if judge.repeats < 1:
        raise InputError(f"--judge-repeats {judge.repeats}", "at least 1")
    if Capability.GENERATE not in judge.model.capabilities:
        raise InputError(f"{judge.model.ref.name} can't write text", "a judge that can")
    if method.needs_baseline:
        turns = (turn.id for item in load() for turn in benchmark.asking.turns_of(item))
        if missing := [turn for turn in turns if turn not in judge.baseline]:
            raise InputError(
                f"no baseline answer to {missing[0]}"
                + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""),
                "another model's answer to each turn",
                "add --baseline RUN_OR_ANSWERS",
            )
    return Judging(judge, method)


@dataclass(frozen=True)
class TurnAnswer:
    """A model's answer to one turn, with its answers to the turns before it."""

    sample: Sample
    generated: Generated
    before: tuple[str, ...]

    @property
    def said(self) -> str | None:
        """The answer without the reasoning before it; None if the reasoning never ends."""
        return self.generated.answer

    @property
    def texts(self) -> tuple[str, ...]:
        """All answers up to this one, stripped as in FastChat, to show to another model."""
        return (*self.before, (self.said or "").strip())


def converse(
    model: Model,
    benchmark: Benchmark,
    settings: Settings,
    units: Iterator[Unit],
    judging: Judging | None,
    start_round: Callable[[float], None],
) -> Iterator[tuple[Unit, list[ScoredSample]]]:
    """Yield one unit after the other with its answers, turn by turn, judged.

    Args:
        model: Who answers.
        benchmark: What is asked.
        settings: What a person chose.
        units: What is still to be done.
        judging: Who judges, and how; None where the benchmark grades by itself.
        start_round: Told before each call of the model how many of the unit's samples are done.
    """
    for unit in units:
        rounds: list[list[TurnAnswer]] = []
        for turn in range(benchmark.asking.turns):
            done = turn * len(unit.samples) * (judging.judge.repeats if judging else 1)
            start_round(done)
            rounds.append(_ask(model, benchmark, settings, unit, turn, rounds))
        answers = [answer for round_ in rounds for answer in round_]
        if judging is None:
            lines = [
                written_line(
                    benchmark, a.sample, a.generated, grade_reply(benchmark, a.sample, a.generated)
                )
                for a in answers
            ]
        else:
            lines = list(_judged_lines(benchmark, answers, judging, settings.seed))
        yield unit, lines


def _ask(
    model: Model,
    benchmark: Benchmark,
    settings: Settings,
    unit: Unit,
    turn: int,
    earlier: Sequence[Sequence[TurnAnswer]],
) -> list[TurnAnswer]:
    """Ask one turn of all of a unit's conversations; those that lost an answer are not gone on."""
    asking = benchmark.asking
    answers: dict[int, TurnAnswer] = {}
    asked: list[tuple[int, Sample, tuple[str, ...], GenerateRequest]] = []
    for place, (item, repeat) in enumerate(unit.samples):
        sample = asking.turn(item, turn)
        seed = sample_seed(settings.seed, sample.id, repeat)
        last = earlier[-1][place] if earlier else None
        if last is not None and last.generated.generation.stop == "error":
            lost = Generation(sample.id, repeat, "", "error", 0, 0, seed)
            answers[place] = TurnAnswer(sample, Generated(lost, ""), last.texts)
            continue
        before = last.texts if last is not None else ()
        prompt = asking.prompt(with_answers(sample, before), settings)
        sampling = replace(asking.sampling_for(settings, item), seed=seed)
        request = GenerateRequest(sample.id, prompt, sampling, repeat)
        asked.append((place, sample, before, request))
    generated = model.generate([request for *_, request in asked])
    for (place, sample, before, _), one in zip(asked, generated, strict=True):
        answers[place] = TurnAnswer(sample, one, before)
    return [answers[place] for place in sorted(answers)]


def with_answers(sample: Sample, answers: Sequence[str]) -> Sample:
    """Insert a model's answers after the user's turns."""
    left, messages = list(answers), list[Message]()
    for message in sample.messages:
        messages.append(message)
        if message.role == "user" and left:
            messages.append(Message("assistant", left.pop(0)))
    return replace(sample, messages=tuple(messages))


def _judged_lines(
    benchmark: Benchmark, answers: Sequence[TurnAnswer], judging: Judging, seed: int
) -> Iterator[ScoredSample]:
    """Yield a line for each judgement; an answer is asked for once, so its tokens count once."""
    for answer, judged in zip(answers, judgements(answers, judging, seed), strict=True):
        first = answer.generated.generation.repeat * judging.judge.repeats
        line = written_line(benchmark, answer.sample, answer.generated, judged[0].score)
        again = replace(line, input_tokens=0, output_tokens=0, latency_seconds=0.0, charges=())
        for k, (read, charges) in enumerate(judged):
            asked = line if k == 0 else again
            score = marked(benchmark, answer.generated.generation, read)
            yield replace(asked, repeat=first + k, score=score, charges=(*asked.charges, *charges))


class Judgement(NamedTuple):
    """One judgement of an answer, and what the judge's endpoint charged for it."""

    score: Score
    charges: tuple[Charge, ...] = ()


def judgements(answers: Sequence[TurnAnswer], judging: Judging, seed: int) -> list[list[Judgement]]:
    """Return `judge.repeats` judgements of each answer.

    Lost and empty answers are not shown to the judge, since they must not score.
    """
    judge, method = judging.judge, judging.method
    scores: list[list[Judgement]] = [[] for _ in answers]
    asked: list[tuple[int, list[GenerateRequest]]] = []
    for place, answer in enumerate(answers):
        unasked = _without_judge(answer)
        for k in range(judge.repeats):
            if unasked is not None:
                scores[place].append(Judgement(unasked))
            else:
                asked.append((place, _requests(answer, judge, method, seed, k)))
    texts = _texts(judging, [request for _, requests in asked for request in requests])
    for place, requests in asked:
        said = [next(texts) for _ in requests]
        read = [text for text, _ in said]
        failed = next((text for text in read if isinstance(text, Ungraded)), None)
        score = failed or method.read([t for t in read if isinstance(t, str)])
        scores[place].append(Judgement(score, tuple(c for _, c in said if c is not None)))
    return scores


def _without_judge(answer: TurnAnswer) -> Ungraded | None:
    generation = answer.generated.generation
    if generation.stop == "error" and not answer.generated.prompt_text:
        return Ungraded("infrastructure", _LOST_BEFORE)
    if (without := ungraded(generation)) is not None:
        return without
    if answer.said is None:
        return Ungraded("truncated", "the thought never ends")
    if not answer.said.strip():
        return Ungraded("truncated" if generation.stop == "length" else "unparsed", "no text")
    return None


def _requests(
    answer: TurnAnswer, judge: Judge, method: JudgeMethod, seed: int, k: int
) -> list[GenerateRequest]:
    sample, repeat = answer.sample, answer.generated.generation.repeat * judge.repeats + k
    baseline = _baseline(judge, sample) if method.needs_baseline else ()
    requests = []
    for order, prompt in enumerate(method.prompts(sample, answer.texts, baseline)):
        own = sample_seed(seed, f"{sample.id} judged {order}", repeat)
        sampling = replace(judge.sampling(method), seed=own)
        requests.append(GenerateRequest(sample.id, prompt, sampling, repeat))
    return requests


def _baseline(judge: Judge, sample: Sample) -> tuple[str, ...]:
    """Return the baseline's answers to a turn and to those before it."""
    item, _, turn = sample.id.rpartition("/")
    return tuple(judge.baseline[f"{item}/{n}"].strip() for n in range(1, int(turn) + 1))


Said = tuple[str | Ungraded, Charge | None]  # a judge's text, and what it cost


def _texts(judging: Judging, requests: Sequence[GenerateRequest]) -> Iterator[Said]:
    """Yield the judge's texts; one that it could not write is our failure, not the answer's."""
    done: list[Said] = []
    began = time.perf_counter()
    try:
        for generated in judging.judge.model.generate(requests):
            done.append((judging.read(generated), generated.generation.charge))
    except (CapReached, EndpointUnusable):  # each by itself would end the same way
        raise
    except Exception:  # one request may have stopped all: each is asked by itself
        done.extend(_alone(judging, request) for request in requests[len(done) :])
    finally:
        judging.seconds += time.perf_counter() - began
    yield from done


def _alone(judging: Judging, request: GenerateRequest) -> Said:
    try:
        (generated,) = judging.judge.model.generate([request])
    except (CapReached, EndpointUnusable):
        raise
    except Exception as error:  # whatever it was, the judged model is not to blame for it
        why = f"the judge failed: {type(error).__name__}: {error}"
        return Ungraded("infrastructure", why), None
    return judging.read(generated), generated.generation.charge
