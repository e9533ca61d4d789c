"""FLOPs, cache and LoRA against torch's counter, transformers' cache and peft."""

import contextlib
import io
import warnings

import peft
import pytest
import torch
import transformers
from test_anatomy_exact import recurrent_mixers
from torch.utils.flop_counter import FlopCounterMode

from anatomy_shapes import RECURRENT, TEXT, configurations, library_config
from weighbridge.errors import UnknownName
from weighbridge.planning.anatomy import (
    attention_flops,
    forward_flops,
    kv_cache_bytes,
    kv_cache_bytes_per_token,
    linear_flops,
    lora_parameters,
    lora_targets,
    read_architecture,
    recurrent_flops,
    state_bytes,
)

QUICK = ("llama", "gpt2", "gemma3_text", "qwen3_moe", "deepseek_v2", "mamba2", "gpt_oss")
WITHOUT_WINDOWS = {"sliding_window": 1000, "attention_chunk_size": 1000}


def each(families):
    """All families, those that few others are like at once and the rest with the slow tests."""
    return [pytest.param(f, marks=() if f in QUICK else pytest.mark.slow) for f in families]


def built(config, device="cpu", **settings):
    """The model, computing attention and experts in plain products that torch's counter sees."""
    made = library_config(config)
    torch.manual_seed(1)
    with torch.device(device), contextlib.redirect_stderr(io.StringIO()):
        return transformers.AutoModelForCausalLM.from_config(
            made, attn_implementation="eager", experts_implementation="eager", **settings
        ).eval()


def widened(config):
    """The same shape with windows that never end: eager attention computes what they mask."""
    return {**config, **{k: v for k, v in WITHOUT_WINDOWS.items() if config.get(k)}}


def counted(model, *inputs, **keywords):
    """FLOPs by torch's counter; without rotary tables, which are not part of a layer's work."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(*inputs, **keywords)
    counts = counter.get_flop_counts()
    rotary = [sum(c.values()) for name, c in counts.items() if name.endswith("rotary_emb")]
    return counter.get_total_flops() - sum(rotary)


@pytest.mark.parametrize("family", each(sorted(set(TEXT) - set(RECURRENT))))
@pytest.mark.parametrize("tokens", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_a_prompt_s_flops_are_those_that_torch_counts(family, tokens):
    """Eager attention computes the whole square, so each token costs what the last one does."""
    for config in map(widened, configurations(family)):
        prompt = torch.arange(3, 3 + tokens)[None]
        seen = counted(built(config), input_ids=prompt, use_cache=False)
        ours = read_architecture(config, "a shape")
        assert seen == tokens * (forward_flops(ours, tokens) + computed_in_vain(ours, tokens)), (
            config
        )


def computed_in_vain(ours, tokens):
    """Transformers sends every token through all experts of Llama 4, most of them with zeros.

    And it sums DeepSeek V4's index scores one by one, which its counter doesn't see.
    """
    if ours.model_type == "deepseek_v4":
        each = (layer.attention for layer in ours.layers if layer.attention.index_heads)
        return -sum(2 * attention.index_heads * attention.entries(tokens) for attention in each)
    if ours.model_type != "llama4_text":
        return 0
    idle = ours.experts // ours.experts_per_token - 1
    return idle * linear_flops(ours, "experts")


@pytest.mark.parametrize(
    "family", ["mistral", "gemma2", "gemma3_text", "gemma3n_text", "gpt_oss", "olmo3", "phi3"]
)
@pytest.mark.parametrize("context", [5, 9, 10, 23])
def test_within_a_window_a_token_attends_to_no_more_than_it(family, context):
    """Decoding one token on top of a cache: sliding layers attend to nine, itself the last."""
    config = {**configurations(family)[0], "sliding_window": 9}
    model, ours = built(config), read_architecture(config, "a shape")
    cache = transformers.DynamicCache(config=model.config)
    with torch.no_grad():
        for token in range(context - 1):
            model(input_ids=torch.tensor([[token % 90 + 3]]), past_key_values=cache)
    seen = counted(model, input_ids=torch.tensor([[3]]), past_key_values=cache)
    assert seen == forward_flops(ours, context)


@pytest.mark.parametrize("family", each(TEXT))
def test_the_cache_holds_what_transformers_holds(family):
    """Below the window; at it, transformers keeps one token less, which its next step adds."""
    for config in decodable(family):
        model, ours = built(config), read_architecture(config, "a shape")
        cache = cache_of(model)
        step(model, cache, torch.arange(3, 9)[None])
        held = sum(map(cached_numbers, cache.layers))
        if config.get("new_decoder_architecture"):  # Falcon's keys and values, once a query head
            held = held * config["num_kv_heads"] // config["num_attention_heads"]
        assert kv_cache_bytes(ours, 6, element_bytes=1) == held
        assert kv_cache_bytes(ours, 6) == 2 * held
        if not any(layer.attention.compressed for layer in ours.layers):
            assert 2 * held == 6 * kv_cache_bytes_per_token(ours)


def decodable(family):
    """All shapes but hybrids without attention, whose length transformers can't tell."""
    alone = ("mamba", "mamba2", "falcon_mamba")
    for config in configurations(family):
        layers = read_architecture(config, "a shape").layers
        if family in alone or any(layer.attention.heads for layer in layers):
            yield config


def cache_of(model):
    """The cache of this model; MiniMax has one of its own."""
    if model.config.model_type == "minimax":
        from transformers.models.minimax.modeling_minimax import MiniMaxCache

        return MiniMaxCache()
    return transformers.DynamicCache(config=model.config)


def step(model, cache, tokens):
    """Compute these tokens on top of the cache."""
    attends = model.config.model_type not in ("mamba", "mamba2", "falcon_mamba")
    with torch.no_grad():
        model(input_ids=tokens, **{"past_key_values" if attends else "cache_params": cache})


@pytest.mark.parametrize("family", each(RECURRENT))
def test_states_are_those_that_transformers_carries(family):
    """In bf16, of the types that transformers keeps them in, after a prompt and a token more."""
    for config in decodable(family):
        model, ours = built(config, dtype=torch.bfloat16), read_architecture(config, "a shape")
        cache = cache_of(model)
        step(model, cache, torch.arange(3, 9)[None])
        step(model, cache, torch.tensor([[5]]))
        assert state_bytes(ours) == sum(map(carried_bytes, states(cache))), config


def states(cache):
    """All states that are no keys and values."""
    for layer in cache.layers:
        for name in ("conv_states", "recurrent_states"):
            yield from (getattr(layer, name, None) or {}).values()
    yield from getattr(cache, "linear_cache", ())


def carried_bytes(kept):
    return 0 if kept is None or isinstance(kept, list) else kept.numel() * kept.element_size()


@pytest.mark.parametrize("family", each(RECURRENT))
def test_a_decoded_token_s_products_with_weights_are_those_that_torch_counts(family):
    """Without convolutions and states, which torch's counter sees in one code path of several."""
    for config in map(widened, decodable(family)):
        model, ours = built(config), read_architecture(config, "a shape")
        cache = cache_of(model)
        step(model, cache, torch.arange(3, 9)[None])
        with FlopCounterMode(display=False) as counter:
            step(model, cache, torch.tensor([[5]]))
        mixers = {f"{type(model).__name__}.{name[:-1]}" for name in recurrent_mixers(model)}
        counts = counter.get_flop_counts()
        beside = sum(n for m in mixers for op, n in counts.get(m, {}).items() if op not in PRODUCTS)
        rotary = [sum(c.values()) for name, c in counts.items() if name.endswith("rotary_emb")]
        seen = counter.get_total_flops() - beside - sum(rotary)
        short = [w.name.rpartition(".")[2].startswith("conv") for w, _ in ours.weights()]
        convolutions = sum(
            n * w.flops for (w, n), here in zip(ours.weights(), short, strict=True) if here
        )
        products = forward_flops(ours, 7) - recurrent_flops(ours) - convolutions
        assert seen == products + expanded_again(ours, 6), config


PRODUCTS = (torch.ops.aten.mm, torch.ops.aten.addmm)


def expanded_again(ours, tokens):
    """Kimi Linear expands the latents of all tokens before when it decodes one."""
    return tokens * sum(n * w.flops for w, n in ours.weights() if w.name.endswith("kv_b_proj"))


def cached_numbers(layer):
    """Keys and values, and an indexer's keys."""
    names = ("keys", "values", "indexer_keys")
    kept = [getattr(layer, name, None) for name in names]
    if kept[0] is not None and torch.equal(kept[0], kept[1]):  # DeepSeek V4's keys are its values
        del kept[1]
    kept += (getattr(layer, "compressed_kv", None) or {}).values()
    return sum(tensor.numel() for tensor in kept if tensor is not None)


def test_windows_and_chunks_bound_cache_and_attention():
    windowed = read_architecture(configurations("mistral")[0], "a shape")
    assert kv_cache_bytes(windowed, 9) == kv_cache_bytes(windowed, 10_000)
    assert attention_flops(windowed, 9) == attention_flops(windowed, 10_000)
    chunked = read_architecture({**configurations("llama4_text")[0], "no_rope_layers": [1] * 3}, "")
    assert attention_flops(chunked, 16) == 16 * attention_flops(chunked, 17)
    assert kv_cache_bytes(chunked, 17) == kv_cache_bytes(chunked, 16)
    mixed = read_architecture(configurations("gemma3_text")[0], "a shape")
    kinds = [layer.attention.window for layer in mixed.layers]
    assert kinds == [9, 9, 9]
    longer = read_architecture({**configurations("gemma3_text")[0], "num_hidden_layers": 12}, "")
    assert [layer.attention.window for layer in longer.layers] == [*[9] * 5, None] * 2


# In mixtures that peft reads as transformers 4 wrote them, these names no longer mean the layers.
PEFT_RENAMES = ("gate_proj", "up_proj", "down_proj", "gate")


def trained(config, **lora):
    """What peft trains, on the meta device."""
    model = built(config, device="meta")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = peft.LoraConfig(r=4, task_type="CAUSAL_LM", **lora)
        adapted = peft.get_peft_model(model, made, low_cpu_mem_usage=True)
    return sum(p.numel() for p in adapted.parameters() if p.requires_grad)


PEFT_REFUSES = ("falcon_h1", "falcon_mamba", "mamba", "mamba2", "nemotron_h")


@pytest.mark.parametrize("family", PEFT_REFUSES)
def test_lora_leaves_out_what_peft_refuses_to_adapt(family):
    """Then peft refuses "all-linear" too: what it would take but `out_proj` is named one by one."""
    config = configurations(family)[0]
    with pytest.raises(ValueError, match="out_proj"):
        trained(config, target_modules="all-linear")
    ours = read_architecture(config, "a shape")
    names = [w.name.rpartition(".")[2] for w, _ in ours.weights() if w.kind == "linear"]
    names = sorted(set(names) - {"lm_head"})
    assert lora_parameters(ours, 4) == trained(config, target_modules=names) > 0


@pytest.mark.parametrize("family", each(sorted(set(TEXT) - set(PEFT_REFUSES))))
def test_lora_on_all_linear_layers_trains_what_peft_trains(family):
    for config in configurations(family):
        ours = lora_parameters(read_architecture(config, "a shape"), rank=4)
        assert ours == trained(config, target_modules="all-linear"), config


@pytest.mark.parametrize("family", each(TEXT))
def test_lora_on_each_target_trains_what_peft_trains(family):
    for config in configurations(family):
        ours = read_architecture(config, "a shape")
        renamed = PEFT_RENAMES if any(w.as_linear is not None for w, _ in ours.weights()) else ()
        for target, at_rank_1 in lora_targets(ours).items():
            if target in ("embed_tokens", "embed_tokens_per_layer", "wpe", *renamed):
                continue
            if target.startswith("experts."):
                theirs = trained(config, target_modules=[], target_parameters=[target])
            else:
                theirs = trained(config, target_modules=[target])
            assert 4 * at_rank_1 == lora_parameters(ours, 4, target) == theirs, (target, config)


def test_targets_add_up_and_unknown_ones_are_named():
    ours = read_architecture(configurations("llama")[0], "a shape")
    both = lora_parameters(ours, 8, ("q_proj", "v_proj"))
    assert both == 8 * (lora_targets(ours)["q_proj"] + lora_targets(ours)["v_proj"])
    assert lora_parameters(ours, 8, ("q_proj", "q_proj")) == 8 * lora_targets(ours)["q_proj"]
    with pytest.raises(UnknownName, match="did you mean q_proj"):
        lora_parameters(ours, 8, ("q_prj",))


def test_the_head_is_multiplied_also_where_it_is_tied():
    tied, untied = (
        read_architecture({**configurations("llama")[0], "tie_word_embeddings": tie}, "a shape")
        for tie in (True, False)
    )
    assert linear_flops(tied) == linear_flops(untied)
