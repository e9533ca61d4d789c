"""The formula's activations are what automatic differentiation keeps, byte for byte.

Counted are the distinct tensors that a forward pass leaves for the backward pass, parameters left
out, in models of two and of three layers: the difference is one layer's.
"""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, LlamaConfig

from weighbridge.planning.anatomy import ALL_LINEAR, read_architecture
from weighbridge.planning.tuning_memory import PEFT, WEIGHBRIDGE, TuningSetup
from weighbridge.planning.tuning_memory.activations import adapter_bytes, layer_bytes
from weighbridge.planning.tuning_memory.shapes import shape_of
from weighbridge.tuning.fused import fused_lora

CONFIG = {
    "model_type": "llama", "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 2,
    "num_attention_heads": 8, "num_key_value_heads": 2, "vocab_size": 64,
    "max_position_embeddings": 256, "tie_word_embeddings": False,
}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
RANK, ROWS, LENGTHS = 4, 2, (16, 32, 64)
TYPES = {2: torch.bfloat16, 4: torch.float32}
TARGETS = {
    "attention": ("q_proj", "v_proj"),
    "block": ("gate_proj", "up_proj", "down_proj"),
    ALL_LINEAR: ALL_LINEAR,
}


def kept_bytes(
    method, targets, element, layers, length, *, masked=False, fused=False, dropout=0.0,
    checkpointing=False,
):  # fmt: skip
    torch.manual_seed(0)
    config = LlamaConfig(**{**CONFIG, "num_hidden_layers": layers})
    model = AutoModelForCausalLM.from_config(
        config, dtype=TYPES[element], attn_implementation="sdpa"
    )
    base = model.model
    if method != "full":
        names = list(targets) if isinstance(targets, tuple) else targets
        model = get_peft_model(
            model,
            LoraConfig(r=RANK, target_modules=names, task_type="CAUSAL_LM", lora_dropout=dropout),
        )
    if checkpointing:
        model.activation_checkpointing_enable()
        base.enable_input_require_grads()
    model.train()
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    found = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            found[storage.data_ptr()] = (storage.nbytes(), tensor)
        return tensor

    given = {"input_ids": torch.randint(0, 64, (ROWS, length))}
    if masked:
        given["attention_mask"] = torch.ones_like(given["input_ids"])
        given["attention_mask"][0, -3:] = 0
    around = fused_lora(model) if fused else contextlib.nullcontext()
    with around, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = base(**given)
    assert held is not None
    return sum(size for size, _ in found.values())


def one_layer(method, targets, element, **how):
    """Return bytes for a token, and for a pair of positions, that one more layer keeps."""
    more = [
        (kept_bytes(method, targets, element, 3, n, **how)
         - kept_bytes(method, targets, element, 2, n, **how)) / ROWS
        for n in LENGTHS
    ]  # fmt: skip
    pair, token, rest = np.polyfit(LENGTHS, more, 2)
    assert abs(rest) < 1e-6
    return token, pair


def formula(method, targets, element, stack, dropout=False):
    shape = shape_of(read_architecture(CONFIG, "tiny").layers[0], CONFIG["hidden_size"])
    setup = TuningSetup(
        method=method, rank=RANK, targets=targets, element_bytes=element, dropout=dropout
    )
    adapter = adapter_bytes(shape, setup, stack) if method != "full" else 0
    return layer_bytes(shape, setup, stack) + adapter


@pytest.mark.parametrize("element", TYPES)
@pytest.mark.parametrize("targets", TARGETS)
def test_lora_of_peft(element, targets):
    """Rows of one length: no mask, and keys that no mask repeats."""
    found = one_layer("lora", TARGETS[targets], element)
    stack = replace(PEFT, expands_keys=False)
    assert found[0] == pytest.approx(formula("lora", TARGETS[targets], element, stack), abs=1e-6)
    assert found[1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_rows_of_unequal_length(method):
    """A mask repeats the keys, and is itself kept by every layer: a number a pair of positions."""
    token, pair = one_layer(method, ALL_LINEAR, 2, masked=True)
    assert token == pytest.approx(formula(method, ALL_LINEAR, 2, PEFT), abs=1e-6)
    assert PEFT.keeps_masks and pair == pytest.approx(2, abs=1e-6)


@pytest.mark.parametrize("element", TYPES)
def test_full_tuning(element):
    token, _ = one_layer("full", ALL_LINEAR, element)
    stack = replace(PEFT, expands_keys=False)
    assert token == pytest.approx(formula("full", ALL_LINEAR, element, stack), abs=1e-6)


@pytest.mark.parametrize("element", TYPES)
@pytest.mark.parametrize("targets", TARGETS)
def test_our_own_lora(targets, element):
    """An adapter in float32 on a base in bf16 makes no copies of its inputs either."""
    token, _ = one_layer("lora", TARGETS[targets], element, fused=True)
    found = formula("lora", TARGETS[targets], element, WEIGHBRIDGE)
    assert token == pytest.approx(found, abs=1e-6)


@pytest.mark.parametrize("targets", TARGETS)
def test_our_own_lora_with_dropout(targets):
    """A copy after dropout for each adapted layer, and no tensor that they share.

    On a processor the mask has the numbers' type; on a GPU, which is forecast, a byte.
    """
    token, _ = one_layer("lora", TARGETS[targets], 4, fused=True, dropout=0.1)
    found = formula("lora", TARGETS[targets], 4, WEIGHBRIDGE, dropout=True)
    inputs = {"attention": 2 * 64, "block": 2 * 64 + 160, ALL_LINEAR: 6 * 64 + 160}[targets]
    assert token == pytest.approx(found + 3 * inputs, abs=1e-6)


@pytest.mark.parametrize("element", TYPES)
def test_checkpointing_keeps_a_layer_s_input_and_nothing_else(element):
    token, pair = one_layer("lora", ALL_LINEAR, element, checkpointing=True)
    assert token == pytest.approx(element * CONFIG["hidden_size"], abs=1e-6)
    assert pair == pytest.approx(0, abs=1e-6)
