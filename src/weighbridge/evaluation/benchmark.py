"""The type of a benchmark: what is said about it, what is asked, and how answers are graded.

Three lines to add one: write `benchmarks/NAME.py`; define
`BENCHMARK = Benchmark("NAME", "1", About(…), Asking(…), Grading(…))` from plain functions; run the
tests: the contract matrix finds the file by itself.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from weighbridge.evaluation.judging import JudgeMethod
from weighbridge.models.protocol import Prompt, Sampling
from weighbridge.records import Generation, Json, Sample, Score
from weighbridge.records.scale import SHARE, Scale


@dataclass(frozen=True)
class Settings:
    """What a person chose for a run; all of it is part of the run's identity.

    Attributes:
        protocol: How answers are obtained; "" takes the benchmark's first.
        shots: Worked examples before each question.
        limit: Number of items that are taken from the beginning of each subset; None for all.
        repeats: Answers per item.
        seed: For sampling and shuffling.
        temperature: None takes the benchmark's own.
        max_tokens: None takes the benchmark's own.
        chat_template: Whether prompts go through the chat template; None takes the benchmark's own.
        examples: Digest of worked examples that are not the benchmark's own, of which there are
            `shots`; see `worked_examples.asked_with`.
    """

    protocol: str = ""
    shots: int = 0
    limit: int | None = None
    repeats: int = 1
    seed: int = 0
    temperature: float | None = None
    max_tokens: int | None = None
    chat_template: bool | None = None
    examples: str = ""

    def as_json(self) -> dict[str, Json]:
        """Return the settings as plain JSON, for a run's identity.

        Runs without examples keep the identity that they had before `examples` was a setting.
        """
        return {k: v for k, v in asdict(self).items() if k != "examples" or v}


@dataclass(frozen=True)
class DataNeed:
    """Where a benchmark's data is found, and how a person gets it.

    Attributes:
        name: Key for `--data NAME=PATH`, the project file's `[data]` and `$WEIGHBRIDGE_DATA/NAME`.
        package: Importable package that carries the data, if any.
        package_file: Path of the data inside the package.
        hub: Hub data set id, if any.
        hub_files: Patterns of the files there that are needed; empty for all.
        get_it: The command that gets the data.
    """

    name: str
    package: str | None = None
    package_file: str | None = None
    hub: str | None = None
    hub_files: tuple[str, ...] = ()
    get_it: str = ""


@dataclass(frozen=True)
class LoadRequest:
    """Arguments of `Asking.load`: the data's place, the subset, and the settings."""

    data: Path | None
    subset: str | None
    settings: Settings


Grade = Callable[[Sample, Generation], Score]


@dataclass(frozen=True)
class About:
    """What is said about a benchmark, in reports and in the evidence of its runs.

    Attributes:
        title: For people.
        summary: One sentence: what it measures.
        licence: Of the items.
        source: Paper or repository.
        publishes_questions: False where questions must never stand in evidence or reports; nor
            does what a model wrote then, since it may quote them.
        labels: Names of the slices that a turn's sample belongs to, by kind ("category": "math");
            a run's figures are given for each. Only for benchmarks whose runs are short.
        shown_as: What evidence must say of how an item was shown, such as the order of choices.
        notes: What a reader of a run over these items must know of how they were judged.
        when_unparsed: What to do where many answers can't be read, such as another prompt form.
    """

    title: str = ""
    summary: str = ""
    licence: str = ""
    source: str = ""
    publishes_questions: bool = True
    labels: Callable[[Sample], Mapping[str, str]] | None = None
    shown_as: Callable[[Sample], str] | None = None
    notes: Callable[[Iterable[Sample]], tuple[str, ...]] = lambda _: ()
    when_unparsed: str = ""


@dataclass(frozen=True)
class Asking:
    """What a benchmark asks: its items, and how each is put to a model.

    Attributes:
        protocols: How answers may be obtained, the default first.
        load: Reads the items of a subset, already limited per subset; may be a stream, and gives
            the same items each time it is called.
        prompt: What the model reads for an item.
        continuations: Options whose likelihoods are compared (protocols "loglikelihood" and, with
            one token each, "letter"); the one text that is measured (protocol "bits_per_byte").
        data: Where items come from; None where the benchmark carries its own.
        subsets: Names of the parts; empty where it has none.
        groups: Groups of subsets by name; figures of a whole run are shown for each, where subsets
            are clusters.
        turns: Answers that an item asks for, each with the earlier ones in its prompt.
        turn: The sample that a turn of an item is, counted from 0, where there are several. Its
            messages are the user's alone; the model's answers are put between them when it asks.
        sampling: How answers are drawn unless the settings say otherwise.
        chat_sampling: How they are drawn where the prompt is a chat; None takes `sampling`.
        temperature: An item's own, where it depends on the item; None takes that of `sampling`.
        chat_by_default: Whether it asks in chats unless the settings say otherwise.
        default_shots: Default number of worked examples, where the prompt is plain text.
        default_chat_shots: Likewise, where the prompt is a chat.
        unit_size: Samples per unit of work: what an interruption costs at most.
    """

    protocols: tuple[str, ...]
    load: Callable[[LoadRequest], Iterable[Sample]]
    prompt: Callable[[Sample, Settings], Prompt]
    continuations: Callable[[Sample, Settings], tuple[str, ...]] | None = None
    data: DataNeed | None = None
    subsets: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    turns: int = 1
    turn: Callable[[Sample, int], Sample] = lambda sample, _: sample
    sampling: Sampling = field(default_factory=Sampling)
    chat_sampling: Sampling | None = None
    temperature: Callable[[Sample], float] | None = None
    chat_by_default: bool = False
    default_shots: int = 0
    default_chat_shots: int = 0
    unit_size: int = 64

    def turns_of(self, item: Sample) -> tuple[Sample, ...]:
        """Return the samples that an item's turns are, in order."""
        return tuple(self.turn(item, number) for number in range(self.turns))

    def in_chat(self, settings: Settings) -> bool:
        """Whether items are asked as chat messages, so that answers are chat replies."""
        asked = settings.chat_template
        return self.chat_by_default if asked is None else asked

    def usual_sampling(self, settings: Settings) -> Sampling:
        """Return how answers are drawn by default, which may differ for chats."""
        if settings.chat_template and self.chat_sampling is not None:
            return self.chat_sampling
        return self.sampling

    def sampling_for(self, settings: Settings, sample: Sample) -> Sampling:
        """Return how an answer to an item is drawn: as the settings say, else by default."""
        sampling = self.usual_sampling(settings)
        if self.temperature is not None:
            sampling = replace(sampling, temperature=self.temperature(sample))
        if settings.temperature is not None:
            sampling = replace(sampling, temperature=settings.temperature)
        if settings.max_tokens is not None:
            sampling = replace(sampling, max_tokens=settings.max_tokens)
        return sampling


@dataclass(frozen=True)
class Grading:
    """How a benchmark's answers are graded: by a program, by a judge, or by likelihoods alone.

    Attributes:
        gold: A perfect answer to an item; the contract tests demand full marks for it.
        grade: Reads the answer out of a generation and judges it (protocol "generative").
        grade_chat: As `grade`, for replies to a chat, which need not be completions; None takes
            `grade`. See `of_chat_replies`.
        judges: How a model judges the answers, by protocol, where no program can.
        aggregate: Name of the headline aggregate in `statistics.aggregates`.
        executes_code: Whether `grade` runs model-written code in the sandbox (graded in parallel).
        grade_weaker: As `grade`, on machines where model-written code can only be run at a weaker
            level of the sandbox, and a person allowed that; None where there is no such way.
        grade_chat_weaker: As `grade_weaker`, for replies to a chat; None takes `grade_weaker`.
        only_weaker: Whether an item's test can be run at that weaker level alone: such items are
            refused unless a person allowed it.
        scale: The worst and the best value, where no judge has a scale of its own.
        refusal_is_answer: Whether a reply that a server's own filter refused is graded as any
            other: where the question is whether a model refuses, that is its answer.
    """

    gold: Callable[[Sample], str]
    grade: Grade | None = None
    grade_chat: Grade | None = None
    judges: Mapping[str, JudgeMethod] = field(default_factory=dict)
    aggregate: str = "mean"
    executes_code: bool = False
    grade_weaker: Grade | None = None
    grade_chat_weaker: Grade | None = None
    only_weaker: Callable[[Sample], bool] | None = None
    scale: Scale = SHARE
    refusal_is_answer: bool = False

    def of_chat_replies(self) -> "Grading":
        """Return the grading of replies to a chat, in place of that of completions."""
        return replace(
            self,
            grade=self.grade_chat or self.grade,
            grade_weaker=self.grade_chat_weaker or self.grade_weaker,
        )


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: The file's stem.
        version: Changes whenever a number could.
        about: What is said about it.
        asking: What is asked.
        grading: How answers are graded.
    """

    name: str
    version: str
    about: About
    asking: Asking
    grading: Grading

    def protocol_for(self, settings: Settings) -> str:
        """Return the protocol that settings ask for; the benchmark's first where they name none."""
        return settings.protocol or self.asking.protocols[0]

    def judge_for(self, settings: Settings) -> JudgeMethod | None:
        """Return how a model judges answers under these settings; None where a program grades."""
        return self.grading.judges.get(self.protocol_for(settings))

    def scale_for(self, settings: Settings) -> Scale:
        """Return the worst and the best value of an answer under these settings."""
        method = self.judge_for(settings)
        return method.scale if method is not None else self.grading.scale

    def reading_chats(self) -> "Benchmark":
        """Return the benchmark with its grading of chat replies in place of that of completions."""
        return replace(self, grading=self.grading.of_chat_replies())
