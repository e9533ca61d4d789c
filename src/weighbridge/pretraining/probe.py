"""Forecasts how long a ladder takes here, from a few steps of each model shape."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from weighbridge.planning.scaling.ladder import Rung
from weighbridge.pretraining.corpus import Corpus
from weighbridge.pretraining.training import Run

WARM, TIMED = 2, 5


def seconds(planned: Sequence[Rung], corpus: Corpus, learning_rate: float, workers: int) -> float:
    """Forecast a ladder's wall time, in seconds.

    The speed of a single process is measured; that several at once slow each other down a little is
    left out.

    Args:
        planned: The ladder's rungs.
        corpus: The text that they learn.
        learning_rate: Peak learning rate, at a width of 64.
        workers: Number of rungs trained at once.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            nothing = Path(folder) / "none"
            speed = {}
            for rung in planned:
                kind = (rung.shape, rung.sequences)
                if kind not in speed:
                    run = Run(rung, corpus.train, learning_rate, nothing)
                    run.advance(WARM)
                    started = time.perf_counter()
                    run.advance(TIMED)
                    speed[kind] = (time.perf_counter() - started) / TIMED
    finally:
        torch.set_num_threads(threads)
    each = [rung.steps * speed[rung.shape, rung.sequences] for rung in planned]
    alone = max(t for t, rung in zip(each, planned, strict=True) if "held_out" in rung.role)
    return max(sum(each) / workers, alone)
