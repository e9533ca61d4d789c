"""The pedagogic twin of the tuning loop: the same losses at every step, an adapter that loads."""

import importlib.util

import pytest
import torch

from tiny import build_tiny_model
from tuning_runs import rows_of, run, write_rows
from weighbridge.models.open_weights import load
from weighbridge.models.reading import read_model
from weighbridge.sources.weights import find_weights
from weighbridge.tuning import TuneSettings

SETTINGS = {"rank": 4, "alpha": 8.0, "epochs": 2, "batch_size": 4, "seed": 3}


@pytest.fixture(scope="module")
def twin(repository):
    path = repository / "examples/lora_in_150_lines.py"
    assert len(path.read_text().splitlines()) <= 150
    spec = importlib.util.spec_from_file_location("twin", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_twin_computes_the_losses_that_tune_computes(twin, tmp_path, cache):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = build_tiny_model(tmp_path / "base", initializer_range=0.1)
    data = write_rows(tmp_path / "train.jsonl", 18)  # the last step of an epoch is a smaller one
    tuned = run(
        read_model(folder, torch.float32, "cpu"), tmp_path / "run", rows_of(data),
        settings=TuneSettings(learning_rate=2e-2, **SETTINGS),
    )  # fmt: skip
    expected = [metric.loss for metric in tuned.metrics if metric.loss is not None]

    base = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    rows = twin.masked_rows(data, AutoTokenizer.from_pretrained(folder))
    said = []
    layers = twin.train(base, rows, peak=2e-2, on_step=said.append, **SETTINGS)
    found = [float(line.rpartition(" ")[2]) for line in said]
    assert len(found) == len(expected) == 10
    assert found == pytest.approx(expected, abs=2e-4)
    assert expected[0] - expected[-1] > 0.2, "something was learnt"

    twin.save(layers, str(folder), tmp_path / "adapter", SETTINGS["rank"], SETTINGS["alpha"])
    location = find_weights(f"{folder}+{tmp_path / 'adapter'}")
    loaded = load(location, cache=cache, threads=1)
    ours = load(find_weights(f"{folder}+{tuned.adapter}"), cache=cache, threads=1)
    for (name, one), (_, other) in zip(
        loaded.module.named_parameters(), ours.module.named_parameters(), strict=True
    ):
        assert torch.allclose(one, other, atol=2e-3), name
