"""Writes a tiny Llama as a GGUF file, as llama.cpp's converter does, with 8-bit weights."""

import json
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, TokenType, quants
from safetensors.numpy import load_file

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}  # fmt: skip


def write_gguf(folder: Path, path: Path) -> Path:
    """Write the model in a folder, whose widths are multiples of 32, as Q8_0."""
    config = json.loads((folder / "config.json").read_text())
    writer = GGUFWriter(path, "llama")
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    writer.add_rope_freq_base(config.get("rope_theta", 10000.0))
    writer.add_vocab_size(config["vocab_size"])
    writer.add_file_type(7)
    _add_tokenizer(writer, folder, config)
    for name, values in load_file(folder / "model.safetensors").items():
        _add_tensor(writer, name, values, config)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add_tokenizer(writer: GGUFWriter, folder: Path, config: dict) -> None:
    model = json.loads((folder / "tokenizer.json").read_text())
    special = {token["content"] for token in model["added_tokens"]}
    tokens = sorted(model["model"]["vocab"], key=model["model"]["vocab"].__getitem__)
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["model"]["merges"]]
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    kinds = (TokenType.CONTROL if t in special else TokenType.NORMAL for t in tokens)
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_token_merges(merges)
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_pad_token_id(config["pad_token_id"])
    writer.add_add_bos_token(False)
    template = folder / "chat_template.jinja"
    if template.is_file():
        writer.add_chat_template(template.read_text())


def _add_tensor(writer: GGUFWriter, name: str, values: np.ndarray, config: dict) -> None:
    values = values.astype(np.float32)
    parts = name.removeprefix("model.").removesuffix(".weight").split(".")
    if parts[0] == "layers":
        inner = ".".join(parts[2:])
        written = f"blk.{parts[1]}.{NAMES[inner]}"
        if inner in ("self_attn.q_proj", "self_attn.k_proj"):
            heads = config["num_key_value_heads" if "k_proj" in inner else "num_attention_heads"]
            # llama.cpp turns neighbouring pairs of a head, transformers its two halves.
            halves = values.reshape(heads, 2, values.shape[0] // heads // 2, values.shape[1])
            values = np.ascontiguousarray(halves.swapaxes(1, 2).reshape(values.shape))
    else:
        written = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output"}[
            parts[0]
        ]
    if values.ndim == 1:
        writer.add_tensor(f"{written}.weight", values)
        return
    kind = GGMLQuantizationType.Q8_0
    writer.add_tensor(f"{written}.weight", quants.quantize(values, kind), raw_dtype=kind)
