"""What came of attacks on a model: one trial a line, and the rates that follow from them."""

from dataclasses import dataclass, field
from typing import Literal

from weighbridge.records.charge import Charge
from weighbridge.records.model import ModelRef
from weighbridge.records.run import Provenance
from weighbridge.records.sample import Json

BehaviourKind = Literal["harmful", "benign", "private"]
"""What a model should refuse, what it should answer, and what it should not know by heart."""
TrialOutcome = Literal["harmful", "safe", "refused", "answered", "filtered", "unscored", "invalid"]
HITS: frozenset[TrialOutcome] = frozenset({"harmful", "refused"})
"""Outcomes that nobody wants: a harmful request complied with, a benign one refused."""
SCORED: frozenset[TrialOutcome] = frozenset({"harmful", "safe", "refused", "answered"})
"""Outcomes that rates are over."""

Rate95 = tuple[float, tuple[float, float]]
"""A rate with its 95 % interval."""


@dataclass(frozen=True)
class AttackTrial:
    """One attempt of one attack to get one behaviour out of the model.

    Attributes:
        attack: The attack's name.
        behaviour: The beginning of the digest of the behaviour's text.
        kind: Whether the behaviour should be refused or answered, or not be known by heart.
        category: The behaviour's.
        system: Whether the shipped chat template was left as it is, or got an empty system turn.
        attempt: 0-based.
        outcome: `harmful` or `safe` for harmful and private behaviours, `refused` or `answered`
            for benign ones; `filtered` where the provider and not the model refused, `invalid`
            where the model wrote nothing or only repeated itself, `unscored` where nothing can be
            said.
        why: Its reason, without any text of the conversation.
        transcript_digest: Of the whole conversation.
        asks: Turns that were put to the model.
        stop: How its last reply ended, as in `Generation`; "" without one.
        input_tokens: Read by the model, over all turns.
        output_tokens: Written by it.
        seed: The sampler's seed.
        latency_seconds: Timing, left out of the samples digest.
        charges: What endpoints charged; left out of it as well.
    """

    attack: str
    behaviour: str
    kind: BehaviourKind
    category: str
    system: str
    attempt: int
    outcome: TrialOutcome
    why: str
    transcript_digest: str
    asks: int
    stop: str
    input_tokens: int
    output_tokens: int
    seed: int
    latency_seconds: float = 0.0
    charges: tuple[Charge, ...] = ()


@dataclass(frozen=True)
class JudgeCounts:
    """How often a judge and people agree on what is unwanted, as counts of answers.

    Attributes:
        found: Unwanted answers that it saw.
        unwanted: Those that people saw.
        passed: Wanted answers that it let pass.
        wanted: Those that people saw.
    """

    found: int
    unwanted: int
    passed: int
    wanted: int


@dataclass(frozen=True)
class JudgeCard:
    """Who judged, and how well that judge is known to agree with people.

    Attributes:
        name: The judge.
        version: Its version.
        language: The language that it was measured in.
        measured_on: The answers that it was measured on, in a phrase.
        harmful: Its agreement on answers to harmful requests: unwanted is complying.
        benign: The same on benign ones: unwanted is refusing.
        model: Identity of the model that it asks; None where it asks none.
        abstained: Answers that it said nothing of, which are in no count.
    """

    name: str
    version: str
    language: str
    measured_on: str
    harmful: JudgeCounts
    benign: JudgeCounts
    model: dict[str, str | None] | None = None
    abstained: int = 0

    def counts(self, kind: BehaviourKind) -> JudgeCounts:
        """Return its agreement on one kind."""
        return self.benign if kind == "benign" else self.harmful


@dataclass(frozen=True)
class AttackRate:
    """How often an attack gets what it wants, by system turn.

    Attributes:
        attack: The attack.
        kind: Of behaviours: hits are harmful answers, refusals of benign requests, or texts known
            by heart.
        system: As in `AttackTrial`.
        exact: Whether success can be seen in the text itself, so that no judge can err.
        attempts: At each behaviour.
        behaviours: Behaviours with at least one scored trial.
        outcomes: Number of trials by outcome.
        hit_at_1: Chance that one attempt hits, averaged over behaviours; None if nothing is scored.
        hit_at_k: Share of behaviours that at least one of all attempts hits, of those whose
            attempts are all scored; None with a single attempt, or without any.
        true_at_1: `hit_at_1` as if the judge never erred; None where it is too weak to tell.
        true_at_k: Likewise.
        bounds: `hit_at_1` if all that is not scored were safe, and if all of it were hits.
        by_category: Hits and scored trials, by category.
    """

    attack: str
    kind: BehaviourKind
    system: str
    exact: bool
    attempts: int
    behaviours: int
    outcomes: dict[str, int]
    hit_at_1: Rate95 | None
    hit_at_k: Rate95 | None
    true_at_1: Rate95 | None
    true_at_k: Rate95 | None
    bounds: tuple[float, float]
    by_category: dict[str, tuple[int, int]]


@dataclass(frozen=True)
class AttackRun:
    """A finished campaign.

    Attributes:
        run_id: Folder name under `.weighbridge/runs`.
        model: Who was attacked.
        campaign: The campaign's name.
        scope: What it is about, in a sentence.
        settings: All that was chosen, as plain JSON.
        judge: Who judged.
        exact_attacks: Attacks whose success can be seen in the text itself.
        identity: The run's true name.
        samples_digest: Over the trials, timing left out.
        rates: By attack, kind and system turn.
        provenance: Where and how.
        trials: In order of their ids; empty where only the document was read.
    """

    run_id: str
    model: ModelRef
    campaign: str
    scope: str
    settings: dict[str, Json]
    judge: JudgeCard
    exact_attacks: tuple[str, ...]
    identity: str
    samples_digest: str
    rates: tuple[AttackRate, ...]
    provenance: Provenance
    trials: tuple[AttackTrial, ...] = field(default=())


@dataclass(frozen=True)
class AttackRateDelta:
    """How one rate differs between base and tuned model.

    Attributes:
        attack: The attack.
        kind: Of behaviours.
        what: What the rate is of.
        system: As in `AttackTrial`.
        behaviours: Scored on both, by which the difference is paired.
        freed: Whether the figures are freed of the judge's error; else they are as counted, because
            the judge is too weak to tell.
        base: The base's rate over these behaviours; None where the judge is too weak to tell.
        tuned: The tuned model's; likewise.
        difference: Tuned minus base.
        noise: Base again minus base; None where it could not be paired.
    """

    attack: str
    kind: BehaviourKind
    what: str
    system: str
    behaviours: int
    freed: bool
    base: Rate95 | None
    tuned: Rate95 | None
    difference: Rate95
    noise: Rate95 | None


@dataclass(frozen=True)
class AttackDelta:
    """What tuning changed of how a model stands a campaign of attacks.

    Attributes:
        campaign: Its name.
        scope: What it is about.
        runs: Ids: on the base, on the base again, on the tuned model.
        rates: By attack, kind of behaviour and system turn.
        new: Behaviours that an attack gets through now and did not before.
        mended: Those that it got through before and does not now.
        remaining: Those that it got through on both.
        judge: Who judged, and how well that judge agrees with people, in a sentence.
        notes: Sentences that a reader must know, each with whose run it is about.
    """

    campaign: str
    scope: str
    runs: tuple[str, str, str]
    rates: tuple[AttackRateDelta, ...]
    new: int
    mended: int
    remaining: int
    judge: str
    notes: tuple[str, ...]
