"""Runs from before there were methods keep their identities, folders, checkpoints and results.

`run_before_methods` is the folder of such a run: LoRA of rank 1 on the tiny model of `tiny.py`, two
steps. What is pinned here was computed by the release of that day.
"""

import json
import shutil
from pathlib import Path

import pytest
import torch

from tuning_runs import rows_of, run, write_rows
from weighbridge.models.reading import read_model
from weighbridge.project.tuning import read_tuning_files, run_folder
from weighbridge.records import canonical_digest
from weighbridge.tuning import Planned, TuneSettings

OLD = Path(__file__).parent / "run_before_methods"
SETTINGS = TuneSettings(rank=1, alpha=2.0, target=("q_proj",), max_steps=2, batch_size=2)


@pytest.mark.parametrize(
    ("settings", "digest"),
    [
        (TuneSettings(), "sha256:ad77c2b452e7427d7977e515b091bd2ff086e89c1f0a068753a8323fdfaf7d68"),
        (SETTINGS, "sha256:bc2ae8c0d39c6a88c3ff6023623d0775c712bde9c6d9a706c20bc8170e83bf59"),
        (
            TuneSettings(
                rank=8, alpha=16.0, dropout=0.1, target="all-linear", learning_rate=1e-4,
                schedule="linear", warmup_share=0.1, weight_decay=0.01, clip_norm=0.5,
                betas=(0.9, 0.95), epochs=3, batch_size=4, accumulation=2, max_tokens=512,
                overflow="drop", seed=7, checkpoint_steps=99,
            ),
            "sha256:636ed7e259fdc8aff90895310e0001ec3bcdf8806b0cda824628709ac05760d1",
        ),
    ],
)  # fmt: skip
def test_the_identity_of_a_lora_run_is_what_it_was(settings, digest):
    assert canonical_digest(settings.identity()) == digest
    assert canonical_digest(TuneSettings(method="full").identity()) != digest


def test_the_same_files_and_settings_lead_to_the_same_folder(tmp_path):
    files = read_tuning_files(write_rows(tmp_path / "t.jsonl", 4), None)
    assert run_folder(Path("tuning"), "sha256:0", SETTINGS, files) == Path("tuning/0c6125d0b07d")


@pytest.fixture
def old(tmp_path):
    shutil.copytree(OLD, tmp_path / "run")
    return tmp_path / "run"


def planned(tiny_model, folder, tmp_path):
    events = []
    model = read_model(tiny_model, torch.float32, "cpu")
    rows = rows_of(write_rows(tmp_path / "t.jsonl", 4))
    result = run(model, folder, rows, settings=SETTINGS, on_event=events.append)
    return result, [event for event in events if isinstance(event, Planned)]


def test_a_finished_run_is_found_and_not_done_again(old, tiny_model, tmp_path):
    stored = json.loads((old / "result.json").read_text())
    result, plans = planned(tiny_model, old, tmp_path)
    assert not plans
    assert result.adapter == old / "adapter" and result.method == "lora"
    assert result.artefact_digest == stored["adapter_file_digest"]


def test_its_checkpoint_is_found_and_gives_the_same_adapter(old, tiny_model, tmp_path):
    stored = json.loads((old / "result.json").read_text())
    (old / "result.json").unlink()
    shutil.rmtree(old / "adapter")
    result, (plan,) = planned(tiny_model, old, tmp_path)
    assert plan.resumed_step == plan.total_steps == 2
    assert result.artefact_digest == stored["adapter_file_digest"]
