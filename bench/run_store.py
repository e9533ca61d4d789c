"""How long `runs list` takes over a store of 10,000 sealed runs, against a limit of 1 s.

    python bench/run_store.py [--runs 10000] [--answers 4] [--times 5] [--json]

The runs are made here, sealed, and listed by fresh processes: first without an index and without a
memory of what was checked, so that every run is verified; then with the index that this left; then
after one more run was sealed. Last the index is taken away again, while each run's folder still
remembers that it was checked. Printed are seconds from the shell to the last line, and seconds of
processor time, which other work on the machine changes less; medians where a line is repeated.
There is no peer that checks what it lists; the limit stands in its place.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

Seconds = tuple[float, float]
"""From the shell to the last line, and of processor time."""
LIMIT_SECONDS = 1.0
MADE_AT_ONCE = 200


def make_runs(store: Path, first: int, count: int, answers: int) -> None:
    """Seal runs of a few answers each, without waiting for the disk.

    They are made in small stores, since each new run is looked for among those that are there.
    """
    with mock.patch("os.fsync"):
        for begin in range(first, first + count, MADE_AT_ONCE):
            with tempfile.TemporaryDirectory(dir=store.parent) as part:
                end = min(begin + MADE_AT_ONCE, first + count)
                seal_runs(Path(part), range(begin, end), answers)
                for folder in Path(part).iterdir():
                    folder.rename(store / folder.name)


def seal_runs(store: Path, numbers: Iterable[int], answers: int) -> None:
    """Seal a run for each number; half of its answers are right."""
    from weighbridge.evidence import Evaluated, RunHeader, RunStore
    from weighbridge.records import Graded, ModelRef, Provenance, ScoredSample
    from weighbridge.statistics import estimate

    place = Provenance({}, "3", "Linux", "cpu", 1, "2026-01-01T00:00:00+00:00")
    for number in numbers:
        model = ModelRef(f"model-{number}", "directory:x", f"sha256:{number}")
        rows = [
            ScoredSample(
                f"s{i}", 0, None, f"digest of s{i}", "p", "q", "A", "A", (), "end", 1, 1, 0,
                Graded(float((number + i) % 2), "A"),
            )
            for i in range(answers)
        ]  # fmt: skip
        fields = {"model": dict(model.identity), "benchmark": "b", "settings": {"shots": 0}}
        header = RunHeader(
            model, "b", "1", None, "generative", {"shots": 0}, "mean", answers, 1, place.started
        )
        with RunStore(store).open(fields, header) as run:
            run.journal.append_unit(0, rows)
            run.seal(Evaluated(estimate(rows), place))


def listed(store: Path, expected: int, *words: str) -> Seconds:
    """List the store in a fresh process; return how long it took."""
    began, before = time.perf_counter(), processor_seconds()
    command = [sys.executable, "-m", "weighbridge", "runs", "list", "--runs", str(store), *words]
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - began, processor_seconds() - before
    if done.returncode:
        raise SystemExit(done.stderr)
    shown = len(json.loads(done.stdout)["runs"]) if words else done.stdout.count("\n") // 2
    assert shown == expected, f"{shown} runs listed, {expected} made"
    return seconds


def processor_seconds() -> float:
    """Return what this process's children have taken until now."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(store: Path, runs: int, answers: int, times: int) -> dict[str, Seconds]:
    """Return seconds by what was timed."""
    from weighbridge.evidence.checked import CHECKED
    from weighbridge.evidence.index import INDEX

    make_runs(store, 0, runs, answers)
    found = dict[str, Seconds]()
    for noted in store.glob(f"*/{CHECKED}"):
        noted.unlink()
    found["first listing: every run verified"] = listed(store, runs)

    def median(*words: str) -> Seconds:
        walls, processor = zip(*(listed(store, runs, *words) for _ in range(times)), strict=True)
        return statistics.median(walls), statistics.median(processor)

    found["listed again"] = median()
    found["listed again, --json"] = median("--json")
    make_runs(store, runs, 1, answers)
    found["after one more run"] = listed(store, runs + 1)
    (store / INDEX).unlink()
    found["index deleted, runs checked before"] = listed(store, runs + 1)
    return found


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; exit 1 where a listing with the index takes longer than the limit."""
    parser = argparse.ArgumentParser(description="Time `runs list` over a large store.")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--answers", type=int, default=4)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "runs").mkdir()
        found = measure(Path(folder) / "runs", chosen.runs, chosen.answers, chosen.times)
    print(f"{'':<40} {'wall':>8} {'processor':>10}")
    for name, (wall, processor) in found.items():
        print(f"{name:<40} {wall:>6.2f} s {processor:>8.2f} s")
    slowest = max(found["listed again"][0], found["listed again, --json"][0])
    print(f"limit for a listing with its index: {LIMIT_SECONDS:g} s; slowest: {slowest:.2f} s")
    if chosen.json:
        document: dict[str, Any] = {"runs": chosen.runs, "limit_seconds": LIMIT_SECONDS}
        print(json.dumps(document | {"seconds": found}))
    return int(slowest > LIMIT_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
