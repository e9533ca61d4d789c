"""A tuning run is looked at, and refused where it can't fit, before any weights are loaded."""

import json
from pathlib import Path

import pytest

from commands import weighbridge
from weighbridge.errors import InputError
from weighbridge.models import open_weights
from weighbridge.project import run_memory
from weighbridge.project.tuning import read_tuning_files, with_mixture
from weighbridge.project.tuning_forecast import forecast_run, require_room
from weighbridge.tuning.mixing import Mixing
from weighbridge.tuning.settings import TuneSettings


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        "".join(
            json.dumps(
                {"messages": [{"role": "user", "content": f"say {'A ' * number}"},
                              {"role": "assistant", "content": "A"}]}
            )
            + "\n"
            for number in range(1, 13)
        )
    )  # fmt: skip
    return path


@pytest.fixture
def without_loading(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("weights were loaded")

    monkeypatch.setattr(open_weights, "read_with_notes", refuse)


def test_a_dry_run_says_what_the_run_then_does(tiny_model, rows, tmp_path):
    words = ("tune", tiny_model, "--train", rows, "--validation", rows, "--rank", 4,
             "--batch-size", 4, "--mix", f"{rows}=0.25", "--offline")  # fmt: skip
    planned = json.loads(weighbridge(*words, "--dry-run", "--json", cwd=tmp_path).stdout)
    done = json.loads(weighbridge(*words, "--json", cwd=tmp_path).stdout)
    same = ("steps", "tokens", "trained_tokens", "trainable_parameters", "data", "mixed",
            "validation_data", "arrangement", "method", "objective")  # fmt: skip
    assert {key: planned[key] for key in same} == {key: done[key] for key in same}
    memory = planned["memory"]
    assert planned["refusal"] is None and memory["fits"] == "yes" and memory["device"] == "cpu"
    assert sum(memory["breakdown_bytes"].values()) == memory["predicted_memory_bytes"]
    assert memory["free_bytes"] > memory["predicted_memory_bytes"] > 100e6


def files_of(rows: Path):
    return with_mixture(read_tuning_files(rows, None, mixing=Mixing(0.0, "", ())), 0)


@pytest.mark.usefixtures("without_loading")
def test_what_cannot_fit_is_refused_before_loading_with_the_nearest_that_does(
    tiny_model, rows, monkeypatch
):
    asked = TuneSettings(rank=256, batch_size=12)
    told = forecast_run(str(tiny_model), asked, files_of(rows), "cpu", offline=True)
    assert told.memory is not None and told.memory.fits == "yes"
    need = told.memory.memory
    held = need.context_bytes
    leave = (need.peak_bytes - held) // 4
    monkeypatch.setattr(run_memory, "available_memory_bytes", lambda: leave)
    monkeypatch.setattr(run_memory, "FORMULA_ERROR", 0.0)
    with pytest.raises(InputError) as refused:
        require_room(str(tiny_model), asked, files_of(rows), "cpu", offline=True)
    said = str(refused.value)
    assert "free on cpu" in said and "--rank" in said and "is enough for the run as it is" in said
    near = forecast_run(str(tiny_model), asked, files_of(rows), "cpu", offline=True).memory
    assert near is not None and near.fits == "no" and near.nearest is not None
    assert near.nearest_bytes <= near.free_bytes < near.memory.peak_bytes
    assert near.nearest.rank < 256 and near.nearest.method == "lora"


@pytest.mark.usefixtures("without_loading")
def test_a_run_that_is_too_near_to_tell_is_warned_of_and_not_refused(tiny_model, rows, monkeypatch):
    asked = TuneSettings(rank=4, batch_size=2)
    told = forecast_run(str(tiny_model), asked, files_of(rows), "cpu", offline=True)
    need = told.memory.memory
    short = round(0.95 * need.peak_bytes) - need.context_bytes
    monkeypatch.setattr(run_memory, "available_memory_bytes", lambda: short)
    (said,) = require_room(str(tiny_model), asked, files_of(rows), "cpu", offline=True)
    assert said.startswith("memory will be short")
