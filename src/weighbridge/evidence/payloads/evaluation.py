"""Evaluations: a model's answers to a benchmark's items, each with its score."""

import math
from array import array
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pydantic import TypeAdapter

from weighbridge.evidence.document import Sealed, load_as, with_samples
from weighbridge.evidence.journal import read_samples
from weighbridge.evidence.payload import Check, Facts, Fault, Keys, Payload, RunSummary
from weighbridge.evidence.recomputed import figure_check
from weighbridge.evidence.seal import samples_digest
from weighbridge.evidence.stopped import stopping_checks
from weighbridge.records import (
    Estimate,
    EvalRun,
    Json,
    ModelRef,
    Provenance,
    ScoredSample,
    Slicing,
    StoppedEarly,
)
from weighbridge.statistics import estimate

_RUN, _SAMPLE = TypeAdapter(EvalRun), TypeAdapter(ScoredSample)
_CONDITIONS = ("sampling", "sandbox", "replies")
_AS_IDENTIFIED = ("benchmark", "benchmark_version", "subset")
_ADDED_DURING_VERSION_1 = frozenset(
    f"estimate.{name}" for name in ("slices", "beside", "cluster_sizes", "scale")
) | frozenset(
    f"provenance.{name}"
    for name in (
        "prices", "sandbox", "origin", "origin.stated", "origin.headline", "judge", "judge_tokens",
        "judge_cost_usd", "judge_seconds",
    )
) | {"slicing", "stopped", "unasked_samples", "model.settings_digest"}  # fmt: skip
"""Keys that older evidence lacks; `stopped` is written only where a run could stop early."""
_DOCUMENT_KEYS = Keys(may_lack=_ADDED_DURING_VERSION_1)
_SAMPLE_KEYS = Keys(may_lack=frozenset({"charges"}))


@dataclass(frozen=True)
class RunHeader:
    """What is known of a run before it starts.

    Attributes:
        model: The model.
        benchmark: The benchmark's name.
        benchmark_version: The benchmark's version.
        subset: The part of the benchmark that is asked; None for all of it.
        protocol: How answers are obtained.
        settings: The run's settings, as plain JSON.
        aggregate: Name of the headline aggregate.
        planned_samples: Number of answers in the complete run.
        planned_units: Number of units that the answers are cut into.
        started: ISO 8601, UTC.
    """

    model: ModelRef
    benchmark: str
    benchmark_version: str
    subset: str | None
    protocol: str
    settings: dict[str, Json]
    aggregate: str
    planned_samples: int
    planned_units: int
    started: str

    @property
    def title(self) -> str:
        """Benchmark and subset, as users type them."""
        return f"{self.benchmark}:{self.subset}" if self.subset else self.benchmark

    @property
    def subject(self) -> str:
        """The model's name, as users type it."""
        return self.model.name

    @property
    def payload(self) -> "Evaluation":
        """The kind of evidence."""
        return PAYLOAD


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation is sealed with.

    Attributes:
        estimate: The estimate over the samples.
        provenance: Where and how the run was made; its tokens and costs are filled in from the
            samples.
        slicing: Which samples make which slice of the estimate.
        stopped: How the run ended, where it could stop before every planned sample was asked.
        unasked: Number of samples that the run lacks; see `EvalRun.unasked_samples`.
    """

    estimate: Estimate
    provenance: Provenance
    slicing: Slicing = field(default_factory=dict)
    stopped: StoppedEarly | None = None
    unasked: int = 0

    @property
    def planned_samples(self) -> int | None:
        """Number of samples in the finished run, where it could stop early; else None."""
        return self.stopped.asked_samples if self.stopped is not None else None


class Totals:
    """Tokens and costs of all samples.

    Attributes:
        input_tokens: Tokens read.
        output_tokens: Tokens written.
    """

    def __init__(self) -> None:
        self.input_tokens = self.output_tokens = 0
        self._charges, self._judged = array("d"), array("d")

    def add(self, sample: ScoredSample, /) -> None:
        """Add the next sample."""
        self.input_tokens += sample.input_tokens
        self.output_tokens += sample.output_tokens
        for charge in sample.charges:
            self._charges.append(charge.usd)
            if charge.by == "judge":
                self._judged.append(charge.usd)

    @property
    def cost_usd(self) -> float:
        """The sum of all charges, in US dollars."""
        return math.fsum(self._charges)

    @property
    def judge_cost_usd(self) -> float:
        """The judge's part of `cost_usd`."""
        return math.fsum(self._judged)

    def as_provenance(self) -> dict[str, Any]:
        """Return the totals by the names that provenance gives them."""
        names = ("input_tokens", "output_tokens", "cost_usd", "judge_cost_usd")
        return {name: getattr(self, name) for name in names}


class Evaluation(Payload[ScoredSample, EvalRun]):
    """A line of samples is a `ScoredSample`, and the document an `EvalRun`."""

    name = "evaluation"

    @property
    def sample_keys(self) -> Keys:
        """A line without charges lacks their key, as did every line before charges existed."""
        return _SAMPLE_KEYS

    @property
    def document_keys(self) -> Keys:
        """Version 1 gained keys without becoming another version."""
        return _DOCUMENT_KEYS

    def row(self, sample: ScoredSample) -> dict[str, Json]:
        """Return a sample's fields; charges only where there are any."""
        # `asdict` would copy every value before it is written, at twice the cost of writing.
        row: dict[str, Json] = vars(sample) | {"score": vars(sample.score)}
        del row["charges"]
        if sample.charges:
            row["charges"] = [asdict(charge) for charge in sample.charges]
        return self.sample_keys.of(row)

    def sample(self, row: dict[str, Json]) -> ScoredSample:
        """Read a sample; counts are not below 0."""
        sample = self._read(row)
        for name in ("repeat", "input_tokens", "output_tokens"):
            if getattr(sample, name) < 0:
                raise ValueError(f"{name} is {getattr(sample, name)}, below 0")
        return sample

    def _read(self, row: dict[str, Json]) -> ScoredSample:
        return _SAMPLE.validate_python(row)

    def place(self, sample: ScoredSample) -> tuple[str, int]:
        """Return the item's id, and which of several answers to the item this is."""
        return sample.sample_id, sample.repeat

    def lasting(self, sample: ScoredSample) -> dict[str, Json]:
        """Leave out timing and charges, which are not the model's doing."""
        lasting = vars(sample) | {"score": vars(sample.score), "latency_seconds": 0}
        lasting.pop("charges")
        return self.sample_keys.of(lasting)

    def whole(self, sample: ScoredSample) -> dict[str, Json]:
        """Return all fields, the charges among them even where the list is empty."""
        return self.sample_keys.of(asdict(sample))

    def document(
        self, header: RunHeader, result: Evaluated, facts: Facts, count: Totals
    ) -> dict[str, Json]:
        """Return the run's document."""
        run = EvalRun(
            run_id=facts.run_id,
            model=header.model,
            benchmark=header.benchmark,
            benchmark_version=header.benchmark_version,
            subset=header.subset,
            protocol=header.protocol,
            settings=header.settings,
            identity=facts.identity,
            samples_digest=facts.samples_digest,
            estimate=result.estimate,
            provenance=replace(result.provenance, **count.as_provenance()),
            slicing=result.slicing,
            stopped=result.stopped,
            unasked_samples=result.unasked,
        )
        document = self.plain(run)
        if run.stopped is None:
            document.pop("stopped")  # runs that can't stop early keep the form of older ones
        return document

    def content(self, document: dict[str, Json], fields: dict[str, Json]) -> EvalRun:
        """Read the run; its conditions (sampling, sandbox, replies) come from its identity."""
        conditions = {key: fields[key] for key in _CONDITIONS if key in fields}
        return _RUN.validate_python(document | {"conditions": conditions})

    def plain(self, content: EvalRun) -> dict[str, Json]:
        """Return the run without its samples, which are in a file of their own."""
        found = self.document_keys.of(asdict(content))
        del found["samples"], found["conditions"]
        return found

    def with_samples(self, content: EvalRun, samples: list[ScoredSample]) -> EvalRun:
        """Return the run with its samples."""
        return replace(content, samples=tuple(samples))

    def faults(self, content: EvalRun, fields: dict[str, Json]) -> Iterator[Fault]:
        """Compare benchmark, settings, judge and stop rule with the identity."""
        stated: dict[str, Json] = {key: getattr(content, key) for key in _AS_IDENTIFIED}
        settings = dict(content.settings)
        for key in ("judge", "stop"):  # inside the settings here, beside them in the identity
            if key in settings and key not in _object(fields.get("settings")):
                value = settings.pop(key)
                if fields.get(key) != value:
                    yield f"settings.{key}", f"stated {value}, in the identity {fields.get(key)}"
            elif fields.get(key) is not None:
                yield f"settings.{key}", "is missing, and part of the identity"
        stated["settings"] = settings
        for key, value in stated.items():
            if key in fields and fields[key] != value:
                yield key, f"stated {value}, in the identity {fields[key]}"
        protocol = settings.get("protocol", content.protocol)
        if protocol != content.protocol:
            yield "protocol", f"stated {content.protocol}, among the settings {protocol}"
        if content.unasked_samples < 0:
            yield "unasked_samples", f"{content.unasked_samples} is below 0"

    def count(self) -> Totals:
        """Return totals of tokens and costs."""
        return Totals()

    def checks(self, sealed: Sealed[EvalRun], count: Totals, *, needed: bool) -> Iterator[Check]:
        """Recompute totals, every figure, and how the run ended."""
        run, document = sealed.content, sealed.document
        yield from _totals(_object(document["provenance"]), count)
        again = estimate(
            read_samples(sealed.samples, self), run.estimate.aggregate, run.estimate.scale,
            run.slicing,
        )  # fmt: skip
        yield from _figures(run.estimate, again, _object(document["estimate"]).keys())
        if run.stopped is not None:
            yield from self._ending(sealed, needed)

    def _ending(self, sealed: Sealed[EvalRun], needed: bool) -> Iterator[Check]:
        rule, beside = sealed.content.asked.stop, sealed.folder.parent
        if not needed and rule and not (beside / rule.reference / "seal.json").is_file():
            return

        def reference(name: str) -> tuple[EvalRun, str]:
            found = load_as(beside / name, self)
            run = with_samples(found)
            return run, samples_digest(run.samples, found.payload)

        fields = _object(sealed.document["identity_fields"])
        for name, stated, again in stopping_checks(with_samples(sealed), reference, fields):
            yield figure_check(name, stated, again)

    def summary(self, name: str, content: EvalRun, started: str) -> RunSummary:
        """Return a finished evaluation's mean and interval, where anything was graded."""
        figures = content.estimate
        planned = sum(figures.ungraded.values()) or figures.n
        known = figures.known_mean is not None
        return RunSummary(
            name, content.model.name, content.title, started, figures.n,
            max(planned, figures.n), figures.known_mean, figures.scale,
            figures.interval if known else None,
        )  # fmt: skip

    def unfinished(self, name: str, state: dict[str, Any]) -> RunSummary:
        """Return how far an evaluation has come."""
        subset = f":{state['subset']}" if state.get("subset") else ""
        return RunSummary(
            name, state["model"]["name"], state["benchmark"] + subset, state["started"],
            int(state["done"]), int(state["planned_samples"]), None,
        )  # fmt: skip


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _totals(stated: dict[str, Json], count: Totals) -> list[Check]:
    """Recompute the token counts and the cost from the samples.

    Runs sealed by older versions don't tell the judge's part apart.
    """
    return [
        figure_check(f"total {name}", stated[name], again)
        for name, again in count.as_provenance().items()
        if name in stated
    ]


def _figures(run: Estimate, recomputed: Estimate, named: Collection[str]) -> list[Check]:
    """Recompute the figures that a run states; runs sealed by older versions state fewer."""
    stated, again = asdict(run), asdict(recomputed)
    return [
        figure_check(f"figure {name}", stated[name], again[name]) for name in again if name in named
    ]


PAYLOAD = Evaluation()
