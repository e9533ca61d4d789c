"""One line for each run of a store: what `runs list` tells of it."""

import os
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import EvidenceError, InputError, WeighbridgeError, in_one_line
from weighbridge.evidence.checked import read_run
from weighbridge.evidence.document import read_object


@dataclass(frozen=True)
class RunSummary:
    """One line of `runs list`.

    Attributes:
        run_id: Its folder's name.
        model: As a person calls it; likewise `benchmark`.
        benchmark: With its subset.
        started: ISO 8601, UTC.
        done: Samples so far.
        planned: Samples in all.
        mean: None while the run is unfinished, and where nothing was graded.
        scale: The run's own.
        interval: 95 %, of the mean; None where there is no mean.
        altered: What is wrong with a run's files, of which nothing else is then told.
    """

    run_id: str
    model: str
    benchmark: str
    started: str
    done: int
    planned: int
    mean: float | None
    scale: tuple[float, float] = (0.0, 1.0)
    interval: tuple[float, float] | None = None
    altered: str = ""


def summary_of(folder: Path) -> RunSummary | None:
    """Return a run's line; None where the folder is none, or one that was never begun."""
    try:
        if os.path.lexists(folder / "seal.json"):
            return _sealed_summary(folder)
        if not os.path.lexists(folder / "progress.json"):
            return None
        state = read_object(folder / "progress.json")
        subset = f":{state['subset']}" if state.get("subset") else ""
        return RunSummary(
            folder.name, state["model"]["name"], state["benchmark"] + subset, state["started"],
            int(state["done"]), int(state["planned_samples"]), None,
        )  # fmt: skip
    except (EvidenceError, InputError, LookupError, TypeError, ValueError, AttributeError,
            OverflowError, RecursionError) as error:  # fmt: skip
        why = str(error) if isinstance(error, WeighbridgeError) else in_one_line(error)
        return _not_told(folder, f"its documents can't be read ({why})")


def _not_told(folder: Path, why: str) -> RunSummary:
    return RunSummary(folder.name, "", "", "", 0, 0, None, altered=why)


def _sealed_summary(folder: Path) -> RunSummary:
    try:
        run = read_run(folder, samples=False)
    except EvidenceError as error:
        return _not_told(folder, error.saw)
    planned = sum(run.estimate.ungraded.values()) or run.estimate.n
    return RunSummary(
        folder.name, run.model.name, run.title, run.provenance.started,
        run.estimate.n, max(planned, run.estimate.n), run.estimate.known_mean,
        run.estimate.scale, run.estimate.interval if run.estimate.known_mean is not None else None,
    )  # fmt: skip
