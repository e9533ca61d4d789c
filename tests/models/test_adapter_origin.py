"""An adapter on another base than its own: refused where it cannot fit, else named."""

import json
import shutil

import pytest
from safetensors.torch import load_file, save_file

from tiny import build_tiny_model
from tuning_runs import rows_of, write_rows
from weighbridge.errors import InputError
from weighbridge.models.open_weights import load
from weighbridge.project.tuning import base_digest_of
from weighbridge.sources.weights import find_weights
from weighbridge.tuning import TuneSettings
from weighbridge.tuning.loop import tune


@pytest.fixture(scope="module")
def tuned(tiny_model, tmp_path_factory):
    """The adapter of a run of one step on the tiny model."""
    place = tmp_path_factory.mktemp("origin")
    model = load(find_weights(str(tiny_model)), cache=place, device="cpu")
    with model.network.as_built() as module:
        result = tune(
            module, model.tokenizer, rows_of(write_rows(place / "t.jsonl", 4)), (),
            TuneSettings(rank=2, max_steps=1), place / "run", lambda event: None,
            base="tiny", base_digest=base_digest_of(model.ref),
        )  # fmt: skip
    return result.artefact


def notes(base, adapter, cache):
    found = load(find_weights(str(base), adapter=adapter), cache=cache, device="cpu").notes
    return [note for note in found if "another base" in note]


def test_an_adapter_on_a_base_of_the_same_shape_and_other_weights_is_named(
    tuned, tiny_model, tmp_path
):
    assert notes(tiny_model, tuned, tmp_path) == []
    other = shutil.copytree(tiny_model, tmp_path / "other")
    tensors = load_file(other / "model.safetensors")
    tensors = {name: 1.01 * tensor for name, tensor in tensors.items()}
    save_file(tensors, other / "model.safetensors", metadata={"format": "pt"})
    (said,) = notes(other, tuned, tmp_path)
    assert said.endswith("names 'tiny', of other weights or settings than this one.")
    alone = shutil.copytree(tuned, tmp_path / "alone")  # without its run nothing is known
    assert notes(other, alone, tmp_path) == []


@pytest.mark.slow
def test_a_run_that_doesn_t_say_its_type_tells_nothing(tuned, tmp_path):
    """Runs from before it was written down, or a base that is read in another type now."""
    run = shutil.copytree(tuned.parent, tmp_path / "run")
    other = build_tiny_model(tmp_path / "other", initializer_range=0.3)
    assert len(notes(other, run / "adapter", tmp_path)) == 1
    record = json.loads((run / "run.json").read_text())
    assert record["dtype"] == "float32"
    for dtype in (None, "bfloat16"):
        (run / "run.json").write_text(json.dumps({**record, "dtype": dtype}))
        assert notes(other, run / "adapter", tmp_path) == []


def test_an_adapter_that_doesn_t_fit_is_refused_in_one_line(tuned, tmp_path):
    wider = build_tiny_model(tmp_path / "wider", hidden_size=32)
    with pytest.raises(InputError, match=r"doesn't fit this model: .*base that it was") as refused:
        load(find_weights(str(wider), adapter=tuned), cache=tmp_path, device="cpu")
    assert "\n" not in str(refused.value)
