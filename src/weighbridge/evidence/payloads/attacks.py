"""Campaigns of attacks: each attempt at a behaviour with its outcome, and the rates over them.

No text of a behaviour, an attack or an answer stands in this evidence. The conversations lie beside
it, in the folder `conversations`, which only their owner can read; the digest of each stands in its
trial. Where that folder is there, `verify` compares them.
"""

import math
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from weighbridge.errors import MalformedRow
from weighbridge.evidence.document import Sealed
from weighbridge.evidence.journal import read_samples
from weighbridge.evidence.payload import Check, Facts, Fault, Keys, Payload, RunSummary
from weighbridge.evidence.recomputed import figure_check
from weighbridge.records import Json, ModelRef, Provenance, canonical_digest
from weighbridge.records.attack import AttackRate, AttackRun, AttackTrial, JudgeCard
from weighbridge.sources.tables import jsonl_rows
from weighbridge.statistics.attack_rates import RateCounts

CONVERSATIONS = "conversations"
"""The folder of a run's conversations, a file for each unit."""
_RUN, _TRIAL = TypeAdapter(AttackRun), TypeAdapter(AttackTrial)
_SAMPLE_KEYS = Keys(may_lack=frozenset({"charges"}))


@dataclass(frozen=True)
class CampaignHeader:
    """What is known of a campaign before it starts.

    Attributes:
        model: Who is attacked.
        campaign: The campaign's name.
        scope: What it is about.
        settings: All that was chosen, as plain JSON.
        judge: Who judges.
        exact_attacks: Attacks whose success needs no judge.
        planned_samples: Number of trials.
        started: ISO 8601, UTC.
    """

    model: ModelRef
    campaign: str
    scope: str
    settings: dict[str, Json]
    judge: JudgeCard
    exact_attacks: tuple[str, ...]
    planned_samples: int
    started: str

    @property
    def title(self) -> str:
        """The first part of the run's id."""
        return f"redteam-{self.campaign}"

    @property
    def subject(self) -> str:
        """The model's name."""
        return self.model.name

    @property
    def payload(self) -> "Attacks":
        """The kind of evidence."""
        return PAYLOAD


@dataclass(frozen=True)
class Attacked:
    """What a campaign is sealed with.

    Attributes:
        provenance: Where and how; tokens and costs are filled in from the trials.
    """

    provenance: Provenance

    @property
    def planned_samples(self) -> int | None:
        """As planned."""
        return None


class Totals:
    """Outcomes, tokens and costs of all trials.

    Attributes:
        rates: Outcomes.
        input_tokens: Tokens read.
        output_tokens: Tokens written.
    """

    def __init__(self) -> None:
        self.rates = RateCounts()
        self.input_tokens = self.output_tokens = 0
        self._charges = array("d")

    def add(self, trial: AttackTrial, /) -> None:
        """Add the next trial."""
        self.rates.add(trial)
        self.input_tokens += trial.input_tokens
        self.output_tokens += trial.output_tokens
        self._charges.extend(charge.usd for charge in trial.charges)

    def as_provenance(self) -> dict[str, Any]:
        """Return the totals by the names that provenance gives them."""
        return {
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost_usd": math.fsum(self._charges),
        }


class Attacks(Payload[AttackTrial, AttackRun]):
    """A line of samples is an `AttackTrial`, and the document an `AttackRun`."""

    name = "attacks"
    elsewhere = (
        "two campaigns are compared by: weighbridge redteam diff OLD NEW; one is shown by: "
        "weighbridge runs show RUN"
    )

    @property
    def sample_keys(self) -> Keys:
        """A line without charges lacks their key."""
        return _SAMPLE_KEYS

    def row(self, sample: AttackTrial) -> dict[str, Json]:
        """Return a trial's fields; charges only where there are any."""
        row: dict[str, Json] = dict(vars(sample))
        del row["charges"]
        if sample.charges:
            row["charges"] = [asdict(charge) for charge in sample.charges]
        return row

    def sample(self, row: dict[str, Json]) -> AttackTrial:
        """Read a trial; counts are not below 0."""
        trial = _TRIAL.validate_python(row)
        for name in ("attempt", "asks", "input_tokens", "output_tokens"):
            if getattr(trial, name) < 0:
                raise ValueError(f"{name} is {getattr(trial, name)}, below 0")
        return trial

    def place(self, sample: AttackTrial) -> tuple[str, int]:
        """Return the attack, the system turn and the behaviour; and which attempt it is."""
        return f"{sample.attack}/{sample.system}/{sample.behaviour}", sample.attempt

    def lasting(self, sample: AttackTrial) -> dict[str, Json]:
        """Leave out timing and charges, which are not the model's doing."""
        lasting: dict[str, Json] = vars(sample) | {"latency_seconds": 0}
        lasting.pop("charges")
        return lasting

    def whole(self, sample: AttackTrial) -> dict[str, Json]:
        """Return all fields, the charges among them even where the list is empty."""
        return asdict(sample)

    def document(
        self, header: CampaignHeader, result: Attacked, facts: Facts, count: Totals
    ) -> dict[str, Json]:
        """Return the campaign's document."""
        return self.plain(
            AttackRun(
                run_id=facts.run_id,
                model=header.model,
                campaign=header.campaign,
                scope=header.scope,
                settings=header.settings,
                judge=header.judge,
                exact_attacks=header.exact_attacks,
                identity=facts.identity,
                samples_digest=facts.samples_digest,
                rates=count.rates.rates(header.judge, header.exact_attacks),
                provenance=replace(result.provenance, **count.as_provenance()),
            )
        )

    def content(self, document: dict[str, Json], fields: dict[str, Json]) -> AttackRun:
        """Read the campaign."""
        return _RUN.validate_python(document)

    def plain(self, content: AttackRun) -> dict[str, Json]:
        """Return the campaign without its trials, which are in a file of their own."""
        found = asdict(content)
        del found["trials"]
        return found

    def with_samples(self, content: AttackRun, samples: list[AttackTrial]) -> AttackRun:
        """Return the campaign with its trials."""
        return replace(content, trials=tuple(samples))

    def faults(self, content: AttackRun, fields: dict[str, Json]) -> Iterator[Fault]:
        """Compare settings, judge and exact attacks with the identity."""
        stated: dict[str, Json] = {
            "settings": content.settings,
            "judge": asdict(content.judge),
            "exact_attacks": list(content.exact_attacks),
        }
        for key, value in stated.items():
            if canonical_digest(fields.get(key)) != canonical_digest(value):
                yield key, "differs from the identity's"

    def count(self) -> Totals:
        """Return totals over no trials yet."""
        return Totals()

    def checks(self, sealed: Sealed[AttackRun], count: Totals, *, needed: bool) -> Iterator[Check]:
        """Recompute totals and every rate; compare conversations with their digests."""
        run = sealed.content
        where = asdict(run.provenance)
        for name, again in count.as_provenance().items():
            yield figure_check(f"total {name}", where[name], again)
        rates = _by_name(run.rates)
        recomputed = _by_name(count.rates.rates(run.judge, run.exact_attacks))
        yield figure_check("rates", len(run.rates), len(recomputed))
        for name in sorted(rates.keys() | recomputed.keys()):
            yield figure_check(f"figure {name}", rates.get(name), recomputed.get(name))
        if (sealed.folder / CONVERSATIONS).is_dir():
            yield _conversations(sealed, self)

    def summary(self, name: str, content: AttackRun, started: str) -> RunSummary:
        """Return a finished campaign's line."""
        done = sum(sum(rate.outcomes.values()) for rate in content.rates)
        return RunSummary(
            name, content.model.name, f"redteam:{content.campaign}", started, done, done, None
        )

    def unfinished(self, name: str, state: dict[str, Any]) -> RunSummary:
        """Return how far a campaign has come."""
        return RunSummary(
            name, state["model"]["name"], f"redteam:{state['campaign']}", state["started"],
            int(state["done"]), int(state["planned_samples"]), None,
        )  # fmt: skip


def _by_name(rates: Iterable[AttackRate]) -> dict[str, Json]:
    return {f"{rate.attack} {rate.kind} {rate.system}": asdict(rate) for rate in rates}


@dataclass(frozen=True)
class Transcript:
    """A conversation of a campaign.

    Attributes:
        trial: Attack, system turn and behaviour, as `Attacks.place` names them.
        attempt: 0-based.
        turns: Who was asked or answered, and what was said, each.
    """

    trial: str
    attempt: int
    turns: tuple[tuple[str, str], ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the turns."""
        return canonical_digest(self.turns)

    def as_json(self) -> dict[str, Json]:
        """Return a line of its file."""
        return {"trial": self.trial, "attempt": self.attempt, "turns": self.turns}


def read_transcripts(folder: Path) -> Iterator[Transcript]:
    """Yield the conversations that lie beside a campaign.

    Raises:
        InputError: A file can't be read; MalformedRow where a line is no conversation.
    """
    for path in sorted((folder / CONVERSATIONS).glob("*.jsonl")):
        try:
            for _, row in jsonl_rows(path, "a campaign's conversations"):
                turns = tuple((str(who), str(said)) for who, said in row["turns"])
                yield Transcript(row["trial"], int(row["attempt"]), turns)
        except MalformedRow as error:
            raise error.without_text() from None


def _conversations(sealed: Sealed[AttackRun], payload: Attacks) -> Check:
    """Compare the conversations with the digests in the trials."""
    stated = {
        (*payload.place(trial), trial.transcript_digest)
        for trial in read_samples(sealed.samples, payload)
    }
    held = {(one.trial, one.attempt, one.digest) for one in read_transcripts(sealed.folder)}
    there = len(stated & held)
    return Check("conversations", there == len(stated), f"{there} of {len(stated)} as they were")


PAYLOAD = Attacks()
