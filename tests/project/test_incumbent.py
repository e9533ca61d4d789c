"""An incumbent behind `transformers serve` and a candidate here: a verdict of each kind."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import commands
from endpoint_server import transformers_serve
from fault_proxy import proxying
from weighbridge.errors import InputError, UnknownName
from weighbridge.models.endpoint.pacing import Concurrency
from weighbridge.project.project_file import read_project

PROJECT = """
[project]
name = "letters"
question = "Can the model that was tuned here replace the served one?"
[model]
base = "{base}"
{tune}
[incumbent]
endpoint = "{url}"
model = "{model}"
api_key_env = "LETTERS_KEY"
price = {{ input_usd_per_million_tokens = 3.0, output_usd_per_million_tokens = 15.0 }}
{economics}
[[evaluate]]
benchmark = "letters.toml"
margin = {margin}
"""
TUNE = """
[tune]
train = "train.jsonl"
safety_share = 0
learning_rate = 1e-2
epochs = 6
batch_size = 8
rank = 8
"""
ECONOMICS = "[economics]\nmachine_usd_per_hour = {}\nutilization = 0.5"
ITEMS = 24


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with transformers_serve(tmp_path_factory.mktemp("serve") / "log.txt") as served:
        yield served


@pytest.fixture(scope="module")
def trained(tiny_model, tmp_path_factory):
    """The tiny model after it learnt letters, merged into a folder that any server can load."""
    folder = tmp_path_factory.mktemp("trained")
    write_data(folder)
    done = weighbridge(
        "tune", tiny_model, "--train", "train.jsonl", "--lr", "1e-2", "--epochs", 6, "--rank", 8,
        "--merge", "merged", "--safety-share", 0, "--json", cwd=folder,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "merged"


def write_data(folder):
    for name, count, first in (("train", 48, 0), ("test", ITEMS, 1000)):
        with (folder / f"{name}.jsonl").open("w") as file:
            for i in range(first, first + count):
                user, answer = f"say {'ABCD'[i % 4]} number {i}", "ABCD"[i % 4]
                turns = [
                    {"role": "user", "content": user},
                    {"role": "assistant", "content": answer},
                ]
                file.write(json.dumps({"messages": turns}) + "\n")
    (folder / "letters.toml").write_text(
        'data = "test.jsonl"\nmessages = "messages"\nmax_tokens = 4\n'
    )


def weighbridge(*words, cwd):
    return commands.weighbridge(*words, cwd=cwd, env={"LETTERS_KEY": "sk-incumbent-sentinel"})


def write_project(folder, base, url, model, *, tune="", hourly=0.001, margin=0.05):
    write_data(folder)
    economics = ECONOMICS.format(hourly) if hourly is not None else ""
    text = PROJECT.format(
        base=base, url=url, model=model, tune=tune, economics=economics, margin=margin
    )
    (folder / "weighbridge.toml").write_text(text)


def check(folder, outcome):
    """The report says so, verifies from its runs, and holds no key."""
    page = (folder / outcome["report"]).read_text()
    assert outcome["verdict"] in page.lower()
    report = folder / ".weighbridge/reports/letters"
    done = weighbridge("verify", report, "--json", cwd=folder)
    assert done.returncode == 0, done.stdout
    names = [c["name"] for run in json.loads(done.stdout)["runs"] for c in run["checks"]]
    assert "total cost_usd" in names and "page made again from samples" in names
    assert "items-1.html made again from samples" in names
    for path in (p for p in folder.rglob("*") if p.is_file()):
        assert b"sk-incumbent-sentinel" not in path.read_bytes()


@pytest.mark.slow
def test_a_candidate_that_is_better_and_cheaper_replaces(server, tiny_model, trained, tmp_path):
    write_project(tmp_path, trained, server.url, str(tiny_model))
    done = weighbridge("run", "--offline", "--require", "replace", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    outcome = json.loads(done.stdout)
    assert outcome["verdict"] == "replace", outcome
    economics = outcome["economics"]
    assert economics["items"] == ITEMS and 0 < economics["cost_ratio"] <= 1
    assert economics["break_even_utilization"] == pytest.approx(economics["cost_ratio"] / 2)
    assert any("0.001 USD an hour" in c and "50%" in c for c in economics["conditions"])
    first, *unmeasured, own = economics["comparators"]
    assert first["usd"] == economics["incumbent_usd_per_item"]
    assert first["accepted_share"] == 0 and first["usd_asked_again"] is None
    assert own["usd_asked_again"] == pytest.approx(own["usd"] / own["accepted_share"])
    assert [one["role"] for one in unmeasured] == ["small sibling", "hosted open weights"]
    assert all("[economics]" in one["why"] and one["usd"] is None for one in unmeasured)
    assert own["usd"] == economics["candidate_usd_per_item"]
    assert "What it costs" in (tmp_path / outcome["report"]).read_text()
    assert [f["outcome"] for f in outcome["findings"]] == ["yes", "yes", "insufficient"]
    check(tmp_path, outcome)
    again = weighbridge("run", "--offline", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["runs"] == outcome["runs"]

    text = (tmp_path / "weighbridge.toml").read_text()
    release = text.replace("[model]", 'use = "release"\n[model]')
    (tmp_path / "weighbridge.toml").write_text(release)
    done = weighbridge("run", "--offline", "--require", "replace", "--json", cwd=tmp_path)
    assert done.returncode == 3 and "release gate" in json.loads(done.stdout)["headline"]


@pytest.mark.slow
def test_a_candidate_that_is_worse_does_not(server, tiny_model, trained, tmp_path):
    write_project(tmp_path, tiny_model, server.url, str(trained))
    done = weighbridge("run", "--offline", "--require", "replace", "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["verdict"] == "keep" and "worse" in outcome["headline"]
    check(tmp_path, outcome)


@pytest.mark.slow
def test_a_candidate_that_costs_more_does_not(server, trained, tmp_path):
    write_project(tmp_path, trained, server.url, str(trained), hourly=5000, margin=0.3)
    done = weighbridge("run", "--offline", "--json", cwd=tmp_path)
    outcome = json.loads(done.stdout)
    assert outcome["verdict"] == "keep" and outcome["economics"]["cost_ratio"] > 1
    check(tmp_path, outcome)


@pytest.mark.parametrize(
    ("margin", "hourly", "said"),
    [
        (0.02, 0.001, "can't be told"),
        pytest.param(0.3, None, "machine_usd_per_hour", marks=pytest.mark.slow),
    ],
)
def test_what_is_not_known_decides_nothing(server, trained, tmp_path, margin, hourly, said):
    write_project(tmp_path, trained, server.url, str(trained), margin=margin, hourly=hourly)
    done = weighbridge("run", "--offline", "--require", "replace", "--json", cwd=tmp_path)
    assert done.returncode == 3, done.stdout
    outcome = json.loads(done.stdout)
    assert outcome["verdict"] == "insufficient evidence" and said in outcome["headline"]
    check(tmp_path, outcome)


@pytest.mark.slow
def test_a_candidate_that_is_tuned_first_replaces(server, tiny_model, tmp_path):
    write_project(tmp_path, tiny_model, server.url, str(tiny_model), tune=TUNE)
    done = weighbridge("run", "--offline", "--json", cwd=tmp_path)
    outcome = json.loads(done.stdout)
    assert outcome["verdict"] == "replace" and outcome["adapter"], outcome
    check(tmp_path, outcome)


@pytest.mark.slow
def test_a_cap_leaves_it_open_and_a_higher_one_decides(server, tiny_model, trained, tmp_path):
    with proxying(server.url) as proxy:
        proxy.schedule = lambda turn, nth: "cut" if nth == 0 and "number 1003" in turn else ""
        write_project(tmp_path, trained, proxy.url, str(tiny_model))
        dry = weighbridge("run", "--offline", "--dry-run", "--json", cwd=tmp_path)
        (row,) = json.loads(dry.stdout)["would_run"]
        (expected,) = row["spending"]
        assert expected["requests"] == ITEMS and expected["output_tokens_at_most"] == 4 * ITEMS
        assert not proxy.came
        cap = expected["usd"] * 0.6
        done = weighbridge("run", "--offline", "--max-usd", cap, "--json", cwd=tmp_path)
        assert done.returncode == 3, done.stderr
        outcome = json.loads(done.stdout)
        assert outcome["verdict"] == "insufficient evidence" and "in part" in outcome["headline"]
        check(tmp_path, outcome)
        done = weighbridge("run", "--offline", "--max-usd", 1, "--json", cwd=tmp_path)
        outcome = json.loads(done.stdout)
        assert outcome["verdict"] == "replace", outcome
        check(tmp_path, outcome)
        # Only the answer that was cut off was asked for again.
        assert proxy.again == [] and sorted(proxy.came.values())[-2:] == [1, 2]


def sent_at_a_time(answers):
    """How many requests the client has sent and not kept the answer of, at most, after so many."""
    concurrency = Concurrency()
    for _ in range(answers):
        concurrency.answered()
    return int(concurrency.limit)


def kept(folder):
    """How many answers are on disk."""
    files = (folder / ".weighbridge/answers").glob("*.jsonl")
    return sum(file.read_bytes().count(b'"kept"') for file in files)


@pytest.mark.slow
def test_kill_9_in_the_middle_costs_at_most_what_was_in_flight(
    server, tiny_model, trained, tmp_path
):
    with proxying(server.url) as proxy:
        proxy.slow_seconds = 600  # until the client is killed
        write_project(tmp_path, trained, proxy.url, str(tiny_model))
        lost = 0
        for enough in (5, 12):
            soon = iter(range(enough - kept(tmp_path)))  # all others are in flight when it dies
            proxy.schedule = lambda turn, nth, soon=soon: (
                "" if not turn.startswith("say") or next(soon, None) is not None else "slow"
            )
            child = subprocess.Popen(
                [sys.executable, "-m", "weighbridge", "run", "--offline"], cwd=tmp_path,
                env={**os.environ, "LETTERS_KEY": "sk-incumbent-sentinel"},
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            while kept(tmp_path) < enough:
                assert child.poll() is None
                time.sleep(0.01)
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            proxy.until_idle()
            lost += sent_at_a_time(enough)
        assert kept(tmp_path) < ITEMS
        proxy.schedule = lambda turn, nth: ""
        done = weighbridge("run", "--offline", "--json", cwd=tmp_path)
        outcome = json.loads(done.stdout)
        assert outcome["verdict"] == "replace", outcome
        assert sum(proxy.came.values()) - len(proxy.came) <= lost
        check(tmp_path, outcome)


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (("api_key_env", "api_key"), UnknownName, "api_key_env"),
        (("input_usd", "inputs_usd"), UnknownName, "did you mean input_usd"),
        (("= 3.0", "= -3.0"), InputError, "0 or more"),
        (("utilization = 0.5", "utilization = 2"), InputError, "at most 1"),
        (("price = {", "price = 3 # {"), InputError, "a table"),
    ],
)
def test_a_wrong_incumbent_is_one_clear_error(tmp_path, change, error, said):
    write_project(tmp_path, "base", "http://localhost:1/v1", "m")
    path = tmp_path / "weighbridge.toml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(error, match=said):
        read_project(path)


def test_without_its_key_nothing_starts(tmp_path, tiny_model):
    write_project(tmp_path, tiny_model, "http://localhost:1/v1", "m", tune=TUNE)
    path = tmp_path / "weighbridge.toml"
    path.write_text(path.read_text().replace("LETTERS_KEY", "NO_SUCH_KEY"))
    done = weighbridge("run", "--offline", cwd=tmp_path)
    assert done.returncode == 2 and "export NO_SUCH_KEY" in done.stderr
    assert not (tmp_path / ".weighbridge/tuning").exists()
