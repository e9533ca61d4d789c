"""`kill -9` of the command line in the middle of every kind of benchmark, until it is done."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from benchmark_data import write_gpqa, write_gsm8k, write_humaneval, write_mmlu, write_mt_bench
from tiny import build_tiny_model
from weighbridge.sandbox import Level, probe

pytestmark = pytest.mark.slow
MOST_KILLS = 3
ROW = '{{"text": "My order A{i} has not come.", "order": "A{i}"}}\n'
JUDGED = (
    'data = "rows.jsonl"\nprompt = "Answer: {text}"\nrubric = "It names {order}."\n'
    "scale = [1, 5]\nmax_tokens = 24\n"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    return build_tiny_model(folder, max_position_embeddings=8192)


def _named(name, data):
    return ["-b", name, "--data", f"{name}={data}"]


def _mmlu(folder, weights):
    return [*_named("mmlu", write_mmlu(folder)), "--protocol", "generative", "--max-tokens", 16]


def _humaneval(folder, weights):
    if probe().level is not Level.OUTSIDE_TESTER:
        pytest.skip(f"no such sandbox: {probe().detail}; {probe().fix}")
    drawn = ["--repeats", 16, "--temperature", 0.8, "--max-tokens", 48]
    return [*_named("humaneval", write_humaneval(folder, 10)), *drawn]


def _gsm8k(folder, weights):
    return [*_named("gsm8k", write_gsm8k(folder, 200)), "--max-tokens", 48]


def _gpqa(folder, weights):
    asked = ["--protocol", "generative", "--max-tokens", 32]
    return [*_named("gpqa", write_gpqa(folder, 200)), *asked]


def _mt_bench(folder, weights):
    judged = ["--judge", weights, "--judge-max-tokens", 16, "--max-tokens", 16]
    return [*_named("mt_bench", write_mt_bench(folder, 10)), *judged]


def _own(folder, weights):
    (folder / "rows.jsonl").write_text("".join(ROW.format(i=i) for i in range(120)))
    (folder / "own.toml").write_text(JUDGED)
    return ["-b", folder / "own.toml", "--judge", weights, "--judge-max-tokens", 16]


KINDS = {
    "mmlu": _mmlu, "humaneval": _humaneval, "gsm8k": _gsm8k, "gpqa": _gpqa,
    "mt_bench": _mt_bench, "own": _own,
}  # fmt: skip


class Command:
    """One evaluation, whose evidence goes to a folder of its own."""

    def __init__(self, words, runs):
        self.words = [sys.executable, "-m", "weighbridge", *map(str, words), "--runs", str(runs)]
        self.runs = runs

    def lines(self):
        return sum(path.read_bytes().count(b"\n") for path in self.runs.glob("*/samples.jsonl"))

    def start(self):
        quiet = subprocess.DEVNULL
        return subprocess.Popen(self.words, stdout=quiet, stderr=quiet, start_new_session=True)

    def finish(self):
        done = subprocess.run([*self.words, "--json"], capture_output=True, text=True)
        (run,) = json.loads(done.stdout)["runs"]
        # A tiny model's babble may hold nothing that can be graded: then the run concludes nothing.
        assert done.returncode == (0 if run["mean_graded"] is not None else 3), done.stderr
        return run


def kill(child):
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random_moments_it_ends_with_the_same_digest(kind, weights, tmp_path):
    rng = random.Random(kind)
    words = ["evaluate", weights, *KINDS[kind](tmp_path, weights), "--threads", 1]
    whole, killed = Command(words, tmp_path / "whole"), Command(words, tmp_path / "killed")
    began = time.monotonic()
    undisturbed = whole.finish()
    seconds, planned = time.monotonic() - began, whole.lines()

    # The first kill comes as soon as something is on disk, and so in the middle for certain.
    child = killed.start()
    while not killed.lines():
        assert child.poll() is None, "it ended before it could be killed"
        time.sleep(0.002)
    kill(child)
    assert 0 < killed.lines() < planned, "it ended before it could be killed"
    for _ in range(MOST_KILLS):
        child = killed.start()
        try:
            child.wait(rng.uniform(0.3, 1.1) * seconds)
            break
        except subprocess.TimeoutExpired:
            kill(child)
    resumed = killed.finish()
    assert killed.lines() == planned
    assert resumed["samples_digest"] == undisturbed["samples_digest"]
    assert resumed["run"] == undisturbed["run"]
    for key in ("mean", "interval", "ungraded", "notes"):
        assert resumed[key] == undisturbed[key]
    verify = [sys.executable, "-m", "weighbridge", "verify", str(killed.runs / resumed["run"])]
    assert subprocess.run(verify, capture_output=True).returncode == 0
