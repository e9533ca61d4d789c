"""Counts are those of transformers' own code, built on the meta device, shape by shape."""

import copy
import re

import pytest
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from anatomy_shapes import (
    ALL,
    FIXED_WIDTH,
    NOT_BUILT,
    SEEING,
    SHAPES,
    configurations,
    library_config,
)
from weighbridge.errors import InputError
from weighbridge.planning.anatomy import (
    active_parameters,
    family_names,
    parameters,
    read_architecture,
    vision_parameters,
)

ROLES = {  # by the names that transformers gives; the first that fits
    "vision": r"vision|multi_modal|visual",
    "norm": r"norm|\.ln_",
    "head": r"^lm_head|\.lm_head",
    "embedding": r"embed_tokens|wte|wpe|embed_in|embeddings\.|embed_positions|project_(in|out)",
    "shared_experts": r"shared_expert|shared_mlp",
    "experts": r"\.experts\.|latent_proj",
    "residual": r"altup|laurel|per_layer|_hc\.|hc_head",
    "router": r"(mlp|mixer|feed_forward)\.gate\.|router\.",
    "attention": r"attn|attention|mixer\.[qkvo]_proj",
    "mlp": r"mlp|feed_forward|mixer|ffn|\.fc[12]",
}


def build(config):
    """The model itself, without memory for its weights."""
    if config["model_type"] in NOT_BUILT:
        tied = {key: value for key, value in config.items() if key == "tie_word_embeddings"}
        return build({**config["text_config"], **tied})
    made = library_config(config)
    seeing = config["model_type"] in SEEING
    kind = transformers.AutoModelForImageTextToText if seeing else transformers.AutoModelForCausalLM
    with torch.device("meta"):
        return kind.from_config(made)


def counted(model):
    """Parameters by role, from the names of transformers' modules; tied ones once."""
    found = dict.fromkeys([*ROLES, "recurrent"], 0)
    mixers = recurrent_mixers(model)
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:  # ERNIE holds what balances its experts so
            continue
        role = next((role for role, pattern in ROLES.items() if re.search(pattern, name)), "")
        if name.startswith(mixers) and role not in ("norm", "vision"):
            role = "recurrent"
        found[role] += parameter.numel()
    if not found["experts"]:  # a block that would be shared beside experts
        found["mlp"] += found.pop("shared_experts")
    return found


def recurrent_mixers(model):
    """Names of the modules that hold a convolution along the sequence, or decay without one."""
    inside = [
        name.rpartition(".")[0]
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Conv1d)
    ]
    inside += [n for n, module in model.named_modules() if "Lightning" in type(module).__name__]
    return tuple(f"{name}." for name in inside)


def assert_exact(config):
    ours, theirs = read_architecture(config, "a shape"), counted(build(config))
    assert vision_parameters(ours) == theirs.pop("vision")
    assert {role: parameters(ours, role) for role in theirs} == theirs
    assert parameters(ours) == sum(theirs.values())


def test_every_family_is_compared():
    assert set(SHAPES) == set(family_names())
    assert all(len(shapes) > 1 for shapes in SHAPES.values())


@pytest.mark.parametrize(("family", "index", "config"), ALL, ids=[f"{f}-{i}" for f, i, _ in ALL])
def test_parameters_by_role_are_those_of_transformers(family, index, config):
    assert_exact(config)


@st.composite
def random_shapes(draw):
    """A family's shape with other widths and depths that still fit together."""
    family = draw(st.sampled_from(sorted(SHAPES)))
    config = copy.deepcopy(draw(st.sampled_from(configurations(family))))
    inner = config.get("text_config", config)
    widths = {
        "hidden_size": 24 * draw(st.integers(1, 5)),
        "n_embd": 24 * draw(st.integers(1, 5)),
        "vocab_size": draw(st.integers(20, 400)),
        "intermediate_size": draw(st.integers(1, 200)),
        "moe_intermediate_size": draw(st.integers(1, 40)),
        "shared_expert_intermediate_size": draw(st.integers(1, 40)),
        "kv_lora_rank": draw(st.integers(1, 40)),
        "num_key_value_heads": draw(st.sampled_from([1, 2, 3, 6])),
    }
    if "kv_lora_rank" in inner or inner.get("num_attention_heads") != 6:
        del widths["num_key_value_heads"]
    if isinstance(inner.get("intermediate_size"), list):
        del widths["intermediate_size"]
    if config["model_type"] in FIXED_WIDTH:
        del widths["hidden_size"]
    by_layer = any(isinstance(v, list) or "pattern" in name for name, v in inner.items())
    if "altup_num_inputs" not in inner and not by_layer:
        widths |= dict.fromkeys(("num_hidden_layers", "n_layer"), draw(st.integers(1, 13)))
    inner.update({name: value for name, value in widths.items() if name in inner})
    return config


@pytest.mark.slow
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(random_shapes())
def test_random_shapes_are_exact_too(config):
    try:
        library_config(config)
    except StrictDataclassError:  # no such model can be: a hybrid of a single layer, say
        reject()
    assert_exact(config)


JUNK = [None, -1, 0, 1, 2.5, True, "x", "", [], [1], ["x"], {}, {"x": 1}, 10**30, float("nan")]


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(ALL), st.data(), st.sampled_from(JUNK), st.sampled_from(["config", "nested"])
)
def test_a_field_that_is_junk_is_named_or_harmless(shape, data, junk, place):
    config = copy.deepcopy(shape[2])
    parts = [v for v in config.values() if isinstance(v, dict)]
    inner = data.draw(st.sampled_from(parts)) if place == "nested" and parts else config
    name = data.draw(st.sampled_from(sorted(inner)))
    inner[name] = junk
    try:
        assert parameters(read_architecture(config, "a shape")) > 0
    except InputError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize("family", [f for f in SHAPES if "experts" in str(SHAPES[f][0])])
def test_active_parameters_leave_out_the_experts_that_are_passed_by(family):
    config = configurations(family)[0]
    ours = read_architecture(config, "a shape")
    theirs = counted(build(config))
    idle = theirs["experts"] * (ours.experts - ours.experts_per_token) // ours.experts
    assert idle > 0
    assert parameters(ours) - active_parameters(ours) == idle
