"""Rows in one forward pass don't see each other: packed, they give what they give padded."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from architectures import VOCABULARY, build
from tuning_runs import rows_of, run, write_rows
from weighbridge.errors import InputError, Interrupted
from weighbridge.models.reading import read_model
from weighbridge.tuning import Planned, StepDone, TuneSettings, batches, isolation
from weighbridge.tuning.adapters import adapter_parameters, attached_adapter
from weighbridge.tuning.arrangement import choose, count_tokens, examples, wanted
from weighbridge.tuning.batches import collate
from weighbridge.tuning.fused import fused_lora
from weighbridge.tuning.isolation import first_alike
from weighbridge.tuning.loss import loss_sum
from weighbridge.tuning.masks import MaskedRow
from weighbridge.tuning.registry import find_objective

KEEP_APART = ("llama", "qwen2", "gemma3-window", "gpt-oss", "mixtral", "gpt2")
BY_A_MASK = ("llama", "gemma3-window", "gpt2", "mixtral")  # as on a device without our kernels
SLOW_MIX = ("granite-mamba", "rwkv", "bloom-alibi")
MIX = ("mamba", "lfm2-convolution", *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW_MIX))
LONG = 40  # longer than the windows of attention of the tiny models


def random_rows(lengths=(LONG, 5, 33, 12), shared=0, trained=4):
    rng = np.random.default_rng(0)
    same = tuple(map(int, rng.integers(3, VOCABULARY, shared)))
    rows = []
    for n, length in enumerate(lengths):
        ids = same + tuple(map(int, rng.integers(3, VOCABULARY, length - shared)))
        rows.append(MaskedRow(str(n), ids, (False,) * (length - trained) + (True,) * trained))
    return rows


def loss_and_gradients(adapted, rows, arrangement):
    adapted.zero_grad()
    loss = loss_sum(adapted, collate(rows, arrangement=arrangement))
    loss.backward()
    return loss.item(), {n: p.grad.clone() for n, p in adapter_parameters(adapted).items()}


@pytest.mark.parametrize(
    ("name", "own"), [(name, True) for name in KEEP_APART] + [(name, False) for name in BY_A_MASK]
)
def test_loss_and_gradients_are_those_of_padded_rows(name, own, monkeypatch):
    """Windows of attention and mixtures of experts included, for an adapter that has learnt."""
    if not own:
        monkeypatch.setattr(batches, "TRAINABLE_ON", ())
        monkeypatch.setattr(isolation, "TRAINABLE_ON", ())
    rows = random_rows()
    assert (collate(rows, arrangement="packed").layout is None) != own
    with attached_adapter(build(name), TuneSettings(rank=4), "base") as adapted:
        adapted.eval()
        torch.manual_seed(0)
        for parameter in adapter_parameters(adapted).values():
            torch.nn.init.normal_(parameter, std=0.05)
        assert first_alike(adapted, examples(rows), ("packed",), dropout=0.1) == "packed"
        with fused_lora(adapted):
            loss, gradients = loss_and_gradients(adapted, rows, "packed")
            plain, expected = loss_and_gradients(adapted, rows, "padded")
    assert loss == pytest.approx(plain, rel=1e-5)
    length = sum(float(gradient.norm()) ** 2 for gradient in expected.values()) ** 0.5
    for parameter, gradient in expected.items():
        assert float((gradients[parameter] - gradient).norm()) <= 1e-5 * length, parameter


@pytest.mark.parametrize("own", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", MIX)
def test_a_model_that_carries_something_from_row_to_row_pads_by_itself(name, own, monkeypatch):
    if not own:
        monkeypatch.setattr(batches, "TRAINABLE_ON", ())
        monkeypatch.setattr(isolation, "TRAINABLE_ON", ())
    rows = random_rows()
    counts = count_tokens([rows])
    with attached_adapter(build(name), TuneSettings(rank=4), "base") as adapted:
        adapted.eval()
        assert choose(find_objective("sft"), adapted, rows, counts, TuneSettings()) == "padded"
        with pytest.raises(InputError, match=r"packing = on, and \w+ doesn't keep rows apart"):
            choose(find_objective("sft"), adapted, rows, counts, TuneSettings(packing="on"))


def test_a_leak_that_no_learnt_token_shows_is_found(monkeypatch):
    """The learnt tokens stand far behind the end that leaks, where little is left of it."""
    monkeypatch.setattr(isolation, "_near", lambda ours, theirs: True)
    monkeypatch.setattr(isolation, "TRAINABLE_ON", ())
    monkeypatch.setattr(batches, "TRAINABLE_ON", ())
    with attached_adapter(build("mamba"), TuneSettings(rank=4), "base") as adapted:
        adapted.eval()
        assert first_alike(adapted, random_rows(), ("packed", "padded"), 0.0) == "padded"


def test_the_tokens_to_compute_decide():
    apart, alike = random_rows(), random_rows((40, 38, 36, 39), shared=34)
    assert count_tokens([apart]) == {"padded": 160, "packed": 90, "tree": 90}
    assert count_tokens([alike]) == {"padded": 160, "packed": 153, "tree": 51}
    assert wanted(count_tokens([alike]), "auto")[0] == "tree"
    assert wanted(count_tokens([apart]), "auto")[0] == "packed"
    assert wanted(count_tokens([alike[:1]]), "auto")[0] == "padded"
    assert wanted({"padded": 100, "packed": 98, "tree": 97}, "auto")[0] == "padded"
    assert "padded" not in wanted(count_tokens([apart]), "on")
    assert wanted(count_tokens([alike]), "off") == ("padded",)


@pytest.fixture
def train(tmp_path):
    return rows_of(write_rows(tmp_path / "train.jsonl", 8))


CHOSEN = TuneSettings(
    rank=4, dropout=0.1, learning_rate=5e-3, epochs=2, batch_size=4, checkpoint_steps=2,
    packing="on",
)  # fmt: skip


def losses(result):
    return [metric.loss for metric in result.metrics[1:]]


def test_a_run_says_what_it_saved_and_learns_the_same(train, tiny_model, tmp_path):
    plain = replace(CHOSEN, dropout=0.0)
    results = {}
    for packing in ("auto", "on", "off"):
        model = read_model(tiny_model, torch.float32, "cpu")
        results[packing] = run(
            model, tmp_path / packing, train, settings=replace(plain, packing=packing)
        )
    auto, padded = results["auto"], results["off"]
    assert losses(auto) == pytest.approx(losses(padded), rel=1e-4)
    assert auto.trained_tokens == padded.trained_tokens and auto.tokens == padded.tokens
    assert auto.arrangement == "tree" and padded.arrangement == "padded"
    assert auto.computed_tokens < padded.computed_tokens == padded.padded_tokens
    assert len({result.identity for result in results.values()}) == 3
    (said,) = (line for line in auto.told() if "positions are computed" in line)
    assert said.startswith("rows share their common beginnings") and "fewer" in said
    assert not any("positions are computed" in line for line in padded.told())


def test_packed_and_cut_short_it_ends_with_the_same_bits(train, tiny_model, tmp_path):
    """With dropout no beginning is shared, and rows are packed."""
    whole = run(read_model(tiny_model, torch.float32, "cpu"), tmp_path / "a", train, (), CHOSEN)
    assert whole.arrangement == "packed"

    def stop(event):
        if isinstance(event, StepDone) and event.step == 3:
            raise KeyboardInterrupt

    model = read_model(tiny_model, torch.float32, "cpu")
    with pytest.raises(Interrupted):
        run(model, tmp_path / "b", train, (), CHOSEN, stop)
    planned = []
    again = run(model, tmp_path / "b", train, (), CHOSEN, planned.append)
    assert planned[0].resumed_step == 2 and planned[0].arrangement == "packed"
    assert again.artefact_digest == whole.artefact_digest
    assert again.computed_tokens == whole.computed_tokens < whole.padded_tokens


@pytest.mark.slow
def test_a_checkpoint_from_before_packing_goes_on_padded(train, tiny_model, tmp_path):
    def stop(event):
        if isinstance(event, StepDone) and event.step == 3:
            raise KeyboardInterrupt

    model = read_model(tiny_model, torch.float32, "cpu")
    with pytest.raises(Interrupted):
        run(model, tmp_path / "old", train, (), CHOSEN, stop)
    for state in (tmp_path / "old" / "checkpoints").glob("*/state.json"):
        stored = json.loads(state.read_text())
        del stored["state"]["arrangement"]
        state.write_text(json.dumps(stored))
    planned = []
    done = run(model, tmp_path / "old", train, (), CHOSEN, planned.append)
    assert isinstance(planned[0], Planned) and planned[0].arrangement == "padded"
    assert done.arrangement == "padded" and done.computed_tokens == done.padded_tokens
