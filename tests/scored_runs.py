"""Runs from scores alone, for what only reads them."""

from dataclasses import replace

from weighbridge.evidence import Evaluated, RunHeader, RunStore
from weighbridge.records import (
    Charge,
    Estimate,
    EvalRun,
    Graded,
    ModelRef,
    Provenance,
    Rate,
    ScoredSample,
    Ungraded,
)
from weighbridge.statistics import estimate

LOST = Ungraded("infrastructure")


def answer(item, score, repeat=0, cluster=None, output="o"):
    graded = score if isinstance(score, (Graded, Ungraded)) else Graded(float(score), "a")
    return ScoredSample(
        item, repeat, cluster, f"digest of {item}", "p", "q", {"x": 1}, output, (), "end", 1, 1, 0,
        graded,
    )  # fmt: skip


def run_of(name, samples):
    empty = Estimate("mean", 0, None, 0, (0, 1), 0, {}, (0, 1))
    return EvalRun(
        name, ModelRef(name, "x", "y"), "b", "1", None, "generative", {}, name, "d", empty,
        Provenance({}, "3", "Linux", "cpu", 1, "2026"), tuple(samples),
    )  # fmt: skip


def run(name, scores, clusters=None):
    return run_of(
        name,
        [
            answer(f"s{i:04d}", s, 0, clusters[i] if clusters else None)
            for i, s in enumerate(scores)
        ],
    )


def sealed(
    folder, name, scores, clusters=None, repeats=1, usd_each=0.0, *, scale=(0.0, 1.0),
    settings=None, model=None, sampling=None, fields=None, protocol="generative", prompts=None,
):  # fmt: skip
    """A run in a folder's store, as if a model had been asked; returns its id."""
    ref = ModelRef(name, "directory:x", f"sha256:{name}") if model is None else model
    rate = Rate(0, 1e6 * usd_each, 0.0, 0.0)
    charges = (Charge("model", 1, 0, 1, 0, rate),) if usd_each else ()
    rows = [
        replace(
            answer(f"s{i:04d}", s, k, clusters[i] if clusters else None),
            charges=charges,
            prompt_digest=prompts[i] if prompts else "p",
        )
        for i, of in enumerate(scores)
        for k, s in enumerate(of if repeats > 1 else [of])
    ]
    settings = {"shots": 0} | (settings or {})
    named = {"model": dict(ref.identity), "benchmark": "b", "settings": settings}
    named |= ({"sampling": sampling} if sampling else {}) | (fields or {})
    header = RunHeader(ref, "b", "1", None, protocol, settings, "mean", len(rows), 1, "2026")
    with RunStore(folder / ".weighbridge/runs").open(named, header) as run:
        run.journal.append_unit(0, rows)
        place = Provenance({}, "3", "Linux", "cpu", 1, "2026")
        return run.seal(Evaluated(estimate(rows, scale=scale), place)).run_id
