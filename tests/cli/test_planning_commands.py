"""Every planning command answers where torch, transformers and peft can't be imported.

The commands are those that `bench/planning_commands.py` times against their limit of 2 s.
"""

import importlib.util
import json
import subprocess
import sys

import pytest

from conftest import REPOSITORY
from weighbridge.planning.scaling.forms import JointMixture

RUN = REPOSITORY / "tests" / "without_torch.py"


def load_bench():
    path = REPOSITORY / "bench" / "planning_commands.py"
    spec = importlib.util.spec_from_file_location("planning_commands", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BENCH = load_bench()


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    return BENCH.commands(tmp_path_factory.mktemp("planning"))


def answer(words):
    return subprocess.run([sys.executable, str(RUN), *words], capture_output=True, text=True)


def laws(found):
    names = {row["law"] for row in found["laws"]}
    assert {"epoch-chinchilla", "hoffmann", "kaplan"} <= names


def fit(found):
    assert found["E"] == pytest.approx(1.8, rel=1e-4)
    assert found["alpha"] == pytest.approx(0.35, rel=1e-3)
    assert found["beta"] == pytest.approx(0.37, rel=1e-3)


def compare(found):
    """Approaches 1 to 3 on runs without noise: a = beta / (alpha + beta)."""
    told = [one["optimal_exponent"] for one in found["approaches"][:3]]
    assert told == pytest.approx([0.37 / 0.72] * 3, abs=0.02)


def mixture(found):
    for name, value in zip(JointMixture.__dataclass_fields__, BENCH.JOINT, strict=True):
        assert found[name] == pytest.approx(value, rel=5e-3), name


def plan(found):
    assert 6 * found["parameters"] * found["tokens"] == pytest.approx(5.76e23)
    assert 10 < found["tokens_per_parameter"] < 40


def tuned(found):
    assert found["fits"] and 40e9 < found["peak_memory_bytes"] <= 48e9


def serving(found):
    low, high = found["interval"]
    assert low < found["output_tokens_per_second"] < high and found["goal"]["met"]


def costing(found):
    low, high = found["cost_ratio_interval"]
    assert low < found["cost_ratio"] < high and len(found["comparators"]) == 4


def gap(found):
    assert found["now"]["best_open"]["weights"] == "open"
    assert found["lag"]["interval"][0] < found["lag"]["months"]


def benchmarks(found):
    assert {"mmlu", "gpqa-diamond"} <= {row["benchmark"] for row in found["benchmarks"]}


def claimed(found):
    assert {one["outcome"] for one in found["claims"]} == {"holds", "fails", "holds_if"}


def parameters(count):
    def check(found):
        assert found["parameters"] == count

    return check


CHECKS = {
    "inspect NAME": parameters(8_030_261_248),
    "inspect config.json": parameters(8_030_261_248),
    "inspect GGUF": parameters(134_515_008),
    "scaling fit": fit,
    "scaling compare": compare,
    "scaling mixture": mixture,
    "scaling laws": laws,
    "plan train": plan,
    "plan tune": tuned,
    "plan serve": serving,
    "plan cost": costing,
    "gap": gap,
    "gap --list": benchmarks,
    "claims": claimed,
}


AT_ONCE = ("inspect GGUF", "plan train", "plan tune", "plan serve", "plan cost", "claims")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name in AT_ONCE else pytest.mark.slow) for name in CHECKS],
)
def test_it_answers_without_torch(name, commands):
    done = answer(commands[name])
    assert done.returncode == 0 and done.stderr == "", done.stderr
    CHECKS[name](json.loads(done.stdout))


@pytest.mark.slow
def test_every_one_explains_itself_without_torch(commands):
    explaining = {name: words for name, words in commands.items() if name.endswith("--help")}
    assert len(explaining) == len(commands) - len(CHECKS) == 13
    for name, words in explaining.items():
        done = answer(words)
        assert done.returncode == 0 and "Usage: " in done.stdout, (name, done.stderr)
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_block_blocks():
    """Also what is imported inside a function, and a part of a package."""
    for wanted in ("torch", "transformers.models", "peft"):
        code = f"import without_torch; without_torch.block(); import {wanted}"
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, cwd=RUN.parent
        )
        assert done.returncode == 1 and "was imported" in done.stderr
