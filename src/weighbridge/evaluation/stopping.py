"""Sequential stopping: items in random order, until the comparison with a reference is decided.

The order is settled before anything is asked: clusters, and items within them, by the digest of the
run's seed and their names. So it is part of the run's identity, and `verify` can tell it again.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace

import numpy as np

from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Benchmark, Settings
from weighbridge.evaluation.items import Unit
from weighbridge.records import (
    EvalRun,
    Json,
    ModelRef,
    Sample,
    ScoredSample,
    StoppedEarly,
    StopSettings,
    Verdict,
)
from weighbridge.records.scale import less_is_better, width
from weighbridge.statistics import compare
from weighbridge.statistics.conditions import NOTHING, Accepted, refuse_confounders
from weighbridge.statistics.inference import claims_at, first_claim
from weighbridge.statistics.pairing import Item, Metric, item_of
from weighbridge.statistics.sequential import of_rounds, place_in_order

DECIDED: tuple[Verdict, ...] = ("superior", "equivalent", "non_inferior", "inferior")
TARGET_DECIDED: tuple[Verdict, ...] = ("superior", "equivalent", "inferior")
"""Verdicts that end a run whose purpose is to find an improvement."""


@dataclass(frozen=True)
class StopRule:
    """When a run may stop: once it supports one of these verdicts against a finished run.

    Attributes:
        reference: That run, with its samples.
        margin: How much worse may still count as no worse, in the benchmark's units.
        until: Verdicts that are an answer; any, unless stated.
        accepted: In what the new run may be asked otherwise than the reference was.
    """

    reference: EvalRun
    margin: float
    until: tuple[Verdict, ...] = DECIDED
    accepted: Accepted = NOTHING


@dataclass
class _Round:
    """One cluster: how much of it was asked, and its sums, on a scale from -1 to 1."""

    asked: int = 0
    paired: int = 0
    known: float = 0.0
    worst: float = 0.0
    best: float = 0.0


class Stopping:
    """A stop rule at work on one run.

    Args:
        rule: The rule.
        benchmark: What the run asks.
        settings: The run's, complete; their seed settles the order.
        load: Reads the items.

    Raises:
        InputError: The benchmark can't be stopped, or the reference did not ask these items.
    """

    def __init__(
        self,
        rule: StopRule,
        benchmark: Benchmark,
        settings: Settings,
        load: Callable[[], Iterable[Sample]],
    ) -> None:
        _check(rule, benchmark, settings.protocol)
        self._rule, self._seed, self._load = rule, settings.seed, load
        self._metric = Metric("value", rule.reference.estimate.scale)
        self._reference = self._metric.items(rule.reference.samples)
        self._sizes = Counter(_cluster(sample) for sample in self._known_items())
        self._rounds: dict[object, _Round] = {}

    def load(self) -> list[Sample]:
        """Return the items in the order in which they are asked."""
        return sorted(self._load(), key=lambda s: place_in_order(self._seed, s.cluster, s.id))

    def check_asked_alike(
        self, model: ModelRef, settings: dict[str, Json], conditions: dict[str, Json]
    ) -> None:
        """Refuse a run that would be asked otherwise than its reference, before it is asked.

        Raises:
            InputError: Names in what.
        """
        reference = self._rule.reference
        planned = replace(
            reference, run_id="this run", model=model, settings=settings, conditions=conditions
        )
        refuse_confounders(planned, reference, self._rule.accepted)

    @property
    def settings(self) -> StopSettings:
        """What the rule adds to a run's settings and identity."""
        return StopSettings(
            reference=self._rule.reference.run_id,
            reference_samples=self._rule.reference.samples_digest,
            margin=self._rule.margin,
            until=self._rule.until,
            largest_cluster=max(self._sizes.values(), default=1),
        )

    def add(self, answers: Iterable[ScoredSample]) -> None:
        """Take note of whole items' answers."""
        for of_item in self._metric.items(answers).values():
            self._count(item_of(self._metric, of_item, self._reference[of_item[0].sample_id]))

    def watch(
        self, answers: Iterator[tuple[Unit, list[ScoredSample]]]
    ) -> Iterator[tuple[Unit, list[ScoredSample]]]:
        """Yield units with their answers until the run is decided."""
        with closing(answers):  # type: ignore[type-var]
            while not self.decided():
                found = next(answers, None)
                if found is None:
                    return
                yield found
                self.add(found[1])

    def decided(self) -> bool:
        """Whether what was asked until now supports a verdict that is an answer.

        A look in the middle of a cluster would take a part of it for the whole, so it waits.
        """
        if any(found.asked < self._sizes[name] for name, found in self._rounds.items()):
            return False
        rounds = list(self._rounds.values())
        sizes = np.array([found.asked for found in rounds], dtype=np.float64)
        paired = np.array([found.paired for found in rounds], dtype=np.float64)
        width, largest = self._metric.width, max(self._sizes.values(), default=1)
        known, worst, best = (
            of_rounds(np.array(sums, dtype=np.float64)[of > 0], of[of > 0], width, largest)
            for sums, of in (
                ([found.known for found in rounds], paired),
                ([found.worst for found in rounds], sizes),
                ([found.best for found in rounds], sizes),
            )
        )
        return first_claim(claims_at(self._rule.margin, known, worst, best)) in self._rule.until

    def ended(self, answers: Iterable[ScoredSample], planned: int) -> StoppedEarly:
        """Describe the run as it ends now, as anyone may do again from its answers."""
        reference = self._rule.reference
        run = replace(
            reference,
            run_id="this run",
            samples=tuple(answers),
            settings=reference.settings | {"stop": self.settings.as_json()},
        )
        found = compare(run, reference, margin=self._rule.margin)
        return StoppedEarly(
            planned, len(run.samples), found.verdict, found.difference, found.interval
        )

    def _count(self, item: Item) -> None:
        low, high = self._metric.scale
        found = self._rounds.setdefault(_cluster(item), _Round())
        found.asked += 1
        found.worst += (item.mean(False, low) - item.mean(True, high)) / (high - low)
        found.best += (item.mean(False, high) - item.mean(True, low)) / (high - low)
        if item.paired:
            found.paired += 1
            found.known += (item.mean(False) - item.mean(True)) / (high - low)

    def _known_items(self) -> Iterator[Sample]:
        """Yield the items, and check that they are exactly the reference's."""
        count, name = 0, self._rule.reference.run_id
        for sample in self._load():
            answers = self._reference.get(sample.id)
            if answers is None or answers[0].sample_digest != sample.digest:
                raise InputError(
                    f"{name} did not ask item {sample.id} as it is now",
                    "a run over the same items with the same shots",
                    "leave --stop-when-decided out, or run the reference again",
                )
            count += 1
            yield sample
        if count < len(self._reference):
            raise InputError(
                f"{count} items, of {len(self._reference)} that {name} asked",
                "the same items",
                "take the same subset and --limit",
            )


def cut_at_clusters(samples: Iterable[Sample], repeats: int, size: int) -> Iterator[Unit]:
    """Cut into units that end with a cluster where possible, so that a decision can follow each."""
    unit, number = list[tuple[Sample, int]](), 0
    for sample in samples:
        if len(unit) >= size and (
            _cluster(unit[-1][0]) != _cluster(sample)
            or _cluster(unit[-size][0]) == _cluster(sample)
        ):
            yield Unit(number, tuple(unit))
            number, unit = number + 1, []
        unit += [(sample, repeat) for repeat in range(repeats)]
    if unit:
        yield Unit(number, tuple(unit))


def _cluster(item: Sample | Item) -> object:
    return ("item", item.id) if item.cluster is None else item.cluster


def note_of(stopped: StoppedEarly, reference: str) -> str:
    """Return what a reader of the run must know."""
    asked = f"{stopped.asked_samples:,} of {stopped.planned_samples:,} answers were asked for"
    what = stopped.verdict.replace("_", "-")
    if stopped.early:
        return (
            f"Stopped as {what} against {reference}: {asked}, in random order. The interval of "
            "that difference holds at any moment of stopping; the interval of this run's own mean "
            "does not allow for the stopping."
        )
    return f"Not decided before its end against {reference}: {asked}, in random order; {what}."


def can_stop(benchmark: Benchmark) -> bool:
    """Whether a program grades single answers, and an item is worth the mean of its repeats.

    The law of stopping takes it that any item may lie at either end of the scale: of a loss in bits
    per byte, which never comes near them, it would never be done.
    """
    graded = not benchmark.grading.judges and not less_is_better(benchmark.grading.scale)
    single = graded and benchmark.asking.turns == 1
    return single and benchmark.grading.aggregate in ("mean", "pass_at_1")


def _check(rule: StopRule, benchmark: Benchmark, protocol: str) -> None:
    reference = rule.reference
    if not can_stop(benchmark):
        raise InputError(
            f"--stop-when-decided with {benchmark.name}",
            "a benchmark of single answers that a program grades",
            "leave it out",
        )
    ran = (reference.benchmark, reference.benchmark_version, reference.protocol)
    if ran != (benchmark.name, benchmark.version, protocol):
        raise InputError(
            f"{reference.run_id} ran {ran[0]}@{ran[1]} by {ran[2]}",
            f"a run of {benchmark.name}@{benchmark.version} by {protocol}",
        )
    most = width(reference.estimate.scale)
    if not 0 <= rule.margin < most:
        raise InputError(
            f"margin {rule.margin:g}", f"a share of the scale, from 0 to below {most:g}"
        )
    if reference.stopped is not None and reference.stopped.early:
        raise InputError(
            f"{reference.run_id} was itself stopped early", "a run of the whole benchmark"
        )
