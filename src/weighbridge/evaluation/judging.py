"""Judging by a model: prompts, reading of judgements, settings.

Three lines to add a way of judging: write `judges/NAME.py`; define
`JUDGE = JudgeMethod(name="NAME", …)` from plain functions; name it in a benchmark's `judges`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from string import Formatter

from weighbridge.errors import InputError
from weighbridge.models.protocol import Model, Prompt, Sampling
from weighbridge.records import Json, Message, Sample, Score, ScoredSample, canonical_digest
from weighbridge.statistics.judge_noise import judgements_of, repeat_spread


@dataclass(frozen=True)
class JudgeMethod:
    """A grading method.

    Attributes:
        name: The file's stem.
        scale: Lowest and highest value of a judgement.
        prompts: What the judge reads for one judgement: a turn's sample, the model's answers up to
            that turn, and the baseline's answers, empty where there is none.
        read: From the judge's texts, one a prompt, to a score; the text is kept in `why`. What
            can't be read is `Ungraded("unparsed")`, never a value.
        notes: What a reader of a run must know of its judgements.
        needs_baseline: Whether answers are judged against another model's.
        sampling: How the judge writes.
    """

    name: str
    scale: tuple[float, float]
    prompts: Callable[[Sample, Sequence[str], Sequence[str]], tuple[Prompt, ...]]
    read: Callable[[Sequence[str]], Score]
    notes: Callable[[Iterable[ScoredSample]], tuple[str, ...]] = lambda _: ()
    needs_baseline: bool = False
    sampling: Sampling = field(default_factory=lambda: Sampling(max_tokens=2048))


@dataclass(frozen=True)
class Judge:
    """The judge of a run, and its settings.

    Attributes:
        model: Any model that writes text.
        repeats: Judgements of each answer; each is a sample of the run.
        max_tokens: Longest judgement; None takes the method's own.
        baseline: Another model's answers by turn (`81/1`), for methods that need them.
        baseline_name: Whose they are.
    """

    model: Model
    repeats: int = 1
    max_tokens: int | None = None
    baseline: Mapping[str, str] = field(default_factory=dict)
    baseline_name: str = ""

    def identity(self, method: JudgeMethod) -> dict[str, Json]:
        """Return what makes two judges the same one."""
        same: dict[str, Json] = {
            "method": method.name,
            "model": dict(self.model.ref.identity),
            "repeats": self.repeats,
            "sampling": asdict(self.sampling(method)) | {"stop": list(method.sampling.stop)},
        }
        if method.needs_baseline:
            same["baseline"] = canonical_digest(dict(self.baseline))
        return same

    def sampling(self, method: JudgeMethod) -> Sampling:
        """Return the judge's sampling settings."""
        if self.max_tokens is None:
            return method.sampling
        return replace(method.sampling, max_tokens=self.max_tokens)


def placeholders(template: str) -> frozenset[str]:
    """Names that a template leaves open, such as `question_1`.

    Raises:
        ValueError: The template's braces don't match.
    """
    return frozenset(name for _, name, _, _ in Formatter().parse(template) if name is not None)


@dataclass(frozen=True)
class JudgeTemplate:
    """A judge prompt before it is filled.

    Attributes:
        system: The system message.
        text: The user's turn, with fields in braces.
    """

    system: str
    text: str


def judge_template(sample: Sample, kind: str) -> JudgeTemplate:
    """Return a judge prompt that a benchmark put into an item's metadata.

    Args:
        sample: The item, with `judge_prompts`.
        kind: `single` or `pair`.

    Raises:
        InputError: The item has no such prompt.
    """
    prompts = sample.metadata.get("judge_prompts")
    match prompts.get(kind) if isinstance(prompts, dict) else None:
        case {"system_prompt": str(system), "prompt_template": str(text)}:
            return JudgeTemplate(system, text)
    raise InputError(
        f"item {sample.id} has no judge prompt {kind}",
        "one with system_prompt and prompt_template in its metadata's judge_prompts",
        "correct its benchmark",
    )


def judge_prompt(template: JudgeTemplate, fields: Mapping[str, str]) -> Prompt:
    """Fill a judge prompt: its system message, and its text with the fields put in by name."""
    return Prompt(
        messages=(
            Message("system", template.system),
            Message("user", template.text.format(**fields)),
        )
    )


def reference_answers(sample: Sample) -> tuple[str, ...]:
    """Return the reference answers by turn, which are an item's target; () where it has none."""
    target = sample.target or ()
    return tuple(map(str, target)) if isinstance(target, (list, tuple)) else ()


def shared_fields(sample: Sample) -> dict[str, str]:
    """Fields that every judge prompt may name: the questions and the reference answers."""
    questions = [message.content for message in sample.messages if message.role == "user"]
    return {
        "question": questions[0],
        **{f"question_{n}": text for n, text in enumerate(questions, start=1)},
        **{f"ref_answer_{n}": text for n, text in enumerate(reference_answers(sample), start=1)},
    }


def repeat_notes(samples: Iterable[ScoredSample], judge_repeats: int | None) -> tuple[str, ...]:
    """Say how far judgements of one answer lie apart, where answers were judged again."""
    spread = repeat_spread(judgements_of(samples, judge_repeats))
    if spread is None:
        return ()
    passes = ""
    if spread.pass_means:
        means = ", ".join(f"{mean:.3f}" for mean in spread.pass_means)
        passes = f" Means of the passes: {means}."
    return (
        f"Judged again, the same answer's values differ by a standard deviation of "
        f"{spread.within_sd:.3f}, {spread.share:.1%} of all variance ({spread.judgements} "
        f"judgements of {spread.answers} answers).{passes}",
    )
