"""The engine's budget, the planner and transformers' own cache agree on a token's size."""

import pytest
import torch

from architectures import VOCABULARY, build
from weighbridge.models.engine.network import Network
from weighbridge.planning.anatomy import kv_cache_bytes, kv_cache_bytes_per_token, read_architecture
from weighbridge.records import KeyValueHeads

FLOAT32 = 4
TOKENS = 6  # fewer than any window of the tiny models, so that every layer still keeps them all


def planned(module):
    return read_architecture(module.config.to_dict(), "config.json")


def held_by_transformers(module):
    with torch.inference_mode():
        read = module(torch.arange(3, 3 + TOKENS)[None] % VOCABULARY, use_cache=True)
    layers = read.past_key_values.layers
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in layers)


@pytest.mark.parametrize(
    "name", ["llama", "qwen3", "gemma2-softcap", "gemma3-window", "mistral-window", "phi3"]
)
def test_engine_planner_and_transformers_count_the_same_while_no_window_is_full(name):
    module = build(name)
    a_token = Network(module).key_value_bytes
    assert a_token * TOKENS == held_by_transformers(module)
    assert a_token == kv_cache_bytes_per_token(planned(module), FLOAT32)
    assert a_token * TOKENS == kv_cache_bytes(planned(module), TOKENS, FLOAT32)


def test_beyond_a_window_the_planner_counts_what_a_rolling_cache_keeps():
    module = build("gemma3-window")  # a window of 9 in one of its two layers
    a_layer = Network(module).key_value_bytes // 2
    assert kv_cache_bytes(planned(module), 20, FLOAT32) == a_layer * (9 + 20)


@pytest.mark.parametrize("name", ["deepseek-v2", "deepseek-v3"])
def test_latent_attention_is_budgeted_expanded_and_planned_as_its_latent(name):
    module = build(name)
    a_token = Network(module).key_value_bytes
    assert a_token * TOKENS == held_by_transformers(module)
    layers = planned(module).layers
    heads = [
        KeyValueHeads(layer.attention.heads, layer.attention.key_width, layer.attention.value_width)
        for layer in layers
    ]
    assert a_token == FLOAT32 * sum(layer.numbers for layer in heads)
    latent = module.config.kv_lora_rank + module.config.qk_rope_head_dim
    assert kv_cache_bytes_per_token(planned(module), FLOAT32) == FLOAT32 * latent * len(layers)
