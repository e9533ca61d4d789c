"""The command line's contract: one line for an error, the right exit code, one JSON document."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from commands import weighbridge
from weighbridge.cli.main import command_names, summary


def test_help_lists_every_command_and_imports_none():
    done = weighbridge("--help")
    assert done.returncode == 0
    for name in command_names():
        assert name in done.stdout and summary(name)
    code = "import sys; from weighbridge.cli import main; print([m for m in sys.modules if m in " \
        "('torch','numpy','pydantic','transformers','rich','scipy')])"  # fmt: skip
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("name", command_names())
def test_every_command_explains_itself(name):
    done = weighbridge(name, "--help")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_version():
    assert weighbridge("--version").stdout.startswith("weighbridge 0.")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "smollm2-135", "-b", "service_desk"], "did you mean smollm2-135m"),
        (["evaluate", "smollm2-135m", "-b", "human_eval"], "did you mean humaneval"),
        (["evaluate", "smollm2-135m"], "Missing option '--benchmark'"),
        (["evaluate", "/nowhere/model.gguf", "-b", "service_desk"], "no file at"),
        (["evaluate", "x", "-b", "mmlu", "--data", "mmlu"], "NAME=PATH"),
        (["evaluate", "smollm2-135m", "-b", "mmlu", "--data", "mmlu=/nowhere"], "no data for mmlu"),
        (["compare", "a", "b"], "unknown run 'a'"),
        (["runs", "show", "x"], "unknown run 'x'"),
        (["run", "nowhere.toml"], "no project file at"),
        (["score", "-b", "humaneval", "nowhere.jsonl"], "no file at nowhere.jsonl"),
        (["nonsense"], "No such command 'nonsense'"),
        (["tune", "smollm2-135m", "--train", "nowhere.jsonl"], "nowhere.jsonl"),
        (
            ["evaluate", "smollm2-135m", "-b", "service_desk", "--margin", "0.1"],
            "--margin 0.1 without a run",
        ),
        (["compare", "a", "b", "--margin", "2%"], "--margin 0.02 where answers count 0 to 1"),
        (["lineage", "a", "b", "-b", "mmlu", "--margin", "2 points"], "units of the benchmark's"),
        (["power", "--margin", "small"], "--margin small; expected a number in the units"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(words, said, tmp_path):
    done = weighbridge(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    assert done.stdout == ""


def test_with_json_an_error_is_one_document_too(tmp_path):
    done = weighbridge("runs", "show", "x", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["error"]["kind"] == "UnknownName"


def test_a_model_is_measured_compared_and_verified(tiny_model, tmp_path):
    (tmp_path / "test.jsonl").write_text(
        "".join(f'{{"q": "question {i}", "a": "A", "topic": "t{i % 2}"}}\n' for i in range(6))
    )
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\ncluster = "topic"\nmax_tokens = 4\n'
    )
    first = weighbridge("evaluate", tiny_model, "-b", "own.toml", "--json", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    (run,) = json.loads(first.stdout)["runs"]
    assert run["n"] == 6 and run["interval"][0] <= run["mean"] <= run["interval"][1]
    assert set(run["ungraded"]) == {"refused", "unparsed", "truncated", "infrastructure"}
    other = weighbridge(
        "evaluate", tiny_model, "-b", "own.toml", "--temperature", 1, "--json", cwd=tmp_path
    )
    (second,) = json.loads(other.stdout)["runs"]
    assert second["run"] != run["run"]
    assert weighbridge("verify", run["run"], second["run"], cwd=tmp_path).returncode == 0
    words = ("compare", run["run"], second["run"], "--json")
    refused = weighbridge(*words, cwd=tmp_path)
    assert refused.returncode == 2 and "temperature" in refused.stderr
    compared = weighbridge(*words, "--accept", "temperature", cwd=tmp_path)
    assert json.loads(compared.stdout)["n"] == 6
    assert compared.returncode == {"inconclusive": 3, "inferior": 1}.get(
        json.loads(compared.stdout)["verdict"], 0
    )
    listed = json.loads(weighbridge("runs", "list", "--json", cwd=tmp_path).stdout)["runs"]
    assert len(listed) == 2
    (one,) = (found for found in listed if found["run_id"] == run["run"])
    assert one["interval"] == run["interval"]
    name, told, *_ = weighbridge("runs", "list", cwd=tmp_path).stdout.splitlines()
    assert name in {found["run_id"] for found in listed}
    low, high = (f"{bound:.1%}" for bound in one["interval"])
    assert f"[{low}, {high}] n=6  just now" in told and len(told) <= 80
    shown = weighbridge("runs", "show", run["run"], "--samples", "--json", cwd=tmp_path)
    assert len(json.loads(shown.stdout)["samples"]) == 6
    samples = tmp_path / ".weighbridge/runs" / run["run"] / "samples.jsonl"
    samples.chmod(0o644)
    samples.write_text(samples.read_text().replace("question 1", "question 9"))
    altered = weighbridge("verify", run["run"], cwd=tmp_path)
    assert altered.returncode == 1 and "ALTERED" in altered.stdout


def test_an_own_benchmark_s_malformed_row_is_named(tiny_model, tmp_path):
    (tmp_path / "test.jsonl").write_text('{"q": "x", "a": "A"}\n{"q": "x"}\n')
    (tmp_path / "own.toml").write_text('data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\n')
    done = weighbridge("evaluate", tiny_model, "-b", "own.toml", cwd=tmp_path)
    assert done.returncode == 2 and "line 2, column a" in done.stderr
    (tmp_path / "own.toml").write_text('data = "test.jsonl"\npromt = "{q}"\ntarget = "a"\n')
    done = weighbridge("evaluate", tiny_model, "-b", "own.toml", cwd=tmp_path)
    assert done.returncode == 2 and "did you mean prompt" in done.stderr


def test_scoring_a_file_of_completions(tmp_path, repository):
    rows = (repository / "examples/service_desk/data/test.jsonl").read_text().splitlines()
    with (tmp_path / "answers.jsonl").open("w") as file:
        for row in map(json.loads, rows):
            text = row["messages"][-1]["content"]
            file.write(json.dumps({"sample_id": row["id"], "text": text}) + "\n")
    done = weighbridge("score", "-b", "service_desk", "answers.jsonl", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["runs"][0]["mean"] == 1.0
    lines = (tmp_path / "answers.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "answers.jsonl").write_text("".join(lines[:-1]))
    done = weighbridge("score", "-b", "service_desk", "answers.jsonl", cwd=tmp_path)
    assert done.returncode == 2 and "has no answer to" in done.stderr


@pytest.mark.slow
def test_killed_three_times_an_evaluation_ends_with_the_same_digest(tiny_model, tmp_path):
    rows = "".join(f'{{"q": "question {i}", "a": "A"}}\n' for i in range(400))
    (tmp_path / "test.jsonl").write_text(rows)
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 40\n'
    )
    words = ["evaluate", str(tiny_model), "-b", "own.toml", "--json", "--threads", "1"]
    for units in (1, 3, 5):
        child = subprocess.Popen(
            [sys.executable, "-m", "weighbridge", *words], cwd=tmp_path, stdout=subprocess.DEVNULL
        )
        while child.poll() is None:
            lines = sum(
                len(p.read_bytes().splitlines())
                for p in tmp_path.glob(".weighbridge/runs/*/samples.jsonl")
            )
            if lines >= 40 * units:
                break
            time.sleep(0.005)
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    resumed = json.loads(weighbridge(*words, cwd=tmp_path).stdout)["runs"][0]
    elsewhere = json.loads(weighbridge(*words, "--runs", "other", cwd=tmp_path).stdout)["runs"][0]
    assert resumed["samples_digest"] == elsewhere["samples_digest"]


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on(tiny_model, tmp_path):
    rows = "".join(f'{{"q": "question {i}", "a": "A"}}\n' for i in range(3000))
    (tmp_path / "test.jsonl").write_text(rows)
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 8\n'
    )
    with subprocess.Popen(
        [sys.executable, "-m", "weighbridge", "evaluate", str(tiny_model), "-b", "own.toml"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # as at a terminal
    ) as child:  # fmt: skip
        while not list(tmp_path.glob(".weighbridge/runs/*/samples.jsonl")):
            assert child.poll() is None
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate()
    assert child.returncode == 130
    assert "goes on from there" in said and "Traceback" not in said


def test_without_arguments_it_says_where_to_begin_and_a_group_shows_its_help():
    done = weighbridge()
    assert done.returncode == 0 and not done.stderr
    for first in (
        "weighbridge demo --replay",
        "weighbridge evaluate",
        "weighbridge init",
        "doctor",
    ):
        assert first in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    for group in ("runs", "plan", "scaling"):
        shown = weighbridge(group)
        assert shown.returncode == 0 and not shown.stderr
        assert f"weighbridge {group} [OPTIONS] COMMAND" in " ".join(shown.stdout.split())
        assert shown.stdout.count("\n") > 10


def test_doctor_names_what_is_missing_and_what_mends_it(tmp_path):
    done = weighbridge("doctor", "--json", env={"PATH": str(tmp_path)})
    checks = {c["name"]: c for c in json.loads(done.stdout)["checks"]}
    assert done.returncode == 1
    assert checks["sandbox"]["status"] == "missing" and "bubblewrap" in checks["sandbox"]["fix"]
    assert checks["torch"]["status"] == "ok"
