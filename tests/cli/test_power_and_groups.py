"""`power`, `compare --groups` and `evaluate --stop-when-decided` as a person types them."""

import json

import numpy as np
import pytest
from test_cli import weighbridge

from scored_runs import sealed
from weighbridge.records import Ungraded


@pytest.fixture
def two(tmp_path):
    rng = np.random.default_rng(5)
    topics = [f"topic {i % 3}" for i in range(300)]
    a, b = rng.random(300) < 0.7, rng.random(300) < 0.6
    lost = [Ungraded("infrastructure") if i < 4 else float(x) for i, x in enumerate(a)]
    return sealed(tmp_path, "a", lost, topics, usd_each=0.01), sealed(tmp_path, "b", b, topics)


def test_comparing_shows_losses_and_groups_within_80_columns(two, tmp_path):
    done = weighbridge("compare", *two, "--groups", "--margin", 0.1, cwd=tmp_path)
    assert "4 answers lost to infrastructure" in done.stdout and "Holm" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    document = json.loads(weighbridge("compare", *two, "--groups", "--json", cwd=tmp_path).stdout)
    assert [g["group"] for g in document["groups"]] == ["topic 0", "topic 1", "topic 2"]
    assert document["lost"] == 4 and document["bounds"][0] < document["bounds"][1]
    assert set(document["claims"]) == {"superior", "equivalent", "non_inferior", "inferior"}


def test_repeats_show_where_the_variance_lies(tmp_path):
    rng = np.random.default_rng(6)
    runs = [sealed(tmp_path, n, (rng.random((60, 4)) < 0.6).tolist(), repeats=4) for n in "ab"]
    done = weighbridge("compare", *runs, cwd=tmp_path)
    assert "answers an item 4 and 4" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_power_from_a_pilot_and_its_price(two, tmp_path):
    done = weighbridge("power", *two, "--items", 500, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert done.returncode == 3 and found["achieved_power"] < 0.8
    assert found["items_needed"] > 500
    # 600 answers cost $3: an item asked of both costs one cent.
    assert found["usd"] == pytest.approx(5.0)
    assert found["usd_needed"] == pytest.approx(0.01 * found["items_needed"])
    shown = weighbridge("power", *two, "--items", 500, cwd=tmp_path).stdout
    assert max(map(len, shown.splitlines())) <= 80
    enough = weighbridge("power", "--margin", 0.1, "--rate", 0.8, "--items", 5000, cwd=tmp_path)
    assert enough.returncode == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["power"], "how often the two models disagree"),
        (["power", "--rate", 0.9, "--disagreement", 0.5], "at most 0.2"),
        (["power", "--disagreement", 0.1, "--icc", 0.2], "ICC without clusters"),
        (["power", "--disagreement", 0.1, "--difference", 0.3], "only 0.1 of the items"),
        (["power", "--disagreement", 0.1, "--power", 80], "between 0 and 1"),
        (["power", "only-one"], "two, RUN_A and RUN_B"),
        (["compare", "a", "b", "--groups"], "unknown run"),
    ],
)
def test_bad_input_is_one_line(words, said, tmp_path):
    done = weighbridge(*words, cwd=tmp_path)
    assert done.returncode == 2 and said in done.stderr
    assert done.stderr.count("\n") == 1 and done.stdout == ""


def test_an_evaluation_stops_when_decided(tiny_model, tmp_path):
    with (tmp_path / "test.jsonl").open("w") as file:
        file.writelines(f'{{"q": "question {i}", "a": "never said"}}\n' for i in range(600))
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 1\n'
    )
    words = ["evaluate", tiny_model, "-b", "own.toml", "--json", "--threads", 1]
    (first,) = json.loads(weighbridge(*words, cwd=tmp_path).stdout)["runs"]
    stopping = ["--stop-when-decided", first["run"], "--margin", 0.1]
    done = weighbridge(*words, *stopping, cwd=tmp_path)
    (second,) = json.loads(done.stdout)["runs"]
    assert second["stopped"]["early"] and second["n"] < 200
    assert second["stopped"]["verdict"] in ("non_inferior", "equivalent")
    assert weighbridge("verify", second["run"], cwd=tmp_path).returncode == 0
    compared = weighbridge("compare", second["run"], first["run"], "--margin", 0.1, cwd=tmp_path)
    assert compared.returncode == 0 and "at any stopping" in compared.stdout
    wrong = weighbridge(*words[:-3], "-b", "service_desk", *stopping, cwd=tmp_path)
    assert wrong.returncode == 2 and "2 benchmarks" in wrong.stderr
