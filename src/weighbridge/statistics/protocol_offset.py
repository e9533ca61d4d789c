"""The offset between two protocols, measured on one model, and comparisons corrected for it.

A model scored by likelihood and the same model asked to write its answer have two different
figures. So where two runs differ in protocol, nothing can be said about the models unless some
model was measured both ways over the same items. Its paired difference is then subtracted, item by
item, and the interval contains its uncertainty.
"""

import math
from dataclasses import replace

import numpy as np

from weighbridge.errors import InputError
from weighbridge.records import AcrossProtocols, Comparison, EvalRun, ProtocolOffset, ScoredSample
from weighbridge.records.scale import margin_or_default, width
from weighbridge.statistics.aggregates import items_of
from weighbridge.statistics.columns import score_value
from weighbridge.statistics.conditions import NOTHING, Accepted
from weighbridge.statistics.inference import ShiftedByLostAnswers, conclude, fixed
from weighbridge.statistics.intervals import clustered_standard_error
from weighbridge.statistics.paired import compare

Items = dict[str, list[ScoredSample]]


def protocol_offset(run_a: EvalRun, run_b: EvalRun) -> ProtocolOffset:
    """Measure how one model's figure by the first run's protocol differs from that by the second's.

    The difference is paired over items, and its interval is that of `compare`.

    Raises:
        InputError: Two models, two benchmarks, one protocol, or no item graded in both runs.
    """
    if run_a.model.identity != run_b.model.identity:
        raise InputError(
            f"{run_a.run_id} and {run_b.run_id} are of two models",
            "one model, measured by both protocols",
        )
    if run_a.protocol == run_b.protocol:
        raise InputError(
            f"{run_a.run_id} and {run_b.run_id} have one protocol, {run_a.protocol}",
            "two protocols",
        )
    found = compare(run_a, run_b, margin=0.0, across_protocols=True)
    if found.why_unknown:
        raise InputError(
            f"{run_a.run_id} against {run_b.run_id}: {found.why_unknown}",
            "two runs with graded answers",
        )
    if not found.n:
        raise InputError(f"{run_a.run_id} and {run_b.run_id} have no item graded in both", "one")
    return ProtocolOffset(
        model=run_a.model.name,
        benchmark=found.benchmark,
        run_a=run_a.run_id,
        run_b=run_b.run_id,
        protocol_a=run_a.protocol,
        protocol_b=run_b.protocol,
        mean_a=found.mean_a,
        mean_b=found.mean_b,
        offset=found.difference,
        stderr=found.stderr,
        interval=found.interval,
        n=found.n,
        scale=found.scale,
    )


def across_protocols(
    run_a: EvalRun,
    run_b: EvalRun,
    measured: tuple[EvalRun, EvalRun] | None,
    margin: float | None = None,
    accepted: Accepted = NOTHING,
) -> AcrossProtocols:
    """Compare runs of different protocols, uncorrected and with the measured offset subtracted.

    The corrected gap is, item by item, (A by p - B by q) - (M by p - M by q), M being the model
    measured both ways; so its interval contains the offset's uncertainty, and the correlation of
    the two gaps. Where M is the candidate or the reference itself, this is their gap by one
    protocol; else it assumes that changing the protocol has the same effect on them as on M.

    Args:
        run_a: The candidate's run.
        run_b: The reference's run.
        measured: One model's runs by both protocols, in any order; None where there are none.
        margin: As in `compare`.
        accepted: As in `compare`.

    Raises:
        InputError: The runs can't be compared, or `measured` are not one model's runs of the same
            benchmark by these two protocols, with an item that all four runs share.
    """
    scale = run_a.estimate.scale
    margin = margin_or_default(margin, scale)
    gap = compare(run_a, run_b, margin=margin, across_protocols=True, accepted=accepted)
    raw = replace(gap, verdict="inconclusive")
    if measured is None or raw.why_unknown:
        return AcrossProtocols(raw)
    first, second = _ordered(run_a, run_b, measured)
    offset = protocol_offset(first, second)
    theirs = (run_a.model.identity, run_b.model.identity)
    corrected = _corrected(raw, (run_a, run_b, first, second), margin)
    return AcrossProtocols(raw, offset, corrected, carried=first.model.identity not in theirs)


def _ordered(
    run_a: EvalRun, run_b: EvalRun, measured: tuple[EvalRun, EvalRun]
) -> tuple[EvalRun, EvalRun]:
    """Put the run by A's protocol first."""
    by_protocol = {run.protocol: run for run in measured}
    wanted = (run_a.protocol, run_b.protocol)
    if set(by_protocol) != set(wanted):
        raise InputError(
            f"--offset {measured[0].run_id},{measured[1].run_id} of protocols "
            f"{measured[0].protocol} and {measured[1].protocol}",
            f"one run by {wanted[0]} and one by {wanted[1]}",
        )
    for run in measured:
        if (run.benchmark, run.benchmark_version) != (run_a.benchmark, run_a.benchmark_version):
            raise InputError(f"{run.run_id} ran {run.title}", f"{run_a.title}, as the two runs did")
    return by_protocol[wanted[0]], by_protocol[wanted[1]]


def _corrected(
    raw: Comparison, runs: tuple[EvalRun, EvalRun, EvalRun, EvalRun], margin: float
) -> Comparison:
    scale = raw.scale
    values = [_values(run, scale) for run in runs]
    shared = [i for i in values[0] if all(i in other for other in values[1:])]
    if not shared:
        raise InputError(
            "the offset's runs asked none of the items that the two runs share",
            "at least one item that all of them asked",
            "run the offset's model on the same subset with the same --limit",
        )
    a, b, first, second = (np.array([one[i] for i in shared]) for one in values)
    gaps = (a - b) - (first - second)
    gaps = np.where(np.abs(gaps) < 1e-12, 0.0, gaps)
    cluster = {s.sample_id: s.cluster for s in runs[0].samples}
    clusters = [cluster[i] for i in shared]
    reach = width(scale)
    # The gap of two models is at most the scale's width, a difference of two gaps twice that.
    beyond = bool((np.abs(gaps) > reach).any())
    known = fixed(gaps, clusters, 2 * reach if beyond else reach)
    # Answers that the two runs lost may shift this gap as far as they may shift the raw one.
    worst, best = (ShiftedByLostAnswers(known, bound - raw.difference) for bound in raw.bounds)
    return replace(
        raw,
        mean_a=float(a.mean() - (first - second).mean()),
        mean_b=float(b.mean()),
        difference=float(gaps.mean()),
        stderr=clustered_standard_error(gaps, clusters),
        mcnemar_p_value=None,
        **conclude(margin, known, worst, best),
        n=len(shared),
        unpaired=raw.n + raw.unpaired - len(shared),
        by_cluster={},
        flips=(),
    )


def _values(run: EvalRun, scale: tuple[float, float]) -> dict[str, float]:
    """Return each item's mean over the answers that were not lost."""
    found = {}
    for item, answers in items_of(run.samples, scale).items():
        counted = [
            v for v in (score_value(answer, scale[0]) for answer in answers) if v is not None
        ]
        if counted:
            found[item] = math.fsum(counted) / len(counted)
    return found
