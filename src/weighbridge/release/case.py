"""Everything that is known of one model when its release is decided, as plain records."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from weighbridge.records import EvalRun, ModelRef
from weighbridge.records.attack import AttackRun
from weighbridge.release.data_scan import DataScan
from weighbridge.release.inventory import Inventory
from weighbridge.release.policy import Policy
from weighbridge.release.statement import Statement
from weighbridge.tuning.lineage import LineageStep


@dataclass(frozen=True)
class Case:
    """What the gates get.

    Attributes:
        digest: Of the model's files, which binds everything else to them.
        inventory: What the files are, from their bytes.
        lineage: Where the model comes from, step by step.
        runs: Verified evaluations of any model, with their samples; only those of this digest, and
            of the base that the lineage names, are used.
        policy: The thresholds.
        statement: What people state.
        data: What was found in the training data; None where it was not at hand.
        now: When it is decided.
        refused: Evidence that was not used, and why, a clause each.
        rounds: Verified rounds of attacks, with their trials; used as the runs are.
    """

    digest: str
    inventory: Inventory
    lineage: tuple[LineageStep, ...]
    runs: tuple[EvalRun, ...]
    policy: Policy
    statement: Statement
    data: DataScan | None
    now: datetime
    refused: tuple[str, ...] = ()
    rounds: tuple[AttackRun, ...] = ()

    @property
    def measured(self) -> tuple[EvalRun, ...]:
        """Runs of exactly these files."""
        return tuple(run for run in self.runs if is_model(run.model, self.digest))

    @property
    def attacked(self) -> tuple[AttackRun, ...]:
        """Rounds of attacks on exactly these files."""
        return tuple(one for one in self.rounds if is_model(one.model, self.digest))

    @property
    def attacked_base(self) -> tuple[AttackRun, ...]:
        """Rounds of attacks on the base."""
        return tuple(one for one in self.rounds if is_base(one.model.identity, self.lineage))

    @property
    def of_base(self) -> tuple[EvalRun, ...]:
        """Runs of the base that the lineage names by digest."""
        return tuple(run for run in self.runs if is_base(run.model.identity, self.lineage))

    @property
    def of_incumbent(self) -> tuple[EvalRun, ...]:
        """Runs of the model that this one is to replace, by its name; an endpoint has no digest."""
        name = self.statement.incumbent
        return tuple(run for run in self.runs if name and run.model.name == name)

    def tuned_to_harm(self, adapter: str) -> tuple[EvalRun, ...]:
        """Runs of exactly these files with an adapter on them, by the adapter's digest."""
        return tuple(
            run for run in self.runs
            if run.model.adapter_digest == adapter and run.model.revision == self.digest
        )  # fmt: skip

    def base_tuned_to_harm(self, adapter: str) -> tuple[EvalRun, ...]:
        """Runs of the base with an adapter on it, by the adapter's digest."""
        base = base_identity(self.lineage).get("weights_digest")
        return tuple(
            run for run in self.runs
            if run.model.adapter_digest == adapter and run.model.weights_digest == base
        )  # fmt: skip

    def step(self, stage: str) -> LineageStep | None:
        """Return the first step of a kind."""
        return next((step for step in self.lineage if step.stage == stage), None)


def is_model(model: ModelRef, digest: str) -> bool:
    """Whether a model is exactly the files of a digest, with no adapter put on them."""
    return model.revision == digest and model.adapter_digest is None


def base_identity(lineage: tuple[LineageStep, ...]) -> Mapping[str, Any]:
    """Return the identity of the first step of a lineage; empty where it is no base."""
    if not lineage or lineage[0].stage != "base":
        return {}
    named = lineage[0].facts.get("model")
    return named if isinstance(named, dict) else {}


def is_base(identity: Mapping[str, Any], lineage: tuple[LineageStep, ...]) -> bool:
    """Whether a model's identity is that of the first step of a lineage, weights and settings."""
    named = base_identity(lineage)
    return bool(named) and all(
        identity.get(key) == named.get(key)
        for key in ("weights_digest", "settings_digest", "adapter_digest")
    )
