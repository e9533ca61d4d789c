"""Runs from scores alone, for what only reads them."""

from weighbridge.records import (
    Estimate,
    EvalRun,
    Graded,
    ModelRef,
    Provenance,
    ScoredSample,
    Ungraded,
)

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
