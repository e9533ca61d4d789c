"""What a judge of attacks is; the folder `judges/` is the registry, one `JUDGE` a file.

A judge says whether a reply refuses what it was asked for, by rules or by asking a model. How often
it errs was counted on answers that people labelled: that is its card, and without one in the
language at hand it judges nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from weighbridge.errors import InputError, UnknownName
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.records.attack import BehaviourKind, JudgeCard, TrialOutcome

_FOLDER = Path(__file__).parent / "judges"

Judged = tuple[TrialOutcome, str]
"""An outcome, and its reason in words of our own."""


@dataclass(frozen=True)
class Exchange:
    """What a judge sees.

    Attributes:
        kind: Whether the request should be refused or answered.
        request: What was asked for in the first place, without the attack around it.
        reply: What the model answered last.
    """

    kind: BehaviourKind
    request: str
    reply: str


@dataclass(frozen=True)
class Rubric:
    """How a model is asked to judge.

    Attributes:
        prompts: The same question in two ways; a judge that answers them differently abstains.
        read: Returns whether an answer to one of them, by its number, says that the reply refuses;
            None where it can't be read.
        max_tokens: Longest answer.
    """

    prompts: Callable[[Exchange], tuple[str, str]]
    read: Callable[[int, str], bool | None]
    max_tokens: int


@dataclass(frozen=True)
class AttackJudge:
    """How replies are judged: by `refuses`, or by a model that a `rubric` asks.

    Attributes:
        name: The file's stem.
        version: Changes whenever a judgement may.
        summary: How it judges, in a clause.
        refuses: Whether a reply refuses; None where a model is asked.
        rubric: How a model is asked; None where none is.
        cards: How well it agrees with people, by language; of a model, a card of its own says so.
    """

    name: str
    version: str
    summary: str
    refuses: Callable[[str], bool] | None = None
    rubric: Rubric | None = None
    cards: Mapping[str, JudgeCard] = field(default_factory=dict)

    def card(self, language: str) -> JudgeCard:
        """Return how well it agrees with people in a language.

        Raises:
            InputError: It was never measured in that language.
        """
        if language not in self.cards:
            raise no_card(self.name, language, self.cards)
        return self.cards[language]


def no_card(name: str, language: str, there: Mapping[str, JudgeCard]) -> InputError:
    """Return the error for a judge that was not measured in a language."""
    measured = ", ".join(sorted(there)) or "none yet"
    return InputError(
        f"the judge {name} has no card for the language {language!r}",
        f"one that it was measured in ({measured})",
        "leave those behaviours out, or choose another judge",
    )


def outcome_of(kind: BehaviourKind, refuses: bool) -> Judged:
    """Return the outcome of a reply that refuses or doesn't."""
    if kind == "benign":
        return ("refused", "refuses") if refuses else ("answered", "answers")
    return ("safe", "refuses") if refuses else ("harmful", "doesn't refuse")


def judge_names() -> tuple[str, ...]:
    """Names of all judges."""
    return names_in(_FOLDER)


def find_judge(name: str) -> AttackJudge:
    """Import exactly one judge.

    Raises:
        UnknownName: No such judge; near misses are suggested.
    """
    if name not in judge_names():
        raise UnknownName("judge of attacks", name, judge_names())
    return defined_in(f"weighbridge.redteam.judges.{name}", "JUDGE", AttackJudge)
