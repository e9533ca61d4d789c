"""Real commands print the documents that `weighbridge.documents` promises.

`commands.weighbridge` compares every document that any test has printed with its record: keys and
types. Here each command is run once, so that none is left out.
"""

import importlib.util
import json

import pytest

from commands import weighbridge
from weighbridge.documents.description import printed

ELSEWHERE = {
    "demo --replay": "tests/cli/test_demo_replay.py",
    "run": "tests/project/test_project.py",
    "run --dry-run": "tests/project/test_project.py",
    "import": "tests/cli/test_import_export.py",
    "tune --dry-run": "tests/project/test_tuning_forecast.py",
    "tune --safety-frontier": "tests/cli/test_safety_frontier.py",
    "redteam run": "tests/redteam/test_redteam_diff.py",
    "redteam run --dry-run": "tests/redteam/test_redteam_diff.py",
    "redteam diff": "tests/redteam/test_redteam_diff.py",
    "redteam policy": "tests/redteam/test_use_policies.py",
    "redteam round": "tests/redteam/test_community_round.py",
    "redteam import": "tests/redteam/test_garak_report.py",
    "redteam garak": "tests/redteam/test_garak_report.py",
    "redteam card": "tests/redteam/test_rubric_judge.py",
    "release gate": "tests/release/test_gate_command.py",
    "release build": "tests/release/test_gate_command.py",
    "release verify": "tests/release/test_gate_command.py",
    "release signature": "tests/release/test_gate_command.py",
    "release gpai": "tests/release/test_gate_command.py",
    "release report": "tests/disclosure/test_disclosure_page.py",
    "release triage": "tests/disclosure/test_disclosure_page.py",
    "release advise": "tests/disclosure/test_disclosure_page.py",
    "release revoke": "tests/disclosure/test_disclosure_page.py",
    "release feed": "tests/disclosure/test_disclosure_page.py",
    "tune --find-lr": "tests/tuning/test_rate_sweep.py",
    "tune --verify-resume": "tests/project/test_resume_proof.py",
    "scaling sweep": "tests/cli/test_scaling_sweep.py",
    "scaling sweep --dry-run": "tests/cli/test_scaling_sweep.py",
}
"""Commands that take long, and the tests that run them with --json."""


@pytest.fixture(scope="module")
def work(tiny_model, tmp_path_factory):
    """A folder with a benchmark of two clusters, answers to it, and data that was tuned on."""
    folder = tmp_path_factory.mktemp("work")
    rows = [
        {"q": f"say {'ABCD'[i % 4]} number {i} and nothing else of all that there is",
         "options": list("abcd"), "right": "ABCD"[i % 4], "from": "xy"[i % 2]}
        for i in range(24)
    ]  # fmt: skip
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "choice.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\nchoices = "options"\ntarget = "right"\n'
        'cluster = "from"\n'
    )
    (folder / "exact.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "right"\nmax_tokens = 4\n'
    )
    turns = [{"role": "user", "content": rows[0]["q"]}, {"role": "assistant", "content": "A"}]
    (folder / "tuned.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    return folder


def printed_by(folder, *words, codes=(0,)):
    done = weighbridge(*words, "--json", cwd=folder)
    assert done.returncode in codes, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def runs(work, tiny_model):
    """Two runs' ids: of the whole benchmark, and of its first half."""
    found = []
    for limit in ((), ("--limit", 12)):
        words = ("evaluate", tiny_model, "-b", "choice.toml", "--offline", *limit)
        (run,) = printed_by(work, *words, "--tuning-data", "tuned.jsonl")["runs"]
        found.append(run)
    assert found[0]["clusters"].keys() == {"x", "y"} and found[0]["contamination"]["items"] == 24
    return [run["run"] for run in found]


def test_runs_listed_shown_verified_compared_and_exported(work, runs):
    assert {run["run_id"] for run in printed_by(work, "runs", "list")["runs"]} == set(runs)
    shown = printed_by(work, "runs", "show", runs[0], "--samples")
    assert shown["matching"] == len(shown["samples"]) == 24
    assert printed_by(work, "verify", *runs)["ok"]
    words = ("compare", *runs, "--accept", "limit", "--groups", "--html", "items.html")
    compared = printed_by(work, *words, codes=(0, 1, 3))
    assert compared["html"] == "items.html" and len(compared["groups"]) == 2
    power = printed_by(work, "power", "--rate", 0.7, "--items", 500, codes=(0, 3))
    assert power["items"] == 500 and power["items_needed"] > 500
    assert printed_by(work, "export", "tables", runs[0], "--to", "t.csv")["files"] == ["t.csv"]


def test_stages_of_which_two_are_the_same_run(work, tiny_model, runs):
    words = ("lineage", tiny_model, tiny_model, "-b", "choice.toml", "--offline")
    (lineage,) = printed_by(work, *words)["lineages"]
    assert lineage["verdict"] == "equivalent" and "mean_a" not in lineage["whole"]


def test_answers_made_elsewhere(work):
    rows = [{"sample_id": f"rows-{i + 1:06d}", "text": "ABCD"[i % 4]} for i in range(24)]
    (work / "said.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run,) = printed_by(work, "score", "-b", "exact.toml", "said.jsonl", codes=(0, 3))["runs"]
    assert run["protocol"] == "generative"


def test_what_is_looked_at_before_anything_runs(work, tiny_model):
    evaluate = ("evaluate", tiny_model, "-b", "choice.toml", "-b", "exact.toml", "--offline")
    planned = printed_by(work, *evaluate, "--dry-run")
    assert [row["n"] for row in planned["would_run"]] == [24, 24]
    paid = printed_by(work, "evaluate", "openai:gpt-4o-mini", "-b", "exact.toml", "--dry-run")
    assert paid["would_run"][0]["spending"][0]["who"] == "model" and paid["assumptions"]
    prompts = printed_by(work, *evaluate, "--show-prompt")["prompts"]
    assert [one["benchmark"] for one in prompts] == ["choice", "exact"]
    tune = ("tune", tiny_model, "--train", "tuned.jsonl", "--offline", "--show-mask", 1)
    assert len(printed_by(work, *tune)["masks"]) == 1
    assert printed_by(work, "init", "mine")["files"]
    assert printed_by(work, "doctor", codes=(0, 1))["checks"]
    assert printed_by(work, "demo", "--dry-run", "--offline")["would_run"]


def test_models_and_laws(work, tmp_path):
    (tmp_path / "config.json").write_text(
        json.dumps({"model_type": "codegen", "n_layer": 2, "n_head": 4, "n_embd": 48})
    )
    assert printed_by(work, "inspect", "llama-3-8b", "--image", "x.svg")["image"] == "x.svg"
    assert printed_by(work, "inspect", tmp_path / "config.json")["lora"] is None
    more = ("--lifetime-tokens", "1T", "--unique-tokens", "300B")
    plan = printed_by(work, "plan", "train", "--compute", "5.76e23", *more)
    assert plan["serving"]["saved"] > 0 and plan["repeated"]["epochs"] > 1
    assert printed_by(work, "scaling", "laws")["laws"]
    tuned = printed_by(work, "plan", "tune", "llama-3-8b", "--memory", "24GB", codes=(1,))
    assert tuned["fits"] in (True, False) and tuned["breakdown_bytes"]["weights_bytes"] > 0
    served = printed_by(work, "plan", "serve", "llama-3-8b", "--gpu", "h100", "--ttft", 5)
    assert served["offline"]["interval"] == served["interval"] and served["goal"]["met"]
    words = ("plan", "cost", "--self-hosted", "llama-3-8b", "--api", "gpt-4o", "--log", "log.csv")
    (work / "log.csv").write_text(
        "input_tokens,output_tokens,time,currency\n90,9,0,EUR\n80,8,60,EUR\n"
    )
    costs = printed_by(work, *words, "--accepted", 0.8)
    assert "of the log, these columns are not read: currency" in costs["notes"]
    assert costs["load"]["requests"] == 2 and costs["comparators"][3]["accepted"]["share"] == 0.8


def test_the_gap_and_the_claims(work):
    assert printed_by(work, "gap")["benchmark"] == "mmlu"
    assert printed_by(work, "gap", "--list")["benchmarks"][0]["benchmark"] == "eci"
    assert {one["outcome"] for one in printed_by(work, "claims")["claims"]} >= {"holds", "fails"}


def test_a_tuned_model_and_its_merged_weights(work, tiny_model):
    words = ("tune", tiny_model, "--train", "tuned.jsonl", "--validation", "tuned.jsonl")
    tuned = printed_by(work, *words, "--merge", "merged", "--out", "run", "--offline")
    assert tuned["data"]["rows"] == tuned["validation_data"]["rows"] == 1
    assert tuned["merged"] == "merged" and tuned["merged_max_logit_difference"] is not None


def test_laws_fitted_to_runs(work, repository):
    script = repository / "bench" / "planning_commands.py"
    specification = importlib.util.spec_from_file_location("planning_commands", script)
    bench = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(bench)
    _, _, dense, experts = bench.make_inputs(work)
    words = ("--bootstraps", 3)
    fitted = printed_by(work, "scaling", "fit", dense, *words, "--save-law", "law.json")
    assert fitted["written"] == ["law.json"]
    assert len(printed_by(work, "scaling", "compare", dense, *words)["approaches"]) > 3
    assert printed_by(work, "scaling", "mixture", experts, "--bootstraps", 0)["c"] > 0


def test_no_command_is_left_out(repository):
    here = (repository / "tests" / "documents" / "test_printed.py").read_text()
    for one in printed():
        command, _, flag = one.command.partition(" --")
        words = ", ".join(f'"{word}"' for word in command.split())
        if one.command in ELSEWHERE:
            there = (repository / ELSEWHERE[one.command]).read_text()
            assert words in there and '"--json"' in there, one.command
        elif one.command not in ("demo", "any command"):  # demo prints what run prints
            assert words in here and (not flag or f'"--{flag}"' in here), one.command
