"""Sizes of a GGUF file that can't be, or that its tensors don't have: said of the file itself."""

import pytest
from gguf import GGUFValueType

import gguf_models
from weighbridge.errors import InputError
from weighbridge.models.open_weights import load
from weighbridge.sources.weights import find_weights

UINT, FLOAT = GGUFValueType.UINT32, GGUFValueType.FLOAT32


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return gguf_models.build("llama", tmp_path_factory.mktemp("llama"))


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("attention.head_count_kv", 0, "head_count_kv = 0; expected a whole number above 0"),
        ("attention.head_count_kv", 3, "head_count_kv = 3; expected a divisor of the 4 heads"),
        ("attention.head_count", 0, "head_count = 0; expected a whole number above 0"),
        ("context_length", 0, "context_length = 0; expected a whole number above 0"),
        ("block_count", 0, "block_count = 0; expected a whole number above 0"),
        ("attention.head_count_kv", 4, r"k_proj.weight is 32 x 64 .* its metadata describe"),
        ("feed_forward_length", 97, r"its metadata describe"),
        ("block_count", 1, r"of its metadata has no place"),
        ("block_count", 3, r"of its metadata has"),
    ],
)
def test_a_size_is_refused_by_the_file_s_name(source, tmp_path, key, value, said):
    path = tmp_path / "m.gguf"
    gguf_models.write("llama", *source, path, extra=[(f"llama.{key}", value, UINT)])
    with pytest.raises(InputError, match=said) as caught:
        load(find_weights(str(path)), cache=tmp_path / "cache")
    assert str(path) in caught.value.saw
    assert "config.json" not in str(caught.value)


def test_more_heads_than_a_tensor_has_rows_is_one_line(source, tmp_path):
    path = tmp_path / "m.gguf"
    heads = [(f"llama.attention.{key}", 64, UINT) for key in ("head_count", "head_count_kv")]
    turned = ("llama.rope.dimension_count", 1, UINT)
    gguf_models.write("llama", *source, path, extra=[*heads, turned])
    with pytest.raises(InputError, match=r"blk.0.attn_[qk].weight of shape .* can't be model"):
        load(find_weights(str(path)), cache=tmp_path / "cache")


@pytest.mark.parametrize("base", [0.0, -1.0, float("nan")])
def test_a_rotary_base_that_gives_no_numbers(source, tmp_path, base):
    path = tmp_path / "m.gguf"
    gguf_models.write("llama", *source, path, extra=[("llama.rope.freq_base", base, FLOAT)])
    with pytest.raises(InputError, match=r"rope.freq_base|logits that are not finite"):
        load(find_weights(str(path)), cache=tmp_path / "cache").network.check()
