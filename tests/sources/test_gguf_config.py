"""GGUF headers, written by llama.cpp's own writer, become the configuration they were made from."""

import struct
from pathlib import Path

import gguf
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy_shapes import configurations
from weighbridge.errors import InputError, UnknownName
from weighbridge.planning.anatomy import parameters, read_architecture
from weighbridge.sources.configs import find_config
from weighbridge.sources.gguf_header import read_gguf_header
from weighbridge.sources.packages import package_file
from weighbridge.sources.weights import ALIASES

FAMILIES = {  # model_type: (GGUF's architecture, which of the family's shapes)
    "llama": ("llama", (0, 1, 2, 4)),
    "mixtral": ("llama", (0, 1, 2)),
    "qwen2": ("qwen2", (0, 1, 2)),
    "qwen2_moe": ("qwen2moe", (0, 2)),
    "qwen3": ("qwen3", (0, 1, 3)),
    "qwen3_moe": ("qwen3moe", (0, 1)),
    "gemma": ("gemma", (0, 2)),
    "gemma2": ("gemma2", (0, 2)),
    "gemma3_text": ("gemma3", (0, 2)),
    "phi": ("phi2", (1, 2)),
    "phi3": ("phi3", (0, 1, 3)),
    "phimoe": ("phimoe", (0, 1, 2)),
    "olmo": ("olmo", (0, 1)),
    "olmo2": ("olmo2", (0, 1)),
    "olmo3": ("olmo2", (0, 1)),
    "olmoe": ("olmoe", (0, 1)),
    "deepseek_v2": ("deepseek2", (0, 1, 2, 5)),
    "deepseek_v3": ("deepseek2", (0, 1, 2)),
    "gpt_oss": ("gpt-oss", (0, 2)),
    "smollm3": ("smollm3", (0, 1)),
    "gpt2": ("gpt2", (0, 2)),
    "gpt_neox": ("gptneox", (0, 2)),
    "llama4_text": ("llama4", (0, 2)),
}
CASES = [(family, index) for family, (_, indices) in FAMILIES.items() for index in indices]


def write_gguf(path, config, **changes):
    """A header as llama.cpp writes it, and the few tensors that it leaves facts to."""
    family = config["model_type"]
    writer = gguf.GGUFWriter(path, FAMILIES[family][0])
    get = {**config, **changes}.get
    hidden, heads = get("hidden_size", get("n_embd")), get("num_attention_heads", get("n_head"))
    writer.add_embedding_length(hidden)
    writer.add_block_count(get("num_hidden_layers", get("n_layer")))
    writer.add_context_length(get("max_position_embeddings", get("n_positions")))
    writer.add_head_count(heads)
    inner = get("intermediate_size_mlp") or get("intermediate_size") or get("n_inner")
    writer.add_feed_forward_length(inner or 4 * hidden)
    writer.add_array("tokenizer.ggml.tokens", ["a", "bb", "ccc"] * 30)
    writer.add_array("tokenizer.ggml.scores", [0.5] * 5000)
    latent = "kv_lora_rank" in config
    writer.add_head_count_kv(1 if latent else get("num_key_value_heads") or heads)
    for field, add in (
        ("sliding_window", writer.add_sliding_window),
        ("head_dim", writer.add_key_length),
        ("num_experts", writer.add_expert_count),
        ("num_local_experts", writer.add_expert_count),
        ("n_routed_experts", writer.add_expert_count),
        ("num_experts_per_tok", writer.add_expert_used_count),
        ("moe_intermediate_size", writer.add_expert_feed_forward_length),
        ("shared_expert_intermediate_size", writer.add_expert_shared_feed_forward_length),
        ("n_shared_experts", writer.add_expert_shared_count),
        ("first_k_dense_replace", writer.add_leading_dense_block_count),
        ("q_lora_rank", writer.add_q_lora_rank),
        ("kv_lora_rank", writer.add_kv_lora_rank),
        ("interleave_moe_layer_step", writer.add_interleave_moe_layer_step),
    ):
        if get(field) is not None:
            add(get(field))
    if "intermediate_size_mlp" in config:
        writer.add_expert_feed_forward_length(get("intermediate_size"))
    if latent:
        writer.add_rope_dimension_count(get("qk_rope_head_dim"))
        writer.add_key_length(get("kv_lora_rank") + get("qk_rope_head_dim"))
        writer.add_value_length(get("kv_lora_rank"))
        writer.add_key_length_mla(get("qk_nope_head_dim") + get("qk_rope_head_dim"))
        writer.add_value_length_mla(get("v_head_dim"))
    for name, shape in tensors(config, hidden):
        writer.add_tensor(name, np.zeros(shape, dtype=np.float32))
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    return path


def tensors(config, hidden):
    family, always_tied = config["model_type"], ("gpt2", "gemma", "gemma2", "gemma3_text")
    yield "token_embd.weight", (config["vocab_size"], hidden)
    tied = config.get("tie_word_embeddings", family in (*always_tied, "smollm3"))
    if not tied:
        yield "output.weight", (config["vocab_size"], hidden)
    if config.get("attention_bias", family in ("phi", "gpt_oss", "gpt_neox", "gpt2")):
        yield "blk.0.attn_output.bias", (hidden,)
    if config.get("mlp_bias"):
        yield "blk.0.ffn_up.bias", (config["intermediate_size"],)
    if config.get("lm_head_bias"):
        yield "output.bias", (config["vocab_size"],)
    if config.get("qk_layernorm"):
        yield "blk.0.attn_q_norm.weight", (8,)
    if family == "deepseek_v3":
        yield "blk.1.exp_probs_b.bias", (8,)
    if family == "gpt2":
        yield "position_embd.weight", (config["n_positions"], hidden)


@pytest.mark.parametrize(("family", "index"), CASES)
def test_a_header_gives_the_architecture_of_the_configuration(family, index, tmp_path):
    config = configurations(family)[index]
    found = find_config(str(write_gguf(tmp_path / "model.gguf", config)))
    ours, theirs = read_architecture(found.config, "it"), read_architecture(config, "it")
    chunks = family == "llama4_text"  # llama.cpp does not write the chunk, and 8,192 is assumed
    assert ours.outer == theirs.outer
    assert [x.weights for x in ours.layers] == [x.weights for x in theirs.layers]
    assert chunks or [x.attention for x in ours.layers] == [x.attention for x in theirs.layers]
    assert parameters(ours) == parameters(theirs) > 0


def real_file():
    alias = ALIASES["smollm2-135m"]
    path = package_file(alias.package, alias.file)
    if path is None:
        pytest.skip(f"weights are not installed: {alias.get_it}")
    return path


def test_a_real_file_s_tensors_are_all_accounted_for():
    """SmolLM2-135M as llama.cpp wrote it: header, tensors and catalog agree to the last weight."""
    found = find_config(str(real_file()))
    ours = parameters(read_architecture(found.config, found.where))
    assert ours == found.tensor_parameters == 134_515_008
    listed = find_config("smollm2-135m")
    assert ours == parameters(read_architecture(listed.config, listed.where))


@pytest.mark.parametrize("bytes_kept", [0, 3, 4, 20, 100, 4000, 1_000_000, 60_000_000])
def test_a_file_cut_anywhere_is_named(bytes_kept, tmp_path):
    path = tmp_path / "cut.gguf"
    with real_file().open("rb") as file:
        path.write_bytes(file.read(bytes_kept))
    with pytest.raises(InputError, match=r"cut\.gguf (has|starts)"):
        read_gguf_header(path)


@pytest.fixture(scope="session")
def headers(tmp_path_factory):
    """Small whole files, one with dense layers and one with latent attention."""
    folder = tmp_path_factory.mktemp("gguf")
    shapes = [configurations(family)[0] for family in ("llama", "deepseek_v2", "gpt2")]
    return [write_gguf(folder / f"{i}.gguf", c).read_bytes() for i, c in enumerate(shapes)]


@pytest.mark.slow
def test_tensors_and_types_are_those_of_llama_cpp_s_own_reader():
    """ggml's `gguf` package on SmolLM2-135M: names, order, shapes, types."""
    ours, theirs = read_gguf_header(real_file()), gguf.GGUFReader(real_file()).tensors
    assert list(ours.tensors.items()) == [(t.name, tuple(map(int, t.shape))) for t in theirs]
    assert list(ours.types.values()) == [t.tensor_type.name for t in theirs]
    assert ours.fields["general.architecture"] == "llama" and ours.quantization == "Q4_1"


def bytes_read():
    counts = Path("/proc/self/io").read_text().splitlines()
    return next(int(line.split()[1]) for line in counts if line.startswith("rchar"))


def test_weights_are_not_read(headers, tmp_path):
    path = tmp_path / "large.gguf"
    path.write_bytes(headers[0] + bytes(60 << 20))
    before = bytes_read()
    assert read_gguf_header(path).parameters > 0
    assert bytes_read() - before < 2 * len(headers[0]) + (1 << 20)


def test_a_file_that_was_never_written_is_named(headers, tmp_path):
    """A download that reserved 64 GB and then ended, all but its header a hole."""
    path = tmp_path / "large.gguf"
    path.write_bytes(headers[0])
    with path.open("rb+") as file:
        file.truncate(64 << 30)
    with pytest.raises(InputError, match="claims 68,719,476,736 bytes and stores hardly any"):
        read_gguf_header(path)


def empty_header(tensors, version=3):
    """A header without metadata; each tensor's name and dimensions, as float32 at offset 0."""
    written = b"GGUF" + struct.pack("<IQQ", version, len(tensors), 0)
    for name, shape in tensors:
        written += struct.pack("<Q", len(name)) + name + struct.pack("<I", len(shape))
        written += struct.pack(f"<{len(shape)}Q", *shape) + struct.pack("<IQ", 0, 0)
    return written + bytes(4096)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (empty_header([(b"a", (2,)), (b"a", (2,))]), "lists the tensor 'a' twice"),
        (empty_header([(b"a", (1 << 63,) * 90)]), "ends inside its header"),
        (empty_header([(b"a", (1 << 40,))]), "ends before its tensors do"),
        (empty_header([], version=1), "is GGUF version 1"),
        (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "is a big-endian GGUF file"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 60, 0), "ends inside its header"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 60), "ends inside its header"),
        (b"PK\x03\x04" + bytes(64), r"starts with b'PK"),
    ],
)
def test_what_a_hostile_header_does_is_said(content, said, tmp_path):
    path = tmp_path / "hostile.gguf"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        read_gguf_header(path)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2), st.integers(4, 2500), st.binary(min_size=1, max_size=9))
def test_a_header_with_foreign_bytes_is_read_or_named(
    headers, tmp_path_factory, which, at, foreign
):
    whole = headers[which]
    path = tmp_path_factory.getbasetemp() / "broken.gguf"
    path.write_bytes(whole[:at] + foreign + whole[at + len(foreign) :])
    try:
        found = find_config(str(path))
        read_architecture(found.config, found.where)
    except InputError as error:
        assert "\n" not in str(error)


def test_what_is_unknown_or_uneven_is_not_guessed(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "new.gguf", "mamba9")
    writer.add_tensor("token_embd.weight", np.zeros((4, 4), dtype=np.float32))
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    with pytest.raises(UnknownName, match="unknown GGUF architecture 'mamba9'"):
        find_config(str(tmp_path / "new.gguf"))
    config = configurations("llama")[0]
    uneven = write_gguf(tmp_path / "uneven.gguf", config, num_key_value_heads=[1, 2, 2])
    with pytest.raises(InputError, match=r"head_count_kv differs between layers \(1, 2\)"):
        find_config(str(uneven))
