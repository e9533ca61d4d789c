"""Options of the commands that measure: what is asked, how, and who judges it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

if TYPE_CHECKING:  # a benchmark brings scipy, a second that --help does not need
    from weighbridge.evaluation.benchmark import Settings
    from weighbridge.evaluation.task import Task
    from weighbridge.opening.judge import JudgeChoice
    from weighbridge.sources.datasets import DataPlaces

_PANEL = "What is asked, and how"
ChatTemplate = Annotated[
    bool | None,
    typer.Option(
        "--chat-template/--no-chat-template",
        help="Ask as a chat or with plain text; default: as the model is meant to be asked.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Options that say what is asked.

    Attributes:
        benchmark: NAME, NAME:SUBSET or the path of a .toml, each.
        limit: First so many items of each subset; None for all.
        shots: Worked examples before a question; None takes the benchmark's own number.
        protocol: How answers are obtained; "" takes the benchmark's first.
        max_tokens: Longest answer; None takes the benchmark's own.
        seed: Of everything random.
    """

    panel: ClassVar[str] = _PANEL

    benchmark: Annotated[
        list[str],
        typer.Option("--benchmark", "-b", metavar="NAME", help="What to measure; may be repeated."),
    ]
    limit: Annotated[
        int | None, typer.Option(metavar="N", help="Only the first N items of each subset.")
    ] = None
    shots: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Worked examples before a question; default: the benchmark's own."
        ),
    ] = None
    protocol: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="loglikelihood, letter, generative or pairwise; default: the benchmark's own.",
        ),
    ] = ""
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Longest answer, in tokens.", min=1)
    ] = None
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of everything random.")] = 0

    def settings(self, answering: "Answering | None" = None) -> "Settings":
        """Return these as a benchmark's settings."""
        from weighbridge.evaluation.benchmark import Settings

        how = answering or Answering()
        return Settings(
            protocol=self.protocol, shots=self.shots or 0, limit=self.limit, repeats=how.repeats,
            seed=self.seed, temperature=how.temperature, max_tokens=self.max_tokens,
            chat_template=how.chat_template,
        )  # fmt: skip

    def tasks(self, places: "DataPlaces", answering: "Answering | None" = None) -> "list[Task]":
        """Find every benchmark and its data before anything is loaded.

        Raises:
            UnknownName: No such benchmark or subset.
            MissingPiece: Its data is nowhere.
        """
        from weighbridge.opening.tasks import find_all

        return find_all(self.benchmark, places, self.settings(answering), self.shots)


@dataclass(frozen=True, kw_only=True)
class Answering:
    """Options that say how answers are drawn.

    Attributes:
        chat_template: Whether prompts go through the chat template; None as the benchmark does.
        repeats: Answers per item.
        temperature: Of sampling; None takes the benchmark's own.
    """

    panel: ClassVar[str] = _PANEL

    chat_template: ChatTemplate = None
    repeats: Annotated[int, typer.Option(metavar="N", help="Answers per item.")] = 1
    temperature: Annotated[
        float | None, typer.Option(metavar="T", help="Sampling temperature; 0 is greedy.", min=0)
    ] = None


@dataclass(frozen=True, kw_only=True)
class Judging:
    """Options of benchmarks whose answers a model judges, such as mt_bench.

    Attributes:
        judge: Any model; "" for none.
        judge_repeats: Judgements of each answer.
        judge_max_tokens: Longest judgement; None takes the method's own.
        baseline: Answers to compare with: a run, or a JSONL file; "" for none.
    """

    panel: ClassVar[str] = "A model as judge (mt_bench)"

    judge: Annotated[str, typer.Option(metavar="MODEL", help="Model that judges the answers.")] = ""
    judge_repeats: Annotated[
        int, typer.Option(metavar="N", help="Judgements of each answer.", min=1)
    ] = 1
    judge_max_tokens: Annotated[
        int | None, typer.Option(metavar="N", help="Longest judgement, in tokens.", min=1)
    ] = None
    baseline: Annotated[
        str,
        typer.Option(
            metavar="RUN_OR_FILE", help="Answers to compare with, for --protocol pairwise."
        ),
    ] = ""

    def choice(self) -> "JudgeChoice":
        """Return the judge that a person chose."""
        from weighbridge.opening.judge import JudgeChoice

        return JudgeChoice(self.judge, self.judge_repeats, self.judge_max_tokens, self.baseline)
