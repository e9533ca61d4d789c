"""Our global fit against the published notebook's method, on its own 240 points.

    python bench/scaling_fit.py --points svg_extracted_data.csv [--starts 4500] [--bootstraps 4000]
        [--json]

The peer is the method of epoch-research/analyzing-chinchilla: scipy's L-BFGS-B with its own numeric
gradient, from every point of the 4,500-point grid of Hoffmann et al. 2022 (alpha and beta 0 to 2 by
.5, e -1 to 1 by .5, a and b 0 to 25 by 5), keeping the lowest Huber objective at delta 1e-3. Its
objective is written in plain numpy, which is faster than scipy's own logsumexp and huber. Fewer
starts, spread evenly over the grid, may be asked for; the total is then extrapolated and says so.

Starting every resample globally is a job that the notebook doesn't do (it starts each from one
point), so the second ratio is against its grid times the resamples. `equal` says that no start of
the peer ended below ours by more than 1e-9 of the objective.
"""

import argparse
import itertools
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import minimize

DELTA = 1e-3
GRID = (
    np.arange(0, 30, 5), np.arange(0, 30, 5), np.arange(-1, 1.5, 0.5),
    np.arange(0, 2.5, 0.5), np.arange(0, 2.5, 0.5),
)  # fmt: skip


def peer(points: Any, starts: int) -> tuple[float, float, int]:
    """Return seconds, the lowest objective, and how many starts came within 1e-6 of it."""
    log_n, log_d, log_l = (np.log(v) for v in (points.parameters, points.tokens, points.loss))

    def objective(theta: Any) -> float:
        a, b, e, alpha, beta = theta
        size, data = a - alpha * log_n, b - beta * log_d
        top = np.maximum(np.maximum(size, data), e)
        away = top + np.log(np.exp(size - top) + np.exp(data - top) + np.exp(e - top)) - log_l
        clipped = np.clip(away, -DELTA, DELTA)
        return float(clipped @ (away - 0.5 * clipped))

    grid = list(itertools.product(*GRID))
    chosen = [grid[i] for i in np.linspace(0, len(grid) - 1, starts).round().astype(int)]
    began = time.perf_counter()
    found = [minimize(objective, start, method="L-BFGS-B").fun for start in chosen]
    seconds = time.perf_counter() - began
    best = min(found)
    return seconds, best, sum(value <= best * (1 + 1e-6) for value in found)


def ours(points: Any, repeats: int = 20) -> tuple[float, Any]:
    """Return the median seconds of a global fit, tables built anew each time, and the fit."""
    from weighbridge.planning.scaling.parametric import fit

    seconds = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        found = fit(points, delta=DELTA)
        seconds.append(time.perf_counter() - began)
    return float(np.median(seconds[1:])), found


def race(points: Any, starts: int, bootstraps: int) -> dict[str, Any]:
    """Run ours, ours with resamples, and the peer, in turn."""
    from weighbridge.planning.scaling.parametric import fit

    threads = len(os.sched_getaffinity(0))
    our_seconds, found = ours(points)
    resampled = fit(points, delta=DELTA, bootstraps=bootstraps, threads=threads)
    peer_seconds, best, agreeing = peer(points, starts)
    whole = peer_seconds * 4500 / starts
    return {
        "ours_seconds": round(our_seconds, 5),
        "peer_seconds": round(whole, 2),
        "ratio": round(whole / our_seconds),
        "equal": bool(found.objective <= best * (1 + 1e-9)),
        "ours_objective": found.objective,
        "peer_objective": best,
        "peer_starts": starts,
        "peer_extrapolated": starts != 4500,
        "peer_starts_at_best": agreeing,
        "bootstraps": bootstraps,
        "bootstrap_seconds": round(resampled.seconds, 2),
        "bootstrap_unusable": resampled.unusable,
        "bootstrap_ratio": round(whole * bootstraps / resampled.seconds),
        "threads": threads,
    }


def main() -> None:
    """Print one line for people and, last, one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=Path, required=True, help="svg_extracted_data.csv")
    parser.add_argument("--starts", type=int, default=4500)
    parser.add_argument("--bootstraps", type=int, default=4000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    from weighbridge.planning.scaling.reading import read_points

    points = read_points(arguments.points).without_highest(5)
    result = race(points, arguments.starts, arguments.bootstraps)
    if not arguments.json:
        print(
            f"one global fit {1e3 * result['ours_seconds']:.1f} ms against "
            f"{result['peer_seconds']:.1f} s ({result['peer_starts']} starts of 4500): "
            f"{result['ratio']}x; {result['bootstraps']} resamples, each started globally, "
            f"{result['bootstrap_seconds']:.1f} s on {result['threads']} threads; objective "
            f"{result['ours_objective']:.11g} against {result['peer_objective']:.11g}"
        )
    print(json.dumps(result))


if __name__ == "__main__":
    main()
