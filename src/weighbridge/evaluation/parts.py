"""What was answered before a cap on spending stopped a run: sealed as a run of its own.

The run itself stays open, so that a higher cap goes on with it and ends with what an undisturbed
run would have had. Its answered part is valid evidence meanwhile: it verifies, compares, and says
how many samples it lacks.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice

from weighbridge.errors import CapReached
from weighbridge.evidence import OpenEvaluation, RunHeader, RunStore, samples_digest
from weighbridge.records import EvalRun, Json, ScoredSample
from weighbridge.statistics.aggregates import AGGREGATES

WRITTEN_AT_ONCE = 1024
Seal = Callable[[OpenEvaluation, int, tuple[str, ...]], EvalRun]


def seal_part(
    run: OpenEvaluation,
    begun: Sequence[ScoredSample],
    store: RunStore,
    fields: dict[str, Json],
    header: RunHeader,
    reached: CapReached,
    seal: Seal,
) -> EvalRun:
    """Seal what was answered.

    Args:
        run: The open run, with its finished units.
        begun: Answers of the unit that was begun.
        store: Where runs are.
        fields: The run's identity.
        header: The run's header.
        reached: What stopped it.
        seal: Given a run, the samples that it lacks and notes, seals it.

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
