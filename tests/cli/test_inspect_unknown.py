"""`inspect` on models that no family knows, on weights as stored, and on odd configurations."""

import json

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file
from typer.testing import CliRunner

from anatomy_shapes import configurations
from weighbridge.cli.main import app
from weighbridge.models import library_count
from weighbridge.planning.anatomy import family_names, relatives

SMALL = {
    "hidden_size": 48, "intermediate_size": 72, "num_hidden_layers": 3, "num_attention_heads": 6,
    "num_key_value_heads": 2, "vocab_size": 101, "max_position_embeddings": 128,
}  # fmt: skip


def inspect(folder, config, *words):
    (folder / "config.json").write_text(json.dumps(config))
    return CliRunner().invoke(app, ["inspect", str(folder / "config.json"), *words])


def figures(folder, config):
    done = inspect(folder, config, "--json")
    assert done.exit_code == 0, done.output + str(done.exception)
    return json.loads(done.stdout)


def said(folder, config):
    """The one line about it."""
    done = inspect(folder, config)
    assert done.exit_code != 0 and isinstance(done.exception, Exception)
    assert "\n" not in str(done.exception) and "Traceback" not in str(done.exception)
    return str(done.exception)


UNKNOWN = {  # buildable, and no family here
    "persimmon": SMALL,
    "codegen": {"n_embd": 48, "n_layer": 2, "n_head": 4, "n_inner": 60, "vocab_size": 101,
                "rotary_dim": 4},
    "diffllama": SMALL,
    "idefics3": {"text_config": {"model_type": "llama", **SMALL},
                 "vision_config": {"hidden_size": 24, "intermediate_size": 40,
                                   "num_hidden_layers": 2, "num_attention_heads": 2}},
}  # fmt: skip


@pytest.mark.parametrize("model_type", UNKNOWN)
def test_what_transformers_can_build_is_counted(model_type, tmp_path):
    assert model_type not in family_names()
    config = {"model_type": model_type, **UNKNOWN[model_type]}
    found = figures(tmp_path, config)
    made = transformers.CONFIG_MAPPING[model_type].from_dict(config)
    seeing = "text_config" in config
    kind = transformers.AutoModelForImageTextToText if seeing else transformers.AutoModelForCausalLM
    with torch.device("meta"):
        model = kind.from_config(made)
    assert found["total_parameters"] == sum(p.numel() for p in model.parameters())
    assert (found["vision_parameters"] > 0) == seeing
    assert sum(found["split"].values()) == found["parameters"]
    for figure in ("active_parameters", "forward_flops_per_token", "kv_cache_bytes_per_token",
                   "experts", "experts_per_token"):  # fmt: skip
        assert found[figure] is None and figure in found["missing"]
    text = inspect(tmp_path, config).stdout
    assert "a count can't give: active_parameters, forward_flops_per_token" in text
    assert max(map(len, text.splitlines()[1:])) <= 80


def test_code_that_comes_with_the_weights_is_never_run(tmp_path):
    (tmp_path / "modeling_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    (tmp_path / "configuration_own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    maps = {"AutoConfig": "configuration_own.Own", "AutoModelForCausalLM": "modeling_own.Own"}
    for name in ("persimmon", "own", "llama"):
        inspect(tmp_path, {"model_type": name, "auto_map": maps, **SMALL})
    assert not (tmp_path / "ran").exists()
    assert "(auto_map) and is not run" in said(tmp_path, {"model_type": "own", "auto_map": maps})


@pytest.mark.parametrize(
    ("config", "near"),
    [
        ({"model_type": "own", "architectures": ["DeepseekV3ForCausalLM"]}, "deepseek_v3"),
        ({"model_type": "step3", "architectures": ["LlamaForCausalLM"]}, "llama"),
        ({"model_type": "qwen9_next"}, "qwen3_next"),
        ({"model_type": "glm9_moe"}, "glm4_moe"),
        ({"model_type": "nemotron_x"}, "nemotron_h"),
    ],
)
def test_near_relatives_are_named(config, near, tmp_path):
    assert near in relatives(config)
    assert near in said(tmp_path, config)
    assert relatives({"model_type": "zz"}) == relatives({}) == ()


def test_without_the_library_relatives_are_named_and_what_to_install(tmp_path, monkeypatch):
    def missing():
        raise ImportError

    monkeypatch.setattr(library_count, "_library", missing)
    words = said(tmp_path, {"model_type": "qwen9_next", **SMALL})
    assert "qwen3_next" in words and "weighbridge[torch]" in words


def test_what_transformers_cannot_build_is_one_line(tmp_path):
    words = said(tmp_path, {"model_type": "persimmon", **SMALL, "hidden_size": "wide"})
    assert "can't build this persimmon" in words and "hidden_size" in words
    assert "gives text" in said(tmp_path, {"model_type": "vit"})


def test_bytes_are_those_that_the_files_headers_list(tmp_path):
    config = {"model_type": "llama", **SMALL}
    made = transformers.LlamaConfig(**SMALL)
    weights = transformers.LlamaForCausalLM(made).to(torch.bfloat16).state_dict()
    packed = {name: tensor.contiguous() for name, tensor in weights.items()}
    packed["model.layers.0.mlp.up_proj.weight"] = torch.zeros(72, 24, dtype=torch.uint8)
    save_file(packed, tmp_path / "model.safetensors")
    found = figures(tmp_path, config)["stored"]
    assert found["bytes"] == sum(t.numel() * t.element_size() for t in packed.values())
    assert found["known_by"] == "headers of the files"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"quant_method": "fp8", "weight_block_size": [128, 128]}, "fp8 in blocks of 128 by 128"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128}, "gptq, 4 bits in groups of 128"),
        ({"load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, "bitsandbytes nf4"),
        ({"quant_method": "aqlm"}, "aqlm: no rule is known here; bytes unknown"),
        ({"quant_method": "compressed-tensors", "config_groups": 3}, "of several schemes"),
    ],
)
def test_how_weights_are_stored_is_said(settings, words, tmp_path):
    config = {"model_type": "llama", **SMALL, "quantization_config": settings}
    assert words in " ".join(inspect(tmp_path, config).stdout.split())
    assert (figures(tmp_path, config)["stored"]["bytes"] is None) == (
        "aqlm" in words or "several" in words
    )


ODD = {
    "null": ({**SMALL, "num_hidden_layers": None}, "lacks num_hidden_layers"),
    "text": ({**SMALL, "num_attention_heads": "6"}, "num_attention_heads is '6'"),
    "no layers": ({**SMALL, "num_hidden_layers": 0}, "num_hidden_layers is 0"),
    "kind": ({**SMALL, "layer_types": ["odd"] * 3}, "layer_types is 'odd'"),
    "kinds": ({**SMALL, "layer_types": "full_attention"}, "a list with one kind a layer"),
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize("family", ["gemma2", "exaone4", "qwen3"])
def test_an_odd_configuration_is_one_line(family, case, tmp_path):
    config, words = ODD[case]
    assert words in said(tmp_path, {"model_type": family, "head_dim": 8, **config})


@pytest.mark.parametrize("family", ["qwen3_vl", "mistral3", "gemma4", "kimi_k25", "qwen3_5_moe"])
@pytest.mark.parametrize("text", [None, 3, [], {}, {"model_type": "zz"}])
def test_a_nested_configuration_that_is_odd_is_one_line(family, text, tmp_path):
    base = configurations(family)[0]
    assert said(tmp_path, {**base, "text_config": text})


@pytest.mark.parametrize(
    ("model_type", "why"),
    [("bert", "tokens see the tokens after them"), ("t5", "a decoder writes another one"),
     ("roberta", "tokens see the tokens after them")],
)  # fmt: skip
def test_a_model_that_is_no_causal_one_is_counted_and_said_to_be_none(model_type, why, tmp_path):
    shape = {"num_heads": 2, "num_layers": 1, "d_model": 48, "d_kv": 24, "d_ff": 96}
    found = figures(tmp_path, {"model_type": model_type, **SMALL, **shape})
    (note,) = [note for note in found["notes"] if "no causal language model" in note]
    assert why in note and found["parameters"] > 0


@pytest.mark.parametrize(("head", "said"), [("own", "another head"), ("copy", "a second time")])
def test_a_head_that_lies_beside_tied_embeddings_is_counted_as_it_is_stored(head, said, tmp_path):
    config = {"model_type": "llama", **SMALL, "tie_word_embeddings": True}
    tied = figures(tmp_path, config)
    embedding = torch.randn(101, 48)
    stored = embedding.clone() if head == "copy" else torch.randn(101, 48)
    tensors = {"model.embed_tokens.weight": embedding, "lm_head.weight": stored}
    save_file(tensors, tmp_path / "model.safetensors")
    found = figures(tmp_path, config)
    more = 101 * 48 if head == "own" else 0
    assert found["parameters"] == tied["parameters"] + more
    assert any(said in note for note in found["notes"])


def test_names_of_rotary_fields_change_nothing(tmp_path):
    old = figures(tmp_path, {"model_type": "llama", **SMALL, "rope_theta": 1e4})
    new = figures(
        tmp_path,
        {
            "model_type": "llama",
            **SMALL,
            "rope_parameters": {"rope_theta": 1e4},
            "rope_scaling": None,
        },
    )
    assert old == new


def test_a_gguf_file_with_the_embedding_twice_says_so(tmp_path):
    import gguf

    rng = np.random.default_rng(1)
    embedding = rng.normal(size=(101, 64)).astype(np.float32)
    other = rng.normal(size=(101, 64)).astype(np.float32)
    quantised = gguf.quants.quantize(embedding, gguf.GGMLQuantizationType.Q8_0)
    seen = {}
    for name, head in (("copy", quantised), ("own", other), ("tied", None)):
        writer = gguf.GGUFWriter(tmp_path / f"{name}.gguf", "qwen2")
        writer.add_embedding_length(64)
        writer.add_block_count(1)
        writer.add_context_length(128)
        writer.add_head_count(4)
        writer.add_head_count_kv(2)
        writer.add_feed_forward_length(96)
        writer.add_layer_norm_rms_eps(1e-6)
        writer.add_rope_freq_base(1e4)
        writer.add_tensor("token_embd.weight", embedding)
        if head is not None:
            kind = gguf.GGMLQuantizationType.Q8_0 if name == "copy" else None
            writer.add_tensor("output.weight", head, raw_dtype=kind)
        for step in ("header", "kv_data", "tensors"):
            getattr(writer, f"write_{step}_to_file")()
        writer.close()
        done = CliRunner().invoke(app, ["inspect", str(tmp_path / f"{name}.gguf"), "--json"])
        assert done.exit_code == 0, done.exception
        seen[name] = json.loads(done.stdout)
    assert seen["copy"]["parameters"] == seen["tied"]["parameters"]
    assert seen["own"]["parameters"] == seen["tied"]["parameters"] + 101 * 64
    assert seen["copy"]["copied_head_parameters"] == 101 * 64
    assert seen["own"]["copied_head_parameters"] == seen["tied"]["copied_head_parameters"] == 0
    notes = " ".join(seen["copy"]["notes"])
    assert "stores the embedding a second time as head (output.weight)" in notes
    assert f"{101 * 64 * 2:,} numbers with it, {101 * 64:,} without" in notes


def test_a_hybrid_s_state_and_flops_stand_in_the_table():
    told = CliRunner().invoke(app, ["inspect", "nemotron-h-8b", "--context", "4096"])
    found = json.loads(
        CliRunner().invoke(app, ["inspect", "nemotron-h-8b", "--context", "4096", "--json"]).stdout
    )
    assert "recurrent state: 102,629,376 bytes a sequence, whatever its length" in told.stdout
    parts = found["linear_flops_per_token"] + found["recurrent_flops_per_token"]
    attention = found["attention_flops_by_context"]["4096"]
    assert found["forward_flops_per_token"] == parts + attention
    row = next(line for line in told.stdout.splitlines() if line.startswith("  FLOPs a token"))
    assert f"{found['forward_flops_per_token'] / 1e9:.1f} G" in row
