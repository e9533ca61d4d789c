"""`tune --verify-resume`: real kills, every tensor compared, and the first difference named."""

import json
from dataclasses import replace

import pytest

from commands import weighbridge
from tuning_runs import write_rows
from weighbridge.errors import InputError
from weighbridge.project.resume_child import ChildRun, run_child
from weighbridge.project.resume_proof import moments, prove_resume
from weighbridge.tuning import TuneSettings

STEPS = 3


@pytest.fixture(scope="module")
def child(tiny_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("proof")
    return ChildRun(
        model=str(tiny_model), train=write_rows(folder / "t.jsonl", 12), validation=None,
        settings=TuneSettings(rank=4, batch_size=4, max_steps=STEPS, learning_rate=5e-3),
        cache=folder / "cache", device="cpu", threads=1, offline=True, folder=folder,
        log=folder / "log",
    )  # fmt: skip


def forgets_the_moments(child):
    """A run that takes up a checkpoint without the optimizer's state."""
    from weighbridge.tuning import checkpoint

    checkpoint._restore_moments = lambda parameters, optimizer, moments: None
    run_child(child)


def refuses_to_die(child):
    run_child(replace(child, kill=None))


@pytest.mark.slow
def test_killed_four_times_it_ends_with_the_same_bits(child, tmp_path):
    said = []
    proof = prove_resume(child, tmp_path / "scratch", said.append)
    assert proof.difference is None and proof.steps == STEPS
    assert proof.kills == (
        "in the midst of step 1", "while the checkpoint of step 2 was written",
        "before the whole checkpoint of step 3 took its name",
        "before the whole result took its name",
    )  # fmt: skip
    assert proof.checkpoints == STEPS and proof.tensors > 3 * 28
    assert said[0] == "undisturbed: 3 steps" and len(said) == 5
    assert not list((tmp_path / "scratch").iterdir())


@pytest.mark.slow
def test_a_resume_that_forgets_is_named_by_step_and_tensor(child, tmp_path):
    proof = prove_resume(child, tmp_path, lambda line: None, forgets_the_moments)
    assert proof.difference is not None
    assert proof.difference.step in (2, 3)
    assert proof.difference.tensor.startswith("adapter/base_model.model.")
    assert "lora_" in proof.difference.tensor


@pytest.mark.slow
def test_what_the_run_itself_refuses_is_said(child, tmp_path):
    wrong = replace(child, settings=replace(child.settings, max_tokens=8))
    with pytest.raises(InputError, match="at most max_tokens = 8"):
        prove_resume(wrong, tmp_path, lambda line: None)
    assert not list(tmp_path.iterdir())
    missing = replace(child, train=tmp_path / "none.jsonl")
    with pytest.raises(InputError, match=r"none\.jsonl"):
        prove_resume(missing, tmp_path, lambda line: None)


@pytest.mark.slow
def test_the_command_says_what_was_compared(child, tiny_model, tmp_path):
    words = (
        "tune", tiny_model, "--train", child.train, "--max-steps", 2, "--rank", 4, "--threads", 1,
        "--cache", tmp_path / "cache", "--runs", tmp_path / "w" / "runs", "--verify-resume",
    )  # fmt: skip
    done = weighbridge(*words, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["difference"] is None and found["steps"] == 2 and len(found["kills"]) == 4
    assert list((tmp_path / "w" / "tuning").iterdir()) == []


def test_moments_lie_within_the_run():
    for steps in range(1, 8):
        assert all(1 <= kill.step <= steps for kill in moments(steps))
    assert [kill.step for kill in moments(6)] == [2, 3, 6, 6]
