"""How near is the forecast of a tuning run's memory to its measured peak, on a CPU?

    python bench/tuning_memory.py [--model smollm2-135m] [--full] [--json]

Each cell of a matrix of method, rank, row length, batch and checkpointing is measured in two
processes of its own. The first makes a run of two steps: before it loads weights it takes the
formula's forecast, as `tune --dry-run` does, and at the end it says what it held once its libraries
were imported (the baseline) and the most that it ever held, loading included. The second only
measures a pass on the longest rows, and says the forecast that every run makes from that. An error
is forecast less peak, over peak less baseline.

A peak differs a little from process to process: the first cell is run three times, and `jitter` is
the spread of its peaks, on the same scale as the errors. The last line of `--json` has every cell.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

STEPS = 2  # the moments come with the first, and stand in the second's pass
REPEATS = 3


@dataclass(frozen=True)
class Cell:
    """One run's settings."""

    method: str = "lora"
    rank: int = 16
    row_tokens: int = 256
    batch_size: int = 4
    checkpointing: bool = False

    def __str__(self) -> str:
        rank = "" if self.method == "full" else f" r{self.rank}"
        again = ", checkpointing" * self.checkpointing
        return f"{self.method}{rank}, {self.batch_size} x {self.row_tokens:,}{again}"


SMALL = (
    Cell(),
    Cell(rank=64),
    Cell(row_tokens=1024, batch_size=1),
    Cell(row_tokens=512),
    Cell(checkpointing=True),
    Cell(rank=64, row_tokens=1024, checkpointing=True),
    Cell("dora", batch_size=2),
    Cell("qlora", batch_size=2),
    Cell("qlora", rank=64, row_tokens=512, checkpointing=True),
    Cell("full", batch_size=2),
    Cell("full", row_tokens=1024, batch_size=2),
    Cell("full", row_tokens=512, checkpointing=True),
)
"""Minutes on two idle cores."""
FULL = tuple(
    Cell(method, rank, tokens, batch, again)
    for method in ("lora", "dora", "qlora", "full")
    for rank in ((8, 64) if method != "full" else (16,))
    for tokens in (256, 1024)
    for batch in (1, 4)
    for again in (False, True)
)


@dataclass(frozen=True)
class Measured:
    """One cell: bytes, and errors as shares of the peak less the baseline."""

    cell: Cell
    baseline_bytes: int
    peak_bytes: int
    formula_bytes: int
    probe_bytes: int

    def _error(self, forecast_bytes: int) -> float:
        return (forecast_bytes - self.peak_bytes) / (self.peak_bytes - self.baseline_bytes)

    @property
    def formula_error(self) -> float:
        """Of the forecast before weights are loaded."""
        return self._error(self.formula_bytes)

    @property
    def probe_error(self) -> float:
        """Of the forecast from a measured pass."""
        return self._error(self.probe_bytes)

    def as_json(self) -> dict[str, Any]:
        """Return the cell with all figures."""
        errors = {"formula_error": self.formula_error, "probe_error": self.probe_error}
        return {**asdict(self), **{name: round(value, 4) for name, value in errors.items()}}


def make(cell: Cell, model: str, threads: int, only_probe: bool) -> dict[str, int]:
    """Make one run in this process, or only its probe, and return bytes."""
    import weighbridge.models.open_weights
    import weighbridge.tuning.loop  # noqa: F401
    from weighbridge.process_memory import peak_memory_bytes, resident_memory_bytes

    baseline = resident_memory_bytes()
    from weighbridge.opening.models import open_model, without_weights
    from weighbridge.project import tuning as project
    from weighbridge.project.tuning_forecast import forecast_run
    from weighbridge.sources.weights import default_cache
    from weighbridge.tuning.mixing import Mixing
    from weighbridge.tuning.registry import find_method

    def heard(event: Any) -> None:
        if only_probe and hasattr(event, "predicted_memory_bytes"):
            print(json.dumps({"probe_bytes": event.predicted_memory_bytes}), flush=True)
            os._exit(0)

    settings = _settings(cell)
    with tempfile.TemporaryDirectory() as folder:
        rows = Path(folder) / "rows.jsonl"
        _write_rows(rows, without_weights(model, True).prompts.tokenizer, cell)
        files = project.read_tuning_files(rows, None, mixing=Mixing(0.0, "", ()), offline=True)
        files = project.with_mixture(files, 0)
        told = forecast_run(model, settings, files, "cpu", True)
        assert told.memory is not None
        four_bits = not find_method(cell.method).keeps_base
        with open_model(
            model, default_cache(), "cpu", threads, True, four_bits=four_bits
        ) as opened:
            loaded = peak_memory_bytes()
            result = project.tune_model(opened, model, settings, files, Path(folder) / "run", heard)
    return {
        "baseline_bytes": baseline,
        "peak_bytes": max(loaded, result.peak_memory_bytes),
        "formula_bytes": told.memory.memory.peak_bytes,
    }


def _settings(cell: Cell) -> Any:
    from weighbridge.tuning.settings import TuneSettings

    ranked = {"rank": cell.rank} if cell.method != "full" else {}
    return TuneSettings(
        method=cell.method, batch_size=cell.batch_size, max_steps=STEPS, self_test=False,
        packing="off", checkpointing=cell.checkpointing, **ranked,
    )  # fmt: skip


def _write_rows(path: Path, tokenizer: Any, cell: Cell) -> None:
    """Write different rows of about as many tokens as a cell says, a third of each learnt."""
    around = len(tokenizer.apply_chat_template(_turns("a", "b"), return_dict=False))
    words = max(1, (cell.row_tokens - around - 4) // 3)
    lines = []
    for number in range(STEPS * cell.batch_size):
        asked = " ".join([f"{number:03d}", *["table"] * (2 * words - 1)])
        turns = _turns(asked, " ".join(["chair"] * words))
        lines.append(json.dumps({"messages": turns}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def _turns(asked: str, answer: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": asked}, {"role": "assistant", "content": answer}]


def in_own_process(cell: Cell, asked: argparse.Namespace, only_probe: bool) -> dict[str, int]:
    """Call `make` in a process of its own."""
    words = [
        sys.executable, __file__, "--cell", json.dumps(asdict(cell)), "--model", asked.model,
        "--threads", str(asked.threads), *["--probe"] * only_probe,
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{cell}: {done.stderr.strip()[-2000:]}")
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def summary(found: list[Measured], peaks: list[int], asked: argparse.Namespace) -> dict[str, Any]:
    """Return what the last line has."""
    formula = [abs(one.formula_error) for one in found]
    probe = [abs(one.probe_error) for one in found]
    spread = (max(peaks) - min(peaks)) / (found[0].peak_bytes - found[0].baseline_bytes)
    return {
        "cells": [one.as_json() for one in found],
        "formula_max_abs_error": round(max(formula), 4),
        "formula_median_abs_error": round(statistics.median(formula), 4),
        "probe_max_abs_error": round(max(probe), 4),
        "probe_median_abs_error": round(statistics.median(probe), 4),
        "jitter": round(spread, 4),
        "model": asked.model,
        "threads": asked.threads,
        "machine": _machine(),
    }


def _machine() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        return "unknown"


def main() -> None:
    """Measure the matrix and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--full", action="store_true", help="the whole matrix (an hour)")
    parser.add_argument("--cell", help=argparse.SUPPRESS)
    parser.add_argument("--probe", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if asked.cell:
        cell = Cell(**json.loads(asked.cell))
        print(json.dumps(make(cell, asked.model, asked.threads, asked.probe)))
        return
    found = []
    print(f"{'cell':<36}{'peak':>9}{'formula':>10}{'error':>8}{'probe':>10}{'error':>8}")
    for cell in FULL if asked.full else SMALL:
        one = Measured(
            cell, **in_own_process(cell, asked, False), **in_own_process(cell, asked, True)
        )
        found.append(one)
        print(
            f"{cell!s:<36}{one.peak_bytes / 1e9:>7.2f}GB{one.formula_bytes / 1e9:>8.2f}GB"
            f"{one.formula_error:>+8.1%}{one.probe_bytes / 1e9:>8.2f}GB{one.probe_error:>+8.1%}",
            flush=True,
        )
    peaks = [found[0].peak_bytes]
    for _ in range(REPEATS - 1):
        peaks.append(in_own_process(found[0].cell, asked, False)["peak_bytes"])
    told = summary(found, peaks, asked)
    if asked.json:
        print(json.dumps(told))
        return
    print(
        f"formula: median {told['formula_median_abs_error']:.1%}, largest "
        f"{told['formula_max_abs_error']:.1%}; with the probe: median "
        f"{told['probe_median_abs_error']:.1%}, largest {told['probe_max_abs_error']:.1%}; a peak "
        f"differs by {told['jitter']:.1%} from process to process"
    )


if __name__ == "__main__":
    main()
