"""The engine's budget is what it keeps, and the planner's figure what transformers' cache keeps."""

import pytest
import torch

from architectures import VOCABULARY, build
from weighbridge.models.engine.layout import layout_of, packed
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.tree import build_tree, cut_into_packs
from weighbridge.planning.anatomy import kv_cache_bytes, kv_cache_bytes_per_token, read_architecture
from weighbridge.records import KeyValueHeads

FLOAT32 = 4
TOKENS = 6  # fewer than any window of the tiny models, so that every layer still keeps them all
TEXT = torch.arange(3, 3 + TOKENS) % VOCABULARY


def planned(module):
    return read_architecture(module.config.to_dict(), "config.json")


def kept_by_transformers(module):
    with torch.inference_mode():
        read = module(TEXT[None], use_cache=True)
    return sum(layer.keys.nbytes + layer.values.nbytes for layer in read.past_key_values.layers)


def kept_by_the_engine(network):
    network.check()
    tree = build_tree([TEXT.numpy()])
    (pack,) = cut_into_packs(tree, TOKENS, keep_all=True)
    store = {}
    with packed(layout_of(pack, store)):
        network.hidden(pack.tokens[None], pack.positions[None])
    return sum(part.nbytes for layers in store.values() for pair in layers for part in pair)


@pytest.mark.parametrize(
    "name", ["llama", "qwen3", "gemma2-softcap", "gemma3-window", "mistral-window", "phi3"]
)
def test_engine_planner_and_transformers_agree_while_no_window_is_full(name):
    module = build(name)
    held = kept_by_transformers(module)
    network = Network(module)
    a_token = network.key_value_bytes
    assert a_token * TOKENS == held == kept_by_the_engine(network)
    assert a_token == kv_cache_bytes_per_token(planned(module), FLOAT32)
    assert a_token * TOKENS == kv_cache_bytes(planned(module), TOKENS, FLOAT32)


def test_beyond_a_window_the_planner_counts_what_a_rolling_cache_keeps():
    module = build("gemma3-window")  # a window of 9 in one of its two layers
    a_layer = Network(module).key_value_bytes // 2
    assert kv_cache_bytes(planned(module), 20, FLOAT32) == a_layer * (9 + 20)


@pytest.mark.parametrize("name", ["deepseek-v2", "deepseek-v3"])
def test_latent_attention_is_planned_as_its_latent_and_budgeted_as_it_is_expanded(name):
    module = build(name)
    assert kv_cache_bytes(planned(module), TOKENS, FLOAT32) == kept_by_transformers(module)
    network = Network(module)
    assert network.key_value_bytes * TOKENS == kept_by_the_engine(network)
    expanded = [
        KeyValueHeads(layer.attention.heads, layer.attention.key_width, layer.attention.value_width)
        for layer in planned(module).layers
    ]
    assert network.key_value_bytes == FLOAT32 * sum(layer.numbers for layer in expanded)
