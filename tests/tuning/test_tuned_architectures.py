"""The whole of `tune` on architectures whose fields, attention or heads are not Llama's."""

import json

import pytest
import torch
from safetensors.torch import load_file

from architectures import build
from every_architecture import build_tiny
from tiny import build_tokenizer
from weighbridge.errors import InputError
from weighbridge.tuning.data import read_conversations
from weighbridge.tuning.loop import tune
from weighbridge.tuning.loss import require_causal
from weighbridge.tuning.settings import TuneSettings


@pytest.fixture
def rows(tmp_path):
    answers = ("the answer is A", "B", "the answer is C", "D")
    with (tmp_path / "t.jsonl").open("w") as file:
        for number, answer in enumerate(answers):
            turns = [("user", f"question {number} and choices"), ("assistant", answer)]
            row = {"messages": [{"role": r, "content": c} for r, c in turns]}
            file.write(json.dumps(row) + "\n")
    return read_conversations(tmp_path / "t.jsonl").conversations


@pytest.mark.parametrize(
    "name",
    ["gpt2", "mistral-window", "phi3", "gemma3-window", "olmo3-window", "deepseek-v2", "gpt-oss",
     "gemma2-softcap", "granite", "hyperclovax", "gemma4-caps", "mamba", "mamba2", "rwkv",
     "bloom-alibi", "llama4-chunks", "falcon-h1"],
)  # fmt: skip
def test_three_steps_lower_the_loss_and_the_base_is_given_back(name, rows, tmp_path):
    tokenizer = build_tokenizer()
    module = build(name, vocab_size=len(tokenizer))
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    settings = TuneSettings(rank=4, learning_rate=3e-3, epochs=3, batch_size=4)
    result = tune(
        module, tokenizer, rows, [], settings, tmp_path / "run", lambda event: None,
        base="tiny", base_digest=f"sha256:{name}",
    )  # fmt: skip
    assert result.loss_last < result.loss_first
    trained = load_file(result.adapter / "adapter_model.safetensors")
    assert any(float(tensor.abs().max()) > 0 for key, tensor in trained.items() if "lora_B" in key)
    after = module.state_dict()
    assert before.keys() == after.keys()
    if name != "rwkv":  # rescales its own weights when it is read
        assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())


@pytest.mark.parametrize("name", ["bert", "roberta", "electra"])
def test_what_sees_later_tokens_is_not_tuned(name):
    module = build_tiny(name)
    module.config.is_decoder = False
    for part in module.modules():
        if hasattr(part, "is_decoder"):
            part.is_decoder = False
        if hasattr(part, "is_causal"):
            part.is_causal = False
    with pytest.raises(InputError, match="lets a token see the tokens after it"):
        require_causal(module, torch.arange(3, 23)[None])
