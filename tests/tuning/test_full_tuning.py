"""Full fine-tuning: what it trains, what it holds, what it writes and what it gives back."""

import json

import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForCausalLM

from architectures import build
from tiny import build_tokenizer
from tuning_runs import rows_of, run, write_rows
from weighbridge.errors import InputError
from weighbridge.models.reading import read_model
from weighbridge.tuning import TuneSettings
from weighbridge.tuning.fused import CHUNK_ROWS, cross_entropy_sum
from weighbridge.tuning.whole_model import in_training

SETTINGS = TuneSettings(method="full", learning_rate=1e-3, epochs=3, batch_size=4)
PROBE = torch.arange(5, 60)[None]


@pytest.fixture
def rows(tmp_path):
    return rows_of(write_rows(tmp_path / "t.jsonl", 8))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["gpt2", "phi3", "gemma3-window", "gpt-oss", "mamba", "gemma2-softcap", "deepseek-v2"],
)
def test_other_architectures_learn_and_load_again_with_equal_logits(name, rows, tmp_path):
    module = build(name, vocab_size=len(build_tokenizer()))
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    result = run((module, build_tokenizer()), tmp_path / "run", rows, settings=SETTINGS)
    assert result.loss_last < result.loss_first
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())
    again = AutoModelForCausalLM.from_pretrained(result.artefact)
    assert next(again.parameters()).dtype == torch.float32
    assert not all(torch.equal(t, before[key]) for key, t in again.state_dict().items())


def test_every_parameter_changes(rows, tiny_model, tmp_path):
    model = read_model(tiny_model, torch.float32, "cpu")
    result = run(model, tmp_path / "run", rows, settings=SETTINGS)
    again = AutoModelForCausalLM.from_pretrained(result.artefact)
    base = dict(model[0].named_parameters())
    assert all(not torch.equal(p, base[name]) for name, p in again.named_parameters())
    assert result.trainable_parameters == sum(p.numel() for p in base.values())


def test_a_narrow_base_is_trained_in_float32_and_given_back_narrow(rows, tiny_model, tmp_path):
    module, tokenizer = read_model(tiny_model, torch.bfloat16, "cpu")
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    result = run((module, tokenizer), tmp_path / "run", rows, settings=SETTINGS)
    after = module.state_dict()
    assert all(t.dtype == after[k].dtype and torch.equal(t, after[k]) for k, t in before.items())
    assert json.loads((result.artefact / "config.json").read_text())["dtype"] == "float32"
    assert AutoModelForCausalLM.from_pretrained(result.artefact).dtype == torch.float32


def test_a_base_that_no_gradient_can_change_is_refused(tiny_model, tmp_path):
    module, _ = read_model(tiny_model, torch.float32, "cpu")
    packed = torch.ones(4, 4, dtype=torch.int8)
    module.model.packed = torch.nn.Parameter(packed, requires_grad=False)
    with (
        pytest.raises(InputError, match=r"model.packed of .* is stored as int8; .*--method lora"),
        in_training(module, tmp_path),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_what_fails_in_between_gives_the_base_back(tiny_model, tmp_path):
    module, _ = read_model(tiny_model, torch.float32, "cpu")
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    with pytest.raises(KeyError), in_training(module, tmp_path) as model, torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        raise KeyError
    assert all(torch.equal(tensor, before[key]) for key, tensor in module.state_dict().items())
    assert not list(tmp_path.iterdir())


def test_the_heads_gradient_is_that_of_a_plain_cross_entropy():
    torch.manual_seed(0)
    rows = CHUNK_ROWS + 7
    head = torch.nn.Linear(16, 40, bias=False)
    hidden = torch.randn(rows, 16, requires_grad=True)
    targets = torch.randint(0, 40, (rows,))
    found = {}
    for how in ("ours", "plain"):
        head.weight.grad = hidden.grad = None
        if how == "ours":
            loss = cross_entropy_sum(hidden, head, targets)
        else:
            loss = functional.cross_entropy(head(hidden), targets, reduction="sum")
        (loss / 3).backward()
        found[how] = loss.item(), head.weight.grad, hidden.grad
    assert found["ours"][0] == pytest.approx(found["plain"][0], rel=1e-6)
    for ours, theirs in zip(found["ours"][1:], found["plain"][1:], strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)
