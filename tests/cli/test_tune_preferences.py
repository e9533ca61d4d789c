"""`tune --objective`: what it says of preferences, and of files that hold something else."""

import json

import pytest
from typer.testing import CliRunner

from tuning_runs import write_pairs, write_rows
from weighbridge.cli.main import app


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path / "pairs.jsonl", 8)


def words_for(model, train, tmp_path, *more):
    return [
        "tune", str(model), "--train", str(train), "--cache", str(tmp_path / "cache"), "--threads",
        "1", *more,
    ]  # fmt: skip


def test_it_says_how_far_preferred_answers_are_ahead_and_merges_what_came_out(
    tiny_model, pairs, tmp_path
):
    held_out = write_pairs(tmp_path / "held_out.jsonl", 3, first=20)
    words = words_for(
        tiny_model, pairs, tmp_path, "--objective", "dpo", "--validation", str(held_out), "--out",
        str(tmp_path / "run"), "--max-steps", "2", "--batch-size", "4", "--lr", "5e-3", "--merge",
        str(tmp_path / "merged"),
    )  # fmt: skip
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    told = " ".join(said.output.split())
    assert "learnt from 8 rows" in told and "reference of 11 pairs computed" in told
    assert "at the last step preferred answers ahead in 100% of pairs, by +" in told
    assert "on validation pairs preferred answers ahead in" in told
    assert "loss 0.693 to" in told and "3 validation rows" in told
    shown = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert shown["objective"] == "dpo" and shown["merged_before"]
    assert shown["validation_rewards_first"]["accuracy"] == 0
    assert abs(shown["rewards_first"]["margin"]) < 1e-4 < shown["rewards_last"]["margin"]
    assert shown["rewards_last"].keys() == {"chosen", "rejected", "accuracy", "margin"}


def test_both_answers_are_shown_with_what_counts_of_them(tiny_model, pairs, tmp_path):
    words = words_for(tiny_model, pairs, tmp_path, "--objective", "orpo", "--show-mask", "1")
    shown = CliRunner().invoke(app, words).stdout
    assert "line 1, chosen: " in shown and "line 1, rejected: " in shown
    assert "⟦AAA<|end|>⟧" in shown and "⟦no answer<|end|>⟧" in shown


@pytest.mark.parametrize(
    ("objective", "write", "said"),
    [
        ("dpo", write_rows, "2 rows of messages: one answer each"),
        ("orpo", write_rows, "learn from it with --objective sft"),
        ("sft", write_pairs, "learn from them with --objective dpo or orpo"),
    ],
)
def test_rows_that_an_objective_cannot_learn_from_are_one_line(
    objective, write, said, tiny_model, tmp_path
):
    train = write(tmp_path / "rows.jsonl", 2)
    words = words_for(tiny_model, train, tmp_path, "--objective", objective)
    answer = CliRunner().invoke(app, words)
    assert said in str(answer.exception) and "\n" not in str(answer.exception)
