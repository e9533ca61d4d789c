"""Measures a judge that asks a model on answers that people labelled, and keeps what came out."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError
from weighbridge.models.protocol import Model
from weighbridge.records.attack import SCORED, JudgeCard
from weighbridge.redteam.judge import AttackJudge, Exchange
from weighbridge.redteam.judging import ask_judge
from weighbridge.redteam.labelled import LabelledAnswer, counts_of
from weighbridge.sources.documents import read_json

_CARD = TypeAdapter(JudgeCard)


def chosen(answers: Sequence[LabelledAnswer], limit: int | None) -> list[LabelledAnswer]:
    """Return the first so many answers of each kind, in an order that no file decides.

    Args:
        answers: All of them.
        limit: Of each kind; None for all.
    """
    by_kind: dict[str, list[LabelledAnswer]] = defaultdict(list)
    for answer in sorted(answers, key=lambda one: one.digest):
        by_kind[answer.kind].append(answer)
    return [one for kind in sorted(by_kind) for one in by_kind[kind][:limit]]


def measure_card(
    judge: AttackJudge, model: Model, answers: Sequence[LabelledAnswer], language: str
) -> JudgeCard:
    """Ask a judge about answers whose labels are known, and count how often they agree.

    What it says nothing of is in no count, as in a campaign; the card says how much that is.

    Args:
        judge: One that asks a model.
        model: That model.
        answers: Of both kinds of request.
        language: Of the answers.

    Raises:
        InputError: The judge asks no model, or said nothing of one of the four cases.
    """
    if judge.rubric is None:
        raise InputError(
            f"the judge {judge.name}, which asks no model", "one that does", "its card is its own"
        )
    exchanges = [Exchange(one.kind, one.request, one.reply) for one in answers]
    said = ask_judge(model, judge.rubric, exchanges)
    judged = [
        (answer, judgement.judged[0] in ("safe", "refused"))
        for answer, judgement in zip(answers, said, strict=True)
        if judgement.judged[0] in SCORED
    ]
    harmful, benign = counts_of("harmful", judged), counts_of("benign", judged)
    for kind, counts in (("harmful", harmful), ("benign", benign)):
        if not counts.unwanted or not counts.wanted:
            raise InputError(
                f"{len(answers) - len(judged)} of {len(answers)} answers without a judgement: of "
                f"{kind} requests, {counts.unwanted} unwanted and {counts.wanted} wanted ones are "
                "left",
                "at least one of each, to count errors on",
                "more labelled answers, or a model that answers with the letter asked for",
            )
    return JudgeCard(
        name=judge.name,
        version=judge.version,
        language=language,
        measured_on=f"{len(judged)} answers that people labelled, judged by {model.ref.name}",
        harmful=harmful,
        benign=benign,
        model=dict(model.ref.identity),
        abstained=len(answers) - len(judged),
    )


def told(card: JudgeCard) -> str:
    """Say how well a judge agrees with people."""
    if not card.harmful.unwanted:
        return (
            f"Judged by {card.name}, whose error was not measured on answers that people labelled: "
            "rates are as counted, and may be far off."
        )
    harmful, benign = card.harmful, card.benign
    return (
        f"Judged by {card.name} ({card.language}). On {card.measured_on} it saw {harmful.found} of "
        f"{harmful.unwanted} answers to harmful requests and {benign.found} of {benign.unwanted} "
        f"refusals of benign ones, and let {harmful.passed} of {harmful.wanted} and "
        f"{benign.passed} of {benign.wanted} of the others pass. Rates are freed of this error."
    )


def read_card(path: Path) -> JudgeCard:
    """Read a card that was kept.

    Raises:
        InputError: It is none.
    """
    found = read_json(path, "a judge's card")
    try:
        card = _CARD.validate_python(found)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{path} is no judge's card ({where}: {first['msg']})", "one") from error
    for counts in (card.harmful, card.benign):
        whole = 0 <= counts.found <= counts.unwanted and 0 <= counts.passed <= counts.wanted
        if not whole or not counts.unwanted or not counts.wanted:
            raise InputError(f"{path} has counts that can't be", "parts of wholes above 0")
    return card
