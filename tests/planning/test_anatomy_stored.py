"""Bytes as stored: rules against what transformers and bitsandbytes make of the same matrices."""

import pytest
import torch
import transformers
from transformers.integrations.finegrained_fp8 import replace_with_fp8_linear

from weighbridge.catalog.models import find_model
from weighbridge.planning.anatomy import (
    element_bytes,
    parameters,
    read_architecture,
    read_scheme,
    stored_bytes,
)

LLAMA = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 384, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 500,
}  # fmt: skip
EXPERTS = {
    **LLAMA, "model_type": "gpt_oss", "num_local_experts": 4, "num_experts_per_tok": 2,
    "head_dim": 64,
}  # fmt: skip


def by_rule(config, **quantization):
    config = {**config, "quantization_config": quantization}
    scheme = read_scheme(config)
    return stored_bytes(read_architecture(config, "it"), scheme, element_bytes(config))


def matrix(**quantization):
    """The rule for one matrix."""
    return read_scheme({"quantization_config": quantization}).matrix_bytes


@pytest.mark.parametrize(
    "skipped",
    [
        [],
        ["lm_head"],
        ["model.layers.0.self_attn", "lm_head"],
        ["model.layers.1.mlp.down_proj", "lm_head"],
    ],
)
def test_fp8_blocks_are_those_that_transformers_makes(skipped):
    """On the meta device: each weight's float8 and its block scales; what is skipped stays bf16."""
    settings = {"quant_method": "fp8", "weight_block_size": [128, 128],
                "modules_to_not_convert": skipped}  # fmt: skip
    made = transformers.LlamaConfig(**{k: v for k, v in LLAMA.items() if k != "model_type"})
    with torch.device("meta"):
        model = transformers.LlamaForCausalLM(made).to(torch.bfloat16)
        listed = [*skipped, *(["lm_head"] if "lm_head" not in skipped else [])]
        model = replace_with_fp8_linear(
            model,
            modules_to_not_convert=listed,
            quantization_config=transformers.FineGrainedFP8Config(weight_block_size=(128, 128)),
        )
    theirs = sum(p.numel() * p.element_size() for p in model.parameters())
    assert by_rule(LLAMA, **settings) == theirs


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("kind", ["nf4", "fp4"])
@pytest.mark.parametrize("shape", [(64, 96), (130, 33), (256, 512)])
def test_four_bits_of_bitsandbytes(kind, twice, shape):
    bnb = pytest.importorskip("bitsandbytes.functional")
    packed, state = bnb.quantize_4bit(
        torch.randn(shape), blocksize=64, quant_type=kind, compress_statistics=twice
    )
    kept = [packed, state.absmax, state.code]
    kept += [state.state2.absmax, state.state2.code] if twice else []
    rule = matrix(load_in_4bit=True, bnb_4bit_quant_type=kind, bnb_4bit_use_double_quant=twice)
    assert rule(shape[1], shape[0]) == sum(t.numel() * t.element_size() for t in kept)


def test_eight_bits_of_bitsandbytes():
    bnb = pytest.importorskip("bitsandbytes.functional")
    packed, rows, _ = bnb.int8_vectorwise_quant(torch.randn(40, 64).half())
    theirs = packed.numel() * packed.element_size() + rows.numel() * rows.element_size()
    assert matrix(load_in_8bit=True)(64, 40) == theirs


@pytest.mark.parametrize(("bits", "group"), [(4, 128), (8, 32), (4, -1), (2, 64)])
def test_gptq_packs_numbers_zero_points_scales_and_groups(bits, group):
    """Shapes of its layer: qweight, qzeros in int32; scales in float16; g_idx in int32."""
    inputs, outputs = 256, 512
    groups = inputs // group if group > 0 else 1
    theirs = 4 * (inputs * bits // 32) * outputs + 4 * groups * (outputs * bits // 32)
    theirs += 2 * groups * outputs + 4 * inputs
    assert matrix(quant_method="gptq", bits=bits, group_size=group)(inputs, outputs) == theirs


def test_awq_packs_the_same_without_a_list_of_groups():
    theirs = 4 * 256 * (512 * 4 // 32) + 4 * 2 * (512 * 4 // 32) + 2 * 2 * 512
    assert matrix(quant_method="awq", bits=4, group_size=128)(256, 512) == theirs


def test_compressed_tensors_by_strategy():
    def rule(**weights):
        group = {"group_0": {"targets": ["Linear"], "weights": weights}}
        return matrix(quant_method="compressed-tensors", config_groups=group)

    assert rule(num_bits=8, type="float", strategy="channel")(64, 10) == 640 + 2 * 10
    assert rule(num_bits=8, type="int", strategy="tensor")(64, 10) == 640 + 2
    assert rule(num_bits=4, type="int", strategy="group", group_size=32)(64, 10) == 320 + 2 * 20
    nvfp4 = rule(num_bits=4, type="float", strategy="tensor_group", group_size=16)
    assert nvfp4(64, 10) == 320 + 40 + 4
    block = rule(num_bits=8, type="float", strategy="block", block_structure=[128, 128])
    assert block(256, 130) == 256 * 130 + 2 * 2 * 2
    assert rule(num_bits=3, type="int", strategy="group", group_size=32) is None


def test_mxfp4_holds_experts_only():
    """4 bits a number and a byte for 32: the rest, biases and router stay bf16."""
    ours = read_architecture(EXPERTS, "it")
    experts = 2 * 4 * (256 * 2 * 384 + 384 * 256)
    rest = parameters(ours) - experts
    assert by_rule(EXPERTS, quant_method="mxfp4") == 2 * rest + experts // 2 + experts // 32


def test_without_quantization_numbers_take_the_configuration_s_type():
    ours = read_architecture(LLAMA, "it")
    for named, size in (("float32", 4), ("bfloat16", 2), ("torch.float16", 2), (None, 2)):
        assert element_bytes({"dtype": named}) == element_bytes({"torch_dtype": named}) == size
        assert stored_bytes(ours, None, size) == size * parameters(ours)


@pytest.mark.parametrize("method", ["aqlm", "quip", "modelopt", "torchao", "hqq", None, 3])
def test_a_method_without_a_rule_is_said_and_not_guessed(method):
    scheme = read_scheme({"quantization_config": {"quant_method": method, "bits": 2}})
    assert scheme.matrix_bytes is None and scheme.method == str(method)
    assert by_rule(LLAMA, quant_method=method, bits=2) is None


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("lm_head", 0), ("model.layers.0", 1), ("self_attn", 2), ("re:.*layers.1.mlp.*", 1),
        ("model.layers.1.mlp.down_proj", 1), ("model.layers.*.mlp", 2), ("model.layers.1*", 1),
    ],
)  # fmt: skip
def test_what_is_listed_stays_as_it_was(pattern, left):
    """Lists name modules, their beginnings, a part of their path, or patterns."""
    all_of_it = by_rule(LLAMA, quant_method="fp8")
    kept = by_rule(LLAMA, quant_method="fp8", modules_to_not_convert=[pattern])
    assert (kept > all_of_it) == (left > 0)


@pytest.mark.parametrize(
    ("name", "tensor_bytes"), [("gpt-oss-20b", 13_761_264_768), ("gpt-oss-120b", 65_248_815_744)]
)
def test_published_in_four_bits_its_bytes_are_those_of_its_repository(name, tensor_bytes):
    """`total_size` in model.safetensors.index.json of openai/gpt-oss-20b and -120b."""
    assert _stored(name) == ("mxfp4", tensor_bytes)


@pytest.mark.parametrize("name", ["deepseek-v3", "deepseek-r1", "deepseek-v3.2", "kimi-k2"])
def test_published_in_fp8_it_takes_a_byte_for_a_number(name):
    method, found = _stored(name)
    numbers = parameters(read_architecture(find_model(name).config, name))
    assert method == "fp8"
    assert numbers < found < 1.005 * numbers


def _stored(name):
    config = find_model(name).config
    scheme = read_scheme(config)
    found = stored_bytes(read_architecture(config, name), scheme, element_bytes(config))
    return scheme.method, found
