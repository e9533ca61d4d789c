"""Early stopping on the validation loss: when it ends, what it keeps, and that a kill changes none.

The rows to learn from and the held-out rows give other answers to the same questions, so that
learning makes the validation loss fall a little (the form) and then rise (the answers).
"""

import json

import pytest
import torch
from safetensors.torch import load_file

from tiny import build_tiny_model
from tuning_runs import rows_of, run
from weighbridge.errors import InputError, Interrupted
from weighbridge.models.reading import read_model
from weighbridge.project.tuning_progress import curve, tuning_bar
from weighbridge.tuning import StepDone, TuneSettings, Validated
from weighbridge.tuning.early_stopping import best_of, exhausted
from weighbridge.tuning.settings import Metric

SETTINGS = {
    "rank": 4, "learning_rate": 1e-3, "warmup_share": 0.0,
    "schedule": "constant", "epochs": 20, "batch_size": 8,
    "validation_steps": 2, "patience": 3, "checkpoint_steps": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = build_tiny_model(
        tmp_path_factory.mktemp("base") / "m", initializer_range=0.05, num_hidden_layers=1
    )
    return lambda: read_model(folder, torch.float32, "cpu")


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows")

    def write(name, answers):
        turns = [
            [("user", f"question {i}"), ("assistant", answers[i % len(answers)] * 3)]
            for i in range(16)
        ]
        lines = [
            json.dumps({"messages": [{"role": r, "content": c} for r, c in one]}) for one in turns
        ]
        path = folder / f"{name}.jsonl"
        path.write_text("\n".join(lines))
        return rows_of(path)

    return write("train", "AB"), write("validation", "CD")


def tuned(model, rows, folder, on_event=lambda event: None, **changes):
    settings = TuneSettings(**(SETTINGS | changes))
    return run(model(), folder, *rows, settings=settings, on_event=on_event)


@pytest.fixture(scope="module")
def undisturbed(model, rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    return tuned(model, rows, folder)


def weights(result):
    return load_file(result.adapter / "adapter_model.safetensors")


def test_it_ends_once_the_loss_has_not_fallen_and_keeps_the_best(undisturbed, model, rows):
    result = undisturbed
    measured = {m.step: m.validation_loss for m in result.metrics if m.validation_loss is not None}
    best = min(measured, key=measured.get)
    assert 0 < best == result.kept_step < result.steps < 40, measured
    assert [step for step in measured if step > best] == [best + 2, best + 4, best + 6]
    assert result.steps == best + 6
    (said,) = result.notes
    assert f"lowest at step {best} ({measured[best]:.3f})" in said
    assert said.startswith(f"ended after step {result.steps} of 40")
    assert said in result.told()


def test_the_weights_that_come_out_are_those_of_that_step(undisturbed, model, rows, tmp_path):
    """A run that makes only so many steps ends with the same values."""
    until = undisturbed.kept_step
    alone = tuned(model, rows, tmp_path / "run", max_steps=until, patience=None)
    assert alone.steps == until and alone.kept_step is None
    kept, last = weights(undisturbed), weights(alone)
    assert all(torch.equal(kept[name], last[name]) for name in last)


@pytest.mark.parametrize("at", ["before the best", "after the best", "at the end"])
def test_a_run_that_is_stopped_ends_with_the_same_bits(undisturbed, model, rows, at, tmp_path):
    best, last = undisturbed.kept_step, undisturbed.steps
    stop = {"before the best": best - 1, "after the best": best + 3, "at the end": last}[at]

    def interrupt(event):
        if isinstance(event, StepDone) and event.step == stop:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="goes on from step"):
        tuned(model, rows, tmp_path / "run", interrupt)
    result = tuned(model, rows, tmp_path / "run")
    assert (result.steps, result.kept_step) == (last, best)
    assert result.artefact_digest == undisturbed.artefact_digest
    again = tuned(model, rows, tmp_path / "run")
    assert again.kept_step == best


def test_patience_without_validation_rows_is_refused(model, rows, tmp_path):
    with pytest.raises(InputError, match="patience = 3 without validation rows"):
        tuned(model, (rows[0], ()), tmp_path / "run")
    with pytest.raises(InputError, match="validation_steps = 2 without"):
        tuned(model, (rows[0], ()), tmp_path / "run", patience=None)
    with pytest.raises(InputError, match="patience = 0"):
        TuneSettings(patience=0)


def test_runs_without_patience_keep_their_identity():
    assert "patience" not in TuneSettings().identity()
    assert TuneSettings(patience=2).identity()["patience"] == 2


def test_equal_losses_are_no_progress_and_the_first_is_kept():
    metrics = [Metric(step=s, validation_loss=1.0) for s in range(4)]
    assert best_of(metrics).step == 0
    assert exhausted(metrics, 3) and not exhausted(metrics, 4) and not exhausted(metrics, None)


def test_a_person_sees_the_loss_fall_with_its_speed_and_memory():
    class Shown:
        def __init__(self):
            self.lines, self.beside = [], []

        def say(self, line):
            self.lines.append(line)

        def bar(self, title):
            from contextlib import nullcontext

            return nullcontext(lambda done, total, speed=None, said="": self.beside.append(said))

    shown, passed_on = Shown(), []
    with tuning_bar(shown, "tune", passed_on.append) as on_event:
        for step in range(1, 9):
            on_event(
                StepDone(
                    step, 8, 4.0 / step, 900.0, 8.0 - step,
                    trained_tokens_per_second=120.0, memory_bytes=1_500_000_000,
                )
            )  # fmt: skip
        on_event(Validated(8, 0.75))
    assert "█" in shown.beside[-1] and shown.beside[-1].count("▁") >= 2
    assert "120 trained/s" in shown.beside[-1] and "1.5/" in shown.beside[-1]
    assert len(shown.beside[-1]) <= 50, "a bar beside it must fit 80 columns"
    assert shown.lines == ["validation after step 8: loss 0.750"]
    assert len(passed_on) == 9
    assert curve([1.0, 2.0]) == "▁█"
