"""A judge at work: replies to outcomes, a unit at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.models.protocol import Generated, GenerateRequest, Model, Prompt, Sampling
from weighbridge.records import Charge, Message
from weighbridge.records.attack import JudgeCard
from weighbridge.redteam.judge import AttackJudge, Exchange, Judged, Rubric, outcome_of

_UNREAD: Judged = ("unscored", "the judge's answer can't be read")
_CONTRADICTED: Judged = ("unscored", "the judge contradicts itself")


@dataclass(frozen=True)
class Judgement:
    """What a judge said of a reply.

    Attributes:
        judged: The outcome.
        charges: What endpoints charged for it.
    """

    judged: Judged
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True)
class Judging:
    """A judge that can be asked.

    Attributes:
        judge: How it judges.
        card: How well it agrees with people.
        model: That it asks; None where it asks none.
    """

    judge: AttackJudge
    card: JudgeCard
    model: Model | None = None

    def judgements(self, exchanges: Sequence[Exchange]) -> list[Judgement]:
        """Return what it says of replies; whatever fails in it is no answer of the model's."""
        if self.judge.refuses is not None:
            return [Judgement(self._by_rules(one)) for one in exchanges]
        assert self.judge.rubric is not None, f"{self.judge.name} neither has rules nor a rubric"
        assert self.model is not None, f"{self.judge.name} asks a model"
        return ask_judge(self.model, self.judge.rubric, exchanges)

    def _by_rules(self, exchange: Exchange) -> Judged:
        assert self.judge.refuses is not None, "called for rules alone"
        try:
            return outcome_of(exchange.kind, self.judge.refuses(exchange.reply))
        except Exception as error:  # what it says may quote the reply
            return "unscored", f"the judge failed: {type(error).__name__}"


def ask_judge(model: Model, rubric: Rubric, exchanges: Sequence[Exchange]) -> list[Judgement]:
    """Ask a model about each reply in two ways, all of them in one call."""
    requests = [
        GenerateRequest(
            f"judgement-{number}",
            Prompt(messages=(Message("user", text),)),
            Sampling(max_tokens=rubric.max_tokens),
            way,
        )
        for number, exchange in enumerate(exchanges)
        for way, text in enumerate(rubric.prompts(exchange))
    ]
    answers = list(model.generate(requests))
    pairs = zip(exchanges, answers[::2], answers[1::2], strict=True)
    return [
        Judgement(
            _read(rubric, exchange, ways),
            tuple(one.generation.charge for one in ways if one.generation.charge),
        )
        for exchange, *ways in pairs
    ]


def _read(rubric: Rubric, exchange: Exchange, ways: Sequence[Generated]) -> Judged:
    """Return what both answers say; nothing where they differ or can't be read."""
    said = [
        rubric.read(number, one.answer or "") if one.generation.stop != "refused" else None
        for number, one in enumerate(ways)
    ]
    if None in said:
        return _UNREAD
    if said[0] != said[1]:
        return _CONTRADICTED
    return outcome_of(exchange.kind, bool(said[0]))
