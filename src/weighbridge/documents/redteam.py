"""Campaigns of attacks: what `redteam` prints. No text of a behaviour or an answer is in it."""

from collections.abc import Mapping
from dataclasses import dataclass

from weighbridge.documents.form import ABSENT, OrAbsent, Printed
from weighbridge.records import Json, ModelRef, Provenance
from weighbridge.records.attack import (
    AttackRate,
    AttackRun,
    BehaviourKind,
    JudgeCard,
    Rate95,
    TrialOutcome,
)


@dataclass(frozen=True, kw_only=True)
class FoundRate:
    """How often something hit, as counted and as if the judge never erred.

    Attributes:
        counted: The rate that the judge found.
        counted_interval: 95 % interval of it.
        rate: The rate freed of the judge's error; null where the judge is too weak to tell.
        interval: 95 % interval of it, which knows that the judge's error is an estimate, too.
    """

    counted: float
    counted_interval: tuple[float, float]
    rate: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class AttackRateDocument:
    """What came of one attack under one system turn.

    Attributes:
        attack: The attack.
        kind: Of behaviours: a hit is a harmful answer, the refusal of a benign request, or a text
            known by heart.
        system: "shipped" where the chat template was left as it is, "empty" where it got an empty
            system turn.
        attempts: At each behaviour.
        behaviours: Behaviours with at least one scored trial.
        harmful: Trials in which a harmful request was complied with, or a private text came out.
        safe: Trials in which it was refused, or did not.
        refused: Trials in which a benign request was refused.
        answered: Trials in which it was answered.
        filtered: Trials that the provider's filter refused, and not the model.
        unscored: Trials of which nothing can be said.
        invalid: Trials in which the model wrote nothing or repeated itself.
        rate: Chance that one attempt hits, freed of the judge's error; null where nothing was
            scored or the judge is too weak to tell.
        interval: 95 % interval of it.
        hit_at_1: The same with what was counted; null where nothing was scored.
        hit_at_k: Share of behaviours that any attempt hits; null with one attempt or nothing
            scored.
        bounds: The counted rate if all that is not scored were safe, and if all of it were hits.
        exact: Whether success was seen in the text itself, so that no judge can err.
        by_category: Hits and scored trials by category.
    """

    attack: str
    kind: BehaviourKind
    system: str
    attempts: int
    behaviours: int
    harmful: int
    safe: int
    refused: int
    answered: int
    filtered: int
    unscored: int
    invalid: int
    rate: float | None
    interval: tuple[float, float] | None
    hit_at_1: FoundRate | None
    hit_at_k: FoundRate | None
    bounds: tuple[float, float]
    exact: bool
    by_category: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class CampaignDocument:
    """A finished campaign.

    Attributes:
        run: The run's id, which `verify` takes.
        model: Who was attacked.
        weights_digest: Of exactly these weights.
        campaign: The campaign's name.
        scope: What it is about.
        settings: All that was chosen.
        judge: Who judged, and how well that judge agrees with people.
        runs: By attack, kind of behaviour and system turn.
        sufficient: Whether so much could be scored that the rates say something; else the exit code
            is 3.
        notes: Sentences that a reader must know.
        samples_digest: Digest of every trial, timing left out.
        seconds: Wall time, interrupted attempts included.
        cost_usd: Paid to endpoints.
    """

    run: str
    model: str
    weights_digest: str
    campaign: str
    scope: str
    settings: Mapping[str, Json]
    judge: JudgeCard
    runs: tuple[AttackRateDocument, ...]
    sufficient: bool
    notes: tuple[str, ...]
    samples_digest: str
    seconds: float
    cost_usd: float


@dataclass(frozen=True, kw_only=True)
class TrialDocument:
    """One attempt of one attack at one behaviour.

    Attributes:
        attack: The attack.
        system: The system turn.
        behaviour: The beginning of the digest of its text.
        kind: Whether it should be refused (harmful), answered (benign) or not known (private).
        category: The behaviour's.
        attempt: 0-based.
        outcome: What came of it.
        why: In words of our own.
        asks: Turns that were put to the model.
    """

    attack: str
    system: str
    behaviour: str
    kind: BehaviourKind
    category: str
    attempt: int
    outcome: TrialOutcome
    why: str
    asks: int


@dataclass(frozen=True, kw_only=True)
class ShownCampaign(CampaignDocument):
    """A finished campaign with everything that is known of it but texts.

    Attributes:
        identity: The digest that says what it was: equal identities are never computed twice.
        model_ref: The model, down to the last weight.
        provenance: Where and how it was made.
        trials: With `--samples`: those that were asked for.
        matching: With `--samples`: how many match, shown or not.
    """

    identity: str
    model_ref: ModelRef
    provenance: Provenance
    trials: OrAbsent[tuple[TrialDocument, ...]] = ABSENT
    matching: OrAbsent[int] = ABSENT


@dataclass(frozen=True, kw_only=True)
class IntendedCampaign:
    """What a campaign would do.

    Attributes:
        campaign: Its name.
        scope: What it is about.
        attacks: What each does, by name.
        behaviours: Number of behaviours by kind.
        categories: Number of behaviours by category.
        trials: Attempts, under all system turns.
        most_asks: Most turns that would be put to the model.
        judge: Who would judge.
    """

    campaign: str
    scope: str
    attacks: Mapping[str, str]
    behaviours: Mapping[str, int]
    categories: Mapping[str, int]
    trials: int
    most_asks: int
    judge: JudgeCard


def campaign_document(run: AttackRun, sufficient: bool) -> CampaignDocument:
    """Return a campaign as the document that scripts rely on."""
    return CampaignDocument(
        run=run.run_id,
        model=run.model.name,
        weights_digest=run.model.weights_digest,
        campaign=run.campaign,
        scope=run.scope,
        settings=run.settings,
        judge=run.judge,
        runs=tuple(map(_rate, run.rates)),
        sufficient=sufficient,
        notes=run.provenance.notes,
        samples_digest=run.samples_digest,
        seconds=run.provenance.wall_seconds,
        cost_usd=run.provenance.cost_usd,
    )


def _rate(one: AttackRate) -> AttackRateDocument:
    rate, interval = one.true_at_1 or (None, None)
    return AttackRateDocument(
        attack=one.attack,
        kind=one.kind,
        system=one.system,
        attempts=one.attempts,
        behaviours=one.behaviours,
        harmful=one.outcomes.get("harmful", 0),
        safe=one.outcomes.get("safe", 0),
        refused=one.outcomes.get("refused", 0),
        answered=one.outcomes.get("answered", 0),
        filtered=one.outcomes.get("filtered", 0),
        unscored=one.outcomes.get("unscored", 0),
        invalid=one.outcomes.get("invalid", 0),
        rate=rate,
        interval=interval,
        hit_at_1=_found(one.hit_at_1, one.true_at_1),
        hit_at_k=_found(one.hit_at_k, one.true_at_k),
        bounds=one.bounds,
        exact=one.exact,
        by_category=one.by_category,
    )


def _found(counted: Rate95 | None, true: Rate95 | None) -> FoundRate | None:
    if counted is None:
        return None
    rate, interval = true or (None, None)
    return FoundRate(counted=counted[0], counted_interval=counted[1], rate=rate, interval=interval)


@dataclass(frozen=True, kw_only=True)
class FindingDocument:
    """A behaviour that an attack got through.

    Attributes:
        attack: The attack.
        system: The system turn.
        behaviour: The beginning of the digest of its text.
        kind: Whether it should be refused (harmful), answered (benign) or not known (private).
        category: The behaviour's.
        hits: Attempts that got through; of the old campaign where it is mended.
        attempts: Scored attempts.
    """

    attack: str
    system: str
    behaviour: str
    kind: BehaviourKind
    category: str
    hits: int
    attempts: int


@dataclass(frozen=True, kw_only=True)
class AcceptanceDocument:
    """A finding that somebody answers for, until a day.

    Attributes:
        attack: The attack.
        behaviour: The behaviour.
        system: The system turn; "" for all.
        owner: Who answers for it.
        until: The last day on which it holds.
        reason: In a sentence; "" where none is given.
    """

    attack: str
    behaviour: str
    system: str
    owner: str
    until: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class RateDifferenceDocument:
    """How a rate differs between two campaigns, paired by behaviour.

    Attributes:
        attack: The attack.
        kind: Of behaviours.
        system: The system turn.
        behaviours: Scored in both.
        counted: New minus old, of the chance that one attempt hits.
        counted_interval: 95 % interval of it.
        difference: The same freed of the judge's error; null where the judge is too weak to tell.
        interval: 95 % interval of it.
    """

    attack: str
    kind: BehaviourKind
    system: str
    behaviours: int
    counted: float
    counted_interval: tuple[float, float]
    difference: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class CampaignDifferenceDocument:
    """What differs between two campaigns; the exit code is 1 where anything is new.

    Attributes:
        old: Id of the older run.
        new_run: Id of the newer one.
        new: Found now and not before, and accepted by nobody.
        accepted: Found now and not before, and accepted.
        remaining: Found in both.
        mended: Found before and not now, of what was tried again.
        expired: Acceptances whose day is past.
        untried: Findings of the older run that the newer one could not score.
        rates: Paired differences by attack, kind and system turn.
        noise: The same between two runs on the old model; empty without a second.
    """

    old: str
    new_run: str
    new: tuple[FindingDocument, ...]
    accepted: tuple[FindingDocument, ...]
    remaining: tuple[FindingDocument, ...]
    mended: tuple[FindingDocument, ...]
    expired: tuple[AcceptanceDocument, ...]
    untried: int
    rates: tuple[RateDifferenceDocument, ...]
    noise: tuple[RateDifferenceDocument, ...]


@dataclass(frozen=True, kw_only=True)
class AgreementShare:
    """How well a judge and people agree on one kind of request.

    Attributes:
        sensitivity: Share of unwanted answers that it sees.
        sensitivity_interval: 95 % interval of it.
        specificity: Share of the others that it lets pass.
        specificity_interval: 95 % interval of it.
    """

    sensitivity: float
    sensitivity_interval: tuple[float, float]
    specificity: float
    specificity_interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class CardDocument:
    """How well a judge agrees with people.

    Attributes:
        card: The counts, as a campaign takes them.
        harmful: On answers to harmful requests: unwanted is complying.
        benign: On benign ones: unwanted is refusing.
        written: The file.
    """

    card: JudgeCard
    harmful: AgreementShare
    benign: AgreementShare
    written: str


PRINTED = (
    Printed("redteam run", CampaignDocument),
    Printed("redteam run --dry-run", IntendedCampaign),
    Printed("redteam diff", CampaignDifferenceDocument),
    Printed("redteam card", CardDocument),
    Printed("redteam import", CampaignDocument),
    Printed("redteam garak", CampaignDocument),
    Printed("runs show", ShownCampaign, "of a campaign of attacks"),
)
