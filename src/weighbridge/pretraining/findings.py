"""Results of a trained ladder: a law, a tested prediction, dense against mixture models."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from weighbridge.errors import InputError
from weighbridge.planning.scaling import equal_compute, isoflop, mixture
from weighbridge.planning.scaling.equal_compute import EqualCompute
from weighbridge.planning.scaling.isoflop import IsoFlopFit
from weighbridge.planning.scaling.ladder import Rung
from weighbridge.planning.scaling.mixture import MixtureFit
from weighbridge.planning.scaling.parametric import ParametricFit
from weighbridge.planning.scaling.points import Points
from weighbridge.planning.scaling.prediction import Prediction
from weighbridge.pretraining.corpus import Corpus
from weighbridge.pretraining.training import Trained

BOOTSTRAPS = 2000


@dataclass(frozen=True)
class TrainedRung:
    """A rung and its result."""

    rung: Rung
    trained: Trained


@dataclass(frozen=True, eq=False)
class Ladder:
    """Results of a trained ladder.

    Attributes:
        corpus: The text's name.
        corpus_bytes: Number of bytes to train on.
        digest: Digest of the text.
        trained_rungs: Every rung with its result, in the ladder's order.
        points: The dense runs that the law is fitted to.
        law: Approach 3 of Hoffmann et al. 2022, fitted to `points`.
        isoflops: Approach 2, fitted to `points`; None where the budgets don't allow it.
        why_no_isoflops: Why `isoflops` is None; "" where it is not.
        joint: The joint form of dense models and mixtures; None without mixtures, or where it can't
            be fitted.
        pairs: Dense models against mixtures, by budget.
        prediction: The prediction of the held-out dense run, made before that was trained.
        held_out: The loss of the held-out dense run.
        held_out_mixture: The loss of the held-out mixture; None without mixtures.
        runs: Path of the CSV with all runs.
        seconds: Seconds of training, summed over all processes.
    """

    corpus: str
    corpus_bytes: int
    digest: str
    trained_rungs: tuple[TrainedRung, ...]
    points: Points
    law: ParametricFit
    isoflops: IsoFlopFit | None
    why_no_isoflops: str
    joint: MixtureFit | None
    pairs: tuple[EqualCompute, ...]
    prediction: Prediction
    held_out: float
    held_out_mixture: float | None
    runs: Path
    seconds: float


def as_points(trained_rungs: Iterable[TrainedRung], kind: str, source: str) -> Points:
    """Return runs as points of a fit.

    Args:
        trained_rungs: Rungs with their results.
        kind: ``dense`` leaves mixtures out; ``all`` takes both. Held-out rungs are always left out.
        source: Name of the points in results.
    """
    kinds = {"dense": ("dense",), "all": ("dense", "mixture")}[kind]
    taken = [one for one in trained_rungs if one.rung.role in kinds]
    over = [one.rung.flops / (6 * one.rung.shape.active_parameters * one.rung.tokens)
            for one in taken]  # fmt: skip
    note = (
        f"FLOPs are {min(over):.2f} to {max(over):.2f} times 6ND (attention); the exponent "
        "is that of 6ND"
    )
    return Points(
        parameters=np.array([one.rung.shape.active_parameters for one in taken], float),
        tokens=np.array([one.rung.tokens for one in taken], float),
        loss=np.array([one.trained.loss for one in taken], float),
        flops=np.array([one.rung.flops for one in taken], float),
        budgets=np.array([one.rung.budget for one in taken], float),
        experts=np.array([one.rung.shape.experts for one in taken], float),
        source=source,
        notes=(note, "tokens are bytes: a law of bytes doesn't say how many tokens to buy"),
    )


def conclude(
    corpus: Corpus,
    done: Sequence[TrainedRung],
    points: Points,
    law: ParametricFit,
    prediction: Prediction,
    table: Path,
    seed: int,
) -> Ladder:
    """Gather the results of a trained ladder.

    Args:
        corpus: The text that was learnt.
        done: Every rung with its result.
        points: The dense runs that were fitted.
        law: The law fitted to `points`.
        prediction: The law's prediction of the held-out run.
        table: Path of `runs.csv`.
        seed: Seed of the bootstraps.
    """
    isoflops, why_not = None, ""
    try:
        isoflops = isoflop.fit(points, bootstraps=BOOTSTRAPS, seed=seed)
    except InputError as error:
        why_not = error.saw
    together = as_points(done, "all", corpus.name)
    joint = None
    if any(one.rung.shape.experts > 1 for one in done):
        with suppress(InputError):
            joint = mixture.fit(together, bootstraps=200, seed=seed)
    apart = {one.rung.role: one.trained.loss for one in done if "held_out" in one.rung.role}
    return Ladder(
        corpus=corpus.name,
        corpus_bytes=len(corpus.train),
        digest=corpus.digest,
        trained_rungs=tuple(done),
        points=points,
        law=law,
        isoflops=isoflops,
        why_no_isoflops=why_not,
        joint=joint,
        pairs=tuple(_pairs(done, law)),
        prediction=prediction,
        held_out=apart["held_out"],
        held_out_mixture=apart.get("held_out_mixture"),
        runs=table,
        seconds=sum(one.trained.seconds for one in done),
    )


def _pairs(done: Sequence[TrainedRung], law: ParametricFit) -> Iterable[EqualCompute]:
    """Compare each mixture trained with several seeds with the dense model of the same shape."""
    by_run: dict[tuple[float, int, int], dict[bool, dict[int, TrainedRung]]] = {}
    for one in done:
        key = (one.rung.budget, one.rung.shape.hidden, one.rung.shape.layers)
        sides = by_run.setdefault(key, {False: {}, True: {}})
        sides[one.rung.shape.experts > 1][one.rung.seed] = one
    for (flops, _, _), sides in sorted(by_run.items()):
        seeds = sorted(sides[False].keys() & sides[True].keys())
        if len(seeds) < 2:
            continue
        dense, mixed = ([side[seed].trained.loss for seed in seeds] for side in sides.values())
        differences = [b - a for a, b in zip(dense, mixed, strict=True)]
        interval = equal_compute.paired_interval(differences)
        mean = float(np.mean(differences))
        shapes = [side[seeds[0]].rung.shape for side in sides.values()]
        yield EqualCompute(
            flops=flops,
            parameters=shapes[0].parameters,
            active_parameters=shapes[1].active_parameters,
            total_parameters=shapes[1].parameters,
            dense=tuple(dense),
            mixture=tuple(mixed),
            difference=mean,
            interval=interval,
            worth=equal_compute.worth_in_compute(
                law.law, shapes[0].parameters, sides[False][seeds[0]].rung.tokens, mean
            ),
            lower=equal_compute.lower_of(interval),
        )
