"""From a journal to a sealed run: its figures, and what a reader must know of them.

What was answered before a cap on spending stopped a run is sealed as a run of its own. The run
itself stays open, so that a higher cap goes on with it and ends with what an undisturbed run would
have had. Its answered part is valid evidence meanwhile: it verifies, compares, and says how many
samples it lacks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from weighbridge.errors import CapReached
from weighbridge.evaluation.benchmark import Benchmark
from weighbridge.evaluation.conversations import Judging
from weighbridge.evaluation.extraction import extraction_alarms, lost_answers
from weighbridge.evaluation.items import Load
from weighbridge.evaluation.prompt_shapes import PromptCheck
from weighbridge.evaluation.run_context import RunContext, package_versions, platform_name
from weighbridge.evaluation.stopping import Stopping, note_of
from weighbridge.evidence import (
    Evaluated,
    OpenEvaluation,
    RunHeader,
    RunStore,
    samples_digest,
)
from weighbridge.models.marks import notes_on
from weighbridge.models.near_ties import NearTies
from weighbridge.models.protocol import Model
from weighbridge.process_memory import peak_memory_bytes
from weighbridge.records import (
    Estimate,
    EvalRun,
    Json,
    Provenance,
    Sample,
    ScoredSample,
    Slicing,
    StoppedEarly,
)
from weighbridge.statistics import estimate
from weighbridge.statistics.aggregates import AGGREGATES
from weighbridge.statistics.slices import slicing_of

WRITTEN_AT_ONCE = 1024


@dataclass(frozen=True)
class Sealing:
    """What a run's seal says beyond its samples.

    Attributes:
        model: Who answered.
        benchmark: What was asked.
        place: Where.
        judging: How answers were judged; None where the benchmark graded them by itself.
        load: Reads the items again.
        prompts: What was found about the prompts beforehand.
        stopping: The rule by which the run might end early; None without one.
    """

    model: Model
    benchmark: Benchmark
    place: RunContext
    judging: Judging | None
    load: Load
    prompts: PromptCheck
    stopping: Stopping | None

    def __call__(
        self, run: OpenEvaluation, unasked: int = 0, notes: tuple[str, ...] = ()
    ) -> EvalRun:
        """Read the finished journal once more, and seal.

        Args:
            run: With every answer in its journal that it will have.
            unasked: Samples that a cap on spending left out.
            notes: Sentences to begin with.
        """
        ties = NearTies(self.model.ref.dtype)
        scale = self.judging.method.scale if self.judging else self.benchmark.grading.scale
        slicing = slicing_by_labels(self.benchmark, self.load())
        counted = ties.counted(run.journal.samples())
        figures = estimate(counted, self.benchmark.grading.aggregate, scale, slicing)
        stopped = None
        if self.stopping and not unasked:  # a run that a cap cut off decided nothing
            stopped = self.stopping.ended(run.journal.samples(), run.planned_samples)
        where = run_provenance(self.model, self.place, run.wall_seconds, run.computed_tokens)
        said = [*notes, *self._alarms(run, figures), *self.prompts.notes, *where.notes]
        said += [*ties.notes, *self._notes(run, stopped)]
        where = replace(where, notes=tuple(dict.fromkeys(said)), prices=self._prices())
        if self.judging:
            judge = self.judging.judge.model.ref.name
            where = replace(
                where, judge=judge, judge_tokens=run.judge_tokens, judge_seconds=run.judge_seconds
            )
        if self.benchmark.grading.executes_code:
            where = replace(where, sandbox=self.place.sandbox_level)
        return run.seal(Evaluated(figures, where, slicing, stopped, unasked))

    def _alarms(self, run: OpenEvaluation, figures: Estimate) -> tuple[str, ...]:
        if self.judging is not None:  # what can't be read is the judge's doing; its notes say so
            return ()
        samples = run.journal.samples()
        asked = run.journal.finished_samples
        return extraction_alarms(self.benchmark, asked, figures.ungraded, samples)

    def _notes(self, run: OpenEvaluation, stopped: StoppedEarly | None) -> Iterable[str]:
        yield from notes_on(sample.score.why for sample in run.journal.samples())
        yield from lost_answers(run.journal.samples())
        if self.judging:
            judge = self.judging.judge.model
            yield from judge.notes if judge is not self.model else ()
            yield from self.judging.notes(run.journal.samples())
        if self.benchmark.grading.executes_code:
            yield from self.benchmark.about.notes(self.load())
        if self.stopping and stopped:
            yield note_of(stopped, self.stopping.settings.reference)

    def _prices(self) -> dict[str, str]:
        """Say where the prices come from that the run's charges rest on."""
        asked = {"model": self.model}
        asked |= {"judge": self.judging.judge.model} if self.judging else {}
        found = {who: getattr(one, "price", None) for who, one in asked.items()}
        return {who: price.source for who, price in found.items() if price is not None}


def run_provenance(
    model: Model, place: RunContext, wall_seconds: float, computed_tokens: int
) -> Provenance:
    """Return where and how a run was made, with the model's notes."""
    import platform

    return Provenance(
        packages=package_versions(),
        python=platform.python_version(),
        platform=platform_name(),
        device=model.device,
        threads=place.threads,
        started=place.started,
        wall_seconds=wall_seconds,
        computed_tokens=computed_tokens,
        peak_memory_bytes=peak_memory_bytes(),
        notes=model.notes,
    )


def slicing_by_labels(benchmark: Benchmark, items: Iterable[Sample]) -> Slicing:
    """Return the slices of a benchmark's items, in a form from which `verify` tells figures again.

    Every turn is counted; there are none where the benchmark has no labels.
    """
    if (labels := benchmark.about.labels) is None:
        return {}
    turns = (turn for item in items for turn in benchmark.asking.turns_of(item))
    return slicing_of((turn.id, labels(turn)) for turn in turns)


def seal_part(
    run: OpenEvaluation,
    begun: Sequence[ScoredSample],
    store: RunStore,
    fields: dict[str, Json],
    header: RunHeader,
    reached: CapReached,
    seal: Sealing,
) -> EvalRun:
    """Seal what was answered.

    Args:
        run: The open run, with its finished units.
        begun: Answers of the unit that was begun.
        store: Where runs are.
        fields: The run's identity.
        header: The run's header.
        reached: What stopped it.
        seal: What seals the run that the answers become.

    Raises:
        CapReached: Nothing was answered.
    """
    needed = AGGREGATES[header.aggregate].answers
    cut_off = _cut_off(chain(run.journal.samples(), begun), needed)

    def answered() -> Iterator[ScoredSample]:
        every = chain(run.journal.samples(), begun)
        return (sample for sample in every if sample.sample_id != cut_off)

    count = sum(1 for _ in answered())
    if not count:
        raise reached
    part = replace(header, planned_samples=count)
    with store.open(fields | {"part": samples_digest(answered())}, part) as opened:
        if opened.finished is not None:
            return opened.finished
        written, source = opened.journal.finished_units(), answered()
        number = 0
        while chunk := list(islice(source, WRITTEN_AT_ONCE)):
            if number not in written:
                opened.journal.append_unit(number, chunk)
            number += 1
        opened.record(run.wall_seconds, run.computed_tokens, run.judge_tokens, run.judge_seconds)
        note = (
            f"PARTIAL: the first {count} of {header.planned_samples} samples. The cap on spending "
            f"was reached: {reached.saw}. The figures are over these alone."
        )
        return seal(opened, header.planned_samples - count, (note,))


def _cut_off(samples: Iterator[ScoredSample], needed: int) -> str | None:
    """Return the last item's id where it lacks answers that its aggregate needs."""
    last, count = None, 0
    for sample in samples:
        last, count = sample.sample_id, count + 1 if sample.sample_id == last else 1
    return last if count < needed else None
