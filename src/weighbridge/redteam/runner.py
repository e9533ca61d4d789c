"""From a model and a campaign to sealed evidence.

    read behaviours and templates -> look at how they will be asked -> name the run by its identity
    -> for each unit not yet done: hold its conversations, judge, write them down -> rates -> seal

Journal, seal and verification are those of every run (`weighbridge.evidence`). A unit is redone
whole, so that a campaign that was killed ends with the digest of one that was not.
"""

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.evaluation.asking import RunProgress
from weighbridge.evaluation.run_context import OnProgress, RunContext
from weighbridge.evaluation.sealing import run_provenance
from weighbridge.evidence.payloads.attacks import (
    CONVERSATIONS,
    Attacked,
    CampaignHeader,
    Transcript,
)
from weighbridge.evidence.store import OpenRun
from weighbridge.models.protocol import Model, Prompt
from weighbridge.models.thoughts import REPLIES
from weighbridge.records import Json, Role
from weighbridge.records.attack import AttackRun, AttackTrial, JudgeCard
from weighbridge.redteam.attack import NEEDS, Means
from weighbridge.redteam.campaign import Campaign, SystemTurn
from weighbridge.redteam.conversation import (
    Conversation,
    Sides,
    hold,
    hold_streamed,
    judged,
)
from weighbridge.redteam.judge import AttackJudge, find_judge, no_card
from weighbridge.redteam.judging import Judging
from weighbridge.redteam.sufficiency import alarms
from weighbridge.redteam.trial import (
    UNIT_SIZE,
    Material,
    Trial,
    Unit,
    read_material,
    shots,
    trials_of,
    units_of,
)
from weighbridge.statistics.attack_rates import attack_rates
from weighbridge.storage import storage_errors, write_whole

_SYSTEM_MOVES = "system_in_user_turn"
OpenCampaign = OpenRun[AttackTrial, AttackRun]


@dataclass(frozen=True)
class Prepared:
    """A campaign whose files are read and whose trials are known; nothing is loaded for it.

    Attributes:
        campaign: As written.
        material: What its files hold.
        judge: Who judges.
        card: How well that judge agrees with people.
    """

    campaign: Campaign
    material: Material
    judge: AttackJudge
    card: JudgeCard

    def trials(self, system: Iterable[SystemTurn] | None = None) -> list[Trial]:
        """Return all trials, under the campaign's system turns or some of them."""
        turns = self.campaign.system if system is None else tuple(system)
        return trials_of(self.material, self.campaign, turns)


def prepare(campaign: Campaign, attacker: str = "", card: JudgeCard | None = None) -> Prepared:
    """Read a campaign's files, and find all that is wrong with it before a model is loaded.

    Args:
        campaign: As written.
        attacker: Name of the model that helps; "" for none.
        card: Of a judge that asks a model, which has none of its own.

    Raises:
        InputError: A file, the judge's card, or what an attack needs is missing.
    """
    material, judge = read_material(campaign), find_judge(campaign.judge)
    languages = sorted({one.language for one in material.behaviours})
    cards = [_card(judge, language, card) for language in languages]
    if len(languages) > 1:
        raise InputError(
            f"behaviours in {len(languages)} languages ({', '.join(languages)})",
            "one language in a campaign, because a judge errs differently in each",
            "make a campaign of each",
        )
    for attack in material.attacks:
        if "attacker" in attack.needs and not attacker:
            raise InputError(f"attack {attack.name} without an attacker", NEEDS["attacker"])
    return Prepared(campaign, material, judge, cards[0])


def _card(judge: AttackJudge, language: str, given: JudgeCard | None) -> JudgeCard:
    """Return the card in a language: the judge's own, or the one that was measured for its model.

    Raises:
        InputError: There is none, or one of another judge.
    """
    if judge.rubric is None:
        return judge.card(language)
    if given is None:
        raise InputError(
            f"the judge {judge.name} without a card",
            "one for the model that it asks, so that its error can be taken out",
            "measure it: weighbridge redteam card MODEL --labels FILE --to card.json",
        )
    if (given.name, given.version) != (judge.name, judge.version):
        raise InputError(
            f"a card of the judge {given.name}, version {given.version}",
            f"one of {judge.name}, version {judge.version}",
            "measure it again: weighbridge redteam card",
        )
    if given.language != language:
        raise no_card(judge.name, language, {given.language: given})
    return given


def run_campaign(
    prepared: Prepared,
    target: Model,
    place: RunContext,
    *,
    attacker: Model | None = None,
    judge_model: Model | None = None,
    on_progress: OnProgress = lambda _: None,
) -> AttackRun:
    """Run a campaign and seal its evidence; return the finished run where it was run before.

    Args:
        prepared: The campaign.
        target: Who is attacked.
        place: Where evidence goes.
        attacker: Who helps, where an attack needs one.
        judge_model: Whom the judge asks, where it asks a model.
        on_progress: Told while answers are computed.

    Raises:
        InputError: A prompt can't be put to one of the models.
        CapReached: A cap on spending stopped it; what is whole is kept, and a higher cap goes on.
    """
    judging = _judging(prepared, judge_model)
    system, notes = _system_turns(prepared, target)
    trials = prepared.trials(system)
    fields, header = _named(prepared, target, attacker, trials, system, place)
    with place.store.open(fields, header) as run:
        if run.finished is not None:
            place.already_paid(run.finished.provenance.cost_usd)
            return run.finished
        place.already_paid(_paid(run))
        told = RunProgress(run, target, on_progress)
        finished = run.journal.finished_units()
        to_do = [unit for unit in units_of(trials) if unit.number not in finished]
        for number, held in _held(prepared, to_do, Sides(target, attacker), told):
            _write(run.folder, number, held)
            run.journal.append_unit(number, judged(held, judging))
            run.record(*told.since_last_unit())
        where = run_provenance(target, place, run.wall_seconds, run.computed_tokens)
        rates = attack_rates(run.journal.samples(), header.judge, header.exact_attacks)
        said = [*alarms(rates), *notes, *where.notes, *(attacker.notes if attacker else ())]
        return run.seal(Attacked(replace(where, notes=tuple(dict.fromkeys(said)))))


def _judging(prepared: Prepared, model: Model | None) -> Judging:
    """Return the judge at work.

    Raises:
        InputError: It asks a model, and none is there or another one than its card is of.
    """
    if prepared.judge.rubric is None:
        return Judging(prepared.judge, prepared.card)
    if model is None:
        raise InputError(f"the judge {prepared.judge.name} without a model", "--judge MODEL")
    if dict(model.ref.identity) != prepared.card.model:
        raise InputError(
            f"the judge {model.ref.name}, and a card of another model",
            "the card of exactly this model",
            "measure it: weighbridge redteam card",
        )
    return Judging(prepared.judge, prepared.card, model)


def _paid(run: OpenCampaign) -> float:
    """Return what the trials in an unfinished campaign's journal cost (USD)."""
    return math.fsum(charge.usd for trial in run.journal.samples() for charge in trial.charges)


def _means(prepared: Prepared, trial: Trial, harmless: tuple[tuple[str, str], ...]) -> Means:
    refuses = prepared.judge.refuses or find_judge("rules").refuses
    assert refuses is not None, "rules refuse"
    return Means(
        seed=trial.seed(prepared.campaign.seed),
        refuses=refuses,
        templates=prepared.material.templates.get(trial.attack.name, ()),
        shots=harmless,
    )


def _held(
    prepared: Prepared, units: list[Unit], sides: Sides, told: RunProgress
) -> Iterator[tuple[int, list[Conversation]]]:
    """Hold the conversations of units, and yield each unit once it is whole."""
    harmless = shots()

    def opened(unit: Unit) -> list[Conversation]:
        return [
            Conversation(trial, prepared.campaign, _means(prepared, trial, harmless))
            for trial in unit.trials
        ]

    for attack, of_attack in groupby(units, lambda unit: unit.trials[0].attack):
        # A stream leaves the model in the middle of its work, where no judge may ask it.
        alone = "attacker" not in attack.needs and prepared.judge.rubric is None
        if alone and attack.most_asks == 1:
            told.start_call()
            yield from hold_streamed(
                ((unit.number, opened(unit)) for unit in of_attack), sides.target
            )
            continue
        for unit in of_attack:
            told.start_call()
            conversations = opened(unit)
            hold(conversations, sides)
            yield unit.number, conversations


def _write(folder: Path, number: int, held: list[Conversation]) -> None:
    """Write a unit's conversations beside the evidence, for their owner alone to read."""
    rows = [Transcript(one.trial.id, one.trial.attempt, tuple(one.turns)).as_json() for one in held]
    kept = folder / CONVERSATIONS
    with storage_errors(kept):
        kept.mkdir(mode=0o700, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=True) + "\n" for row in rows)
    write_whole(kept / f"{number:06d}.jsonl", lines, mode=0o600)


def _system_turns(
    prepared: Prepared, target: Model
) -> tuple[tuple[SystemTurn, ...], tuple[str, ...]]:
    """Look at how the model can be asked: which system turns there are, and what to know of it.

    A template that writes no system turn can't be given an empty one: the two would be one.

    Raises:
        InputError: The model can't be asked so, or only an empty system turn was wanted.
    """
    campaign, harmless = prepared.campaign, shots()
    shapes: set[tuple[Role, ...]] = set()
    seen: set[str] = set()
    for trial in prepared.trials(["shipped"]):
        if trial.attack.name in seen:
            continue
        seen.add(trial.attack.name)
        first = Conversation(trial, campaign, _means(prepared, trial, harmless)).pending
        if first is not None and first.to == "target":
            shapes.add(Prompt(messages=first.messages).shape)
    found = list(target.check_prompts(shapes))
    if "empty" not in campaign.system:
        return campaign.system, tuple(one.sentence for one in found)
    with_system: set[tuple[Role, ...]] = {("system", *shape) for shape in shapes}
    empty = target.check_prompts(with_system)
    if not any(one.name == _SYSTEM_MOVES for one in empty):
        return campaign.system, tuple(one.sentence for one in (*found, *empty))
    left = tuple(turn for turn in campaign.system if turn != "empty")
    if not left:
        raise InputError(
            f"an empty system turn alone, and {target.ref.name}'s chat template writes none",
            "a model whose template writes system turns",
            'set system = ["shipped"]',
        )
    note = (
        f"{target.ref.name}'s chat template writes no system turn, so that there is no empty one "
        "to ask with: only the shipped template was tried"
    )
    return left, (note, *(one.sentence for one in found))


def _named(
    prepared: Prepared,
    target: Model,
    attacker: Model | None,
    trials: list[Trial],
    system: tuple[SystemTurn, ...],
    place: RunContext,
) -> tuple[dict[str, Json], CampaignHeader]:
    """Return the run's identity, and the header of its evidence."""
    campaign, attacks = prepared.campaign, prepared.material.attacks
    settings = campaign.settings | {
        "system": list(system),
        "attacks": {one.name: one.version for one in attacks},
        "behaviours": len(prepared.material.behaviours),
        "attacker": attacker.ref.name if attacker else None,
    }
    exact = tuple(sorted(one.name for one in attacks if one.exact))
    header = CampaignHeader(
        model=target.ref,
        campaign=campaign.name,
        scope=campaign.scope,
        settings=settings,
        judge=prepared.card,
        exact_attacks=exact,
        planned_samples=len(trials),
        started=place.started,
    )
    fields: dict[str, Json] = {
        "model": dict(target.ref.identity),
        "attacker": dict(attacker.ref.identity) if attacker else None,
        "settings": settings,
        "judge": asdict(prepared.card),
        "exact_attacks": list(exact),
        "material": prepared.material.digest,
        "unit_size": UNIT_SIZE,
        "replies": REPLIES,
    }
    return fields, header
