"""`tune` at the command line: its options, its methods, and what it says of bad ones."""

import json
from dataclasses import fields

import pytest
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from commands import weighbridge
from tuning_runs import write_rows
from weighbridge.cli import tuning_options as tune
from weighbridge.cli.main import app
from weighbridge.project.project_file import read_project
from weighbridge.tuning import TuneSettings

GROUPS = (tune.DataOptions, tune.MethodOptions, tune.TrainingOptions)


def test_help_is_scanned_by_its_panels_at_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, ["tune", "--help"], terminal_width=80).stdout
    assert all(len(line) <= 80 for line in shown.splitlines())
    panels = [line for line in shown.splitlines() if line.endswith(":") and line[:1].isalpha()]
    assert panels == [
        "Arguments:", "Data:", "Method:", "Training:", "Instead of a run:", "Result and files:",
        "Where it computes:", "Other options:",
    ]  # fmt: skip
    words = " ".join(shown.split())
    assert "full: every parameter" in words and "5e-05 (full" in words
    assert "Passes over the data. [default: 1]" in words


def test_each_setting_is_an_option_and_its_default_stands_in_the_settings_alone():
    options = {field.name: field.default for group in GROUPS for field in fields(group)}
    settings = {field.name for field in fields(TuneSettings)}
    assert settings <= options.keys()
    assert all(options[name] is None for name in settings)


def test_options_and_project_file_fill_the_same_fields(tmp_path):
    stated = {
        "method": "lora", "objective": "sft", "rank": 3, "alpha": 5.0, "dropout": 0.1,
        "target": ("q_proj", "v_proj"), "learning_rate": 1e-3, "schedule": "linear",
        "warmup_share": 0.2, "weight_decay": 0.01, "clip_norm": 0.5, "betas": (0.8, 0.95),
        "epochs": 2, "max_steps": 7, "batch_size": 3, "accumulation": 2, "max_tokens": 99,
        "packing": "on", "checkpointing": True, "overflow": "drop", "seed": 4,
        "checkpoint_steps": 5, "self_test": True, "precision": "bfloat16", "experts": False,
        "patience": 2, "validation_steps": 3,
    }  # fmt: skip
    others = {"learning_rate_ratio", "beta"}  # LoRA has no ratio, SFT no beta
    assert stated.keys() | others == {field.name for field in fields(TuneSettings)}
    flags = {**stated, "target": list(stated["target"])}
    groups = [
        group(**{f.name: flags[f.name] for f in fields(group) if f.name in flags}, **more)
        for group, more in zip(GROUPS, ({"train": tmp_path}, {}, {}), strict=True)
    ]
    by_flags = tune.settings_of(*groups)
    table = "".join(f"{name} = {json.dumps(value)}\n" for name, value in flags.items())
    (tmp_path / "weighbridge.toml").write_text(
        f'[project]\nname = "p"\n[model]\nbase = "b"\n[tune]\ntrain = "t.jsonl"\n{table}'
        '[[evaluate]]\nbenchmark = "mmlu"\n'
    )
    project = read_project(tmp_path)
    assert by_flags == project.tune.settings == TuneSettings(**stated)
    assert tune.settings_of(tune.DataOptions(train=tmp_path)) == TuneSettings()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "ful"], "unknown tuning method 'ful'; expected one of: dora, full, lora"),
        (["--method", "ful"], "did you mean full?"),
        (["--objective", "stf"], "unknown tuning objective 'stf'"),
        (["--objective", "dpo"], "2 rows of messages: one answer each"),
        (["--beta", "0.2"], "beta = 0.2 with objective sft; expected it with objective dpo"),
        (["--objective", "orpo", "--beta", "0"], "beta = 0.0; expected above 0"),
        (["--method", "full", "--rank", "8"], "rank = 8 with method full"),
        (["--method", "full", "--target", "q_proj"], "target = ('q_proj',) with method full"),
        (["--method", "dora", "--experts"], "by plain LoRA alone"),
        (["--rank", "0"], "rank = 0; expected at least 1"),
        (["--schedule", "cosin"], "did you mean cosine?"),
        (["--packing", "of"], "did you mean off?"),
        (["--betas", "0.9", "1.5"], "betas = (0.9, 1.5)"),
    ],
)
def test_bad_settings_are_one_line(words, said, tiny_model, tmp_path):
    train = write_rows(tmp_path / "t.jsonl", 2)
    answer = CliRunner().invoke(app, ["tune", str(tiny_model), "--train", str(train), *words])
    assert said in str(answer.exception) and "\n" not in str(answer.exception)


def test_full_tuning_gives_a_whole_model_and_copies_it_where_a_merge_is_asked_for(
    tiny_model, tmp_path
):
    train = write_rows(tmp_path / "t.jsonl", 8)
    words = [
        "tune", str(tiny_model), "--train", str(train), "--out", str(tmp_path / "run"), "--cache",
        str(tmp_path / "cache"), "--method", "full", "--max-steps", "2", "--threads", "1",
        "--merge", str(tmp_path / "whole"),
    ]  # fmt: skip
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    told = " ".join(said.stdout.split())
    assert "nothing to merge: the model is whole; copied to" in told
    assert "done before" not in told
    shown = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert shown["method"] == "full" and shown["objective"] == "sft"
    assert shown["adapter"] is None and shown["adapter_digest"] is None
    assert shown["model"] == str(tmp_path / "run" / "model")
    assert shown["merged"] == str(tmp_path / "whole") and shown["merged_before"]
    one, other = (
        AutoModelForCausalLM.from_pretrained(shown[key]).state_dict() for key in ("model", "merged")
    )
    assert all((one[name] == other[name]).all() for name in one)
    again = [*words, "--seed", "3"]
    again[again.index("--out") + 1] = str(tmp_path / "another")
    assert "another" in str(CliRunner().invoke(app, again).exception)


@pytest.mark.slow
def test_a_full_disk_costs_no_finished_step_of_full_tuning(tiny_model, tmp_path):
    import resource
    import subprocess
    import sys

    train = write_rows(tmp_path / "t.jsonl", 8)
    words = [
        "tune", str(tiny_model), "--train", str(train), "--out", str(tmp_path / "run"), "--method",
        "full", "--cache", str(tmp_path / "cache"), "--max-steps", "2", "--threads", "1", "--json",
    ]  # fmt: skip
    child = subprocess.run(
        [sys.executable, "-m", "weighbridge", *words], capture_output=True, text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )  # fmt: skip
    assert child.returncode == 2 and "Traceback" not in child.stderr
    assert not list((tmp_path / "run").rglob("model.safetensors"))
    assert weighbridge(*words).returncode == 0
