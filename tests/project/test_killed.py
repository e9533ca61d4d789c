"""`kill -9` on real weights, through the command line: the same digest, the same adapter bits."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.soak]


def command(*words):
    return [sys.executable, "-m", "weighbridge", *map(str, words), "--json"]


def run(*words, code=0):
    done = subprocess.run(command(*words), capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def kill_after(words, measure, rng):
    """Start the command, kill it a moment after `measure()` has grown."""
    before = measure()
    child = subprocess.Popen(
        command(*words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    while measure() <= before:
        assert child.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    time.sleep(rng.uniform(0, 1.0))
    assert child.poll() is None, "it ended before it could be killed"
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def test_an_evaluation_killed_three_times_ends_with_the_same_digest(smollm2, cache, tmp_path):
    rng = random.Random(1)

    def words(folder):
        return (
            "evaluate", "smollm2-135m", "-b", "service_desk", "--limit", 140, "--threads", 1,
            "--runs", tmp_path / folder, "--cache", cache,
        )  # fmt: skip

    def units_done():
        files = (tmp_path / "killed").glob("*/samples.jsonl")
        return sum(file.read_bytes().count(b"\n") for file in files)

    for _ in range(3):
        kill_after(words("killed"), units_done, rng)
    assert 0 < units_done() < 140
    # The untuned model writes nothing that can be graded, and a run of that concludes nothing.
    killed, whole = (run(*words(folder), code=3)["runs"][0] for folder in ("killed", "whole"))
    assert killed["samples_digest"] == whole["samples_digest"]
    folder = tmp_path / "killed" / killed["run"]
    assert run("verify", folder)["ok"]


def test_a_tuning_killed_three_times_ends_with_the_same_bits(smollm2, cache, repository, tmp_path):
    rng = random.Random(2)

    def words(folder):
        data = repository / "examples/service_desk/data/train.jsonl"
        return (
            "tune", "smollm2-135m", "--train", data, "--out", tmp_path / folder, "--cache", cache,
            "--batch-size", 2, "--max-steps", 24, "--lr", 2e-3, "--threads", 1,
        )  # fmt: skip

    def steps_done():
        file = tmp_path / "killed" / "metrics.jsonl"
        return file.read_bytes().count(b"\n") if file.is_file() else 0

    def far_enough():
        return steps_done() // 6

    for _ in range(3):
        kill_after(words("killed"), far_enough, rng)
    assert not (tmp_path / "killed" / "result.json").exists()
    run(*words("killed"))
    run(*words("whole"))
    first, second = (
        (tmp_path / folder / "adapter" / "adapter_model.safetensors").read_bytes()
        for folder in ("killed", "whole")
    )
    assert first == second
