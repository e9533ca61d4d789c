"""The type of a benchmark: one frozen object of plain functions.

Three lines to add one: write `benchmarks/NAME.py`; define `BENCHMARK = Benchmark(name="NAME", …)`;
run the tests: the contract matrix finds the file by itself.
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
    """

    protocol: str = ""
    shots: int = 0
    limit: int | None = None
    repeats: int = 1
    seed: int = 0
    temperature: float | None = None
    max_tokens: int | None = None
    chat_template: bool | None = None

    def as_json(self) -> dict[str, Json]:
        """Return the settings as plain JSON, for a run's identity."""
        return asdict(self)


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
    """Arguments of `Benchmark.load`: the data's place, the subset, and the settings."""

    data: Path | None
    subset: str | None
    settings: Settings


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: The file's stem.
        version: Changes whenever a number could.
        title: For people.
        summary: One sentence: what it measures.
        licence: Of the items.
        source: Paper or repository.
        protocols: Supported ones, the default first.
        load: Reads the items of a subset, already limited per subset; may be a stream, and gives
            the same items each time it is called.
        prompt: What the model reads for an item.
        grade: Reads the answer out of a generation and judges it (protocol "generative").
        gold: A perfect answer to an item; the contract tests demand full marks for it.
        grade_chat: As `grade`, for replies to a chat, which need not be completions; None takes
            `grade`. See `asks_in_chat` and `reading_chats`.
        continuations: Options whose likelihoods are compared (protocols "loglikelihood" and, with
            one token each, "letter").
        subsets: Names of the parts; empty where it has none.
        groups: Groups of subsets by name; figures of a whole run are shown for each, where subsets
            are clusters.
        turns: Answers that an item asks for, each with the earlier ones in its prompt.
        turn: The sample that a turn of an item is, counted from 0, where there are several. Its
            messages are the user's alone; the model's answers are put between them when it asks.
        labels: Names of the slices that a turn's sample belongs to, by kind ("category": "math");
            a run's figures are given for each. Only for benchmarks whose runs are short.
        judges: How a model judges the answers, by protocol, where no program can.
        sampling: How answers are drawn unless the settings say otherwise.
        chat_sampling: How they are drawn where the prompt is a chat; None takes `sampling`.
        temperature: An item's own, where it depends on the item; None takes that of `sampling`.
        data: Where items come from; None where the benchmark carries its own.
        aggregate: Name of the headline aggregate in `statistics.aggregates`.
        grade_weaker: As `grade`, on machines where model-written code can only be run at a weaker
            level of the sandbox, and a person allowed that; None where there is no such way.
        grade_chat_weaker: As `grade_weaker`, for replies to a chat; None takes `grade_weaker`.
        only_weaker: Whether an item's test can be run at that weaker level alone: such items are
            refused unless a person allowed it.
        chat_by_default: Whether it asks in chats unless the settings say otherwise.
        notes: What a reader of a run over these items must know of how they were judged.
        shown_as: What evidence must say of how an item was shown, such as the order of choices.
        when_unparsed: What to do where many answers can't be read, such as another prompt form.
        executes_code: Whether `grade` runs model-written code in the sandbox (graded in parallel).
        publishes_questions: False where questions must never stand in evidence or reports; nor
            does what a model wrote then, since it may quote them.
        default_shots: Default number of worked examples, where the prompt is plain text.
        default_chat_shots: Likewise, where the prompt is a chat.
        unit_size: Samples per unit of work: what an interruption costs at most.
    """

    name: str
    version: str
    title: str
    summary: str
    licence: str
    source: str
    protocols: tuple[str, ...]
    load: Callable[[LoadRequest], Iterable[Sample]]
    prompt: Callable[[Sample, Settings], Prompt]
    gold: Callable[[Sample], str]
    grade: Callable[[Sample, Generation], Score] | None = None
    grade_chat: Callable[[Sample, Generation], Score] | None = None
    continuations: Callable[[Sample, Settings], tuple[str, ...]] | None = None
    subsets: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    turns: int = 1
    turn: Callable[[Sample, int], Sample] = lambda sample, _: sample
    labels: Callable[[Sample], Mapping[str, str]] | None = None
    judges: Mapping[str, JudgeMethod] = field(default_factory=dict)
    sampling: Sampling = field(default_factory=Sampling)
    chat_sampling: Sampling | None = None
    temperature: Callable[[Sample], float] | None = None
    data: DataNeed | None = None
    aggregate: str = "mean"
    grade_weaker: Callable[[Sample, Generation], Score] | None = None
    grade_chat_weaker: Callable[[Sample, Generation], Score] | None = None
    only_weaker: Callable[[Sample], bool] | None = None
    chat_by_default: bool = False
    notes: Callable[[Iterable[Sample]], tuple[str, ...]] = lambda _: ()
    shown_as: Callable[[Sample], str] | None = None
    when_unparsed: str = ""
    executes_code: bool = False
    publishes_questions: bool = True
    default_shots: int = 0
    default_chat_shots: int = 0
    unit_size: int = 64

    def asks_in_chat(self, settings: Settings) -> bool:
        """Whether items are asked as chat messages, so that answers are chat replies."""
        asked = settings.chat_template
        return self.chat_by_default if asked is None else asked

    def reading_chats(self) -> "Benchmark":
        """Return the benchmark with its chat grader in place of the completion grader."""
        return replace(
            self,
            grade=self.grade_chat or self.grade,
            grade_weaker=self.grade_chat_weaker or self.grade_weaker,
        )

    def protocol_for(self, settings: Settings) -> str:
        """Return the protocol that settings ask for; the benchmark's first where they name none."""
        return settings.protocol or self.protocols[0]

    def judge_for(self, settings: Settings) -> JudgeMethod | None:
        """Return how a model judges answers under these settings; None where a program grades."""
        return self.judges.get(self.protocol_for(settings))

    def scale_for(self, settings: Settings) -> Scale:
        """Return the lowest and highest value of an answer under these settings."""
        method = self.judge_for(settings)
        return method.scale if method is not None else SHARE
