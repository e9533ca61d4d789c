"""Token ids of GGUF files are llama.cpp's: golden ones for every pre-tokenizer, and real files'."""

import json
from pathlib import Path

import gguf
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from weighbridge.errors import InputError
from weighbridge.models.gguf_pretokenizers import PRE_TOKENIZERS
from weighbridge.models.gguf_tokenizer import end_token_ids, tokenizer_of_gguf
from weighbridge.sources.gguf_header import read_gguf_header
from weighbridge.sources.packages import package_file
from weighbridge.sources.weights import ALIASES

GOLDEN = Path(__file__).with_name("pretokenizer_golden_ids.json")
TEXTS = [
    "\n    1", "\n   12 + 345 = 6789", "x1 2  3   4\t5\n\n6", "1234567890 12,345.67 1e-5 0x1F",
    "don't DON'T I'll we'VE it's", "Hello, World!!! (yes) [no] {maybe}",
    "A été naïve ½ ² ३ ४५६", "漢字かな交じり文 123 テスト", 
    "def f(x):\n    return x**2  # ok\n\n\n\tif",
    "  leading and trailing  ", "a_b-c.d/e\\f $5.00 €3,50 100%", "ALLCAPS CamelCase mixedCase",
    "Привет мир, 42", "मरहबा हिन्दी १२", "\n\n\n  \n x", "tabs\t\tand   spaces\u00a0no\u2003em",
    "'quoted' \"double\" `tick` ~ ^ | < > = +", "http://x.y/z?q=1&r=2#s", "end.", "  ",
    "a  b   c    d", "ab\n", "<|start|>user\nhi 1<|end|>",
]  # fmt: skip
# Where llama.cpp's pattern is not that of the model's own tokenizer.json: it has no marks in the
# words of these three, and cuts no wide blank out of a word as the fourth's range of CJK does.
MARKS, WIDE = ("मरहबा हिन्दी १२",), ("tabs\t\tand   spaces\u00a0no\u2003em",)
APART = {"gpt-4o": MARKS, "llama4": MARKS, "tekken": MARKS, "deepseek-coder": WIDE}


@pytest.fixture(scope="module")
def vocabulary():
    """Byte pairs learnt over whole texts, so that merges reach over every place of a cut."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=1400, min_frequency=1, show_progress=False,
        special_tokens=["<|pad|>", "<|start|>", "<|end|>"],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )  # fmt: skip
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return json.loads(tokenizer.to_str())["model"]


def write_vocabulary(path, model, pre, **flags):
    writer = gguf.GGUFWriter(path, "llama")
    for add in ("context_length", "embedding_length", "block_count", "feed_forward_length",
                "head_count"):  # fmt: skip
        getattr(writer, f"add_{add}")(32)
    writer.add_layer_norm_rms_eps(1e-5)
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    kinds = [
        gguf.TokenType.CONTROL if t.startswith("<|") else gguf.TokenType.NORMAL for t in tokens
    ]
    writer.add_tokenizer_model("gpt2")
    if pre:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([int(kind) for kind in kinds])
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in model["merges"]])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for flag, value in flags.items():
        getattr(writer, f"add_{flag}")(value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def ours(path):
    return tokenizer_of_gguf(read_gguf_header(path, lists=True), str(path))


def theirs(path):
    llama_cpp = pytest.importorskip("llama_cpp")
    model = llama_cpp.Llama(str(path), vocab_only=True, verbose=False)
    return lambda text: model.tokenize(text.encode(), add_bos=True, special=True)


@pytest.mark.parametrize("pre", sorted(PRE_TOKENIZERS))
def test_each_pre_tokenizer_gives_its_golden_ids(pre, vocabulary, tmp_path):
    tokenizer = ours(write_vocabulary(tmp_path / "v.gguf", vocabulary, pre))
    golden = json.loads(GOLDEN.read_text())
    assert tokenizer(TEXTS)["input_ids"] == golden["ids"][golden["cuts"][pre]]


@pytest.mark.parametrize("pre", sorted(PRE_TOKENIZERS))
def test_each_pre_tokenizer_is_llama_cpp_s(pre, vocabulary, tmp_path):
    path = write_vocabulary(tmp_path / "v.gguf", vocabulary, pre)
    tokenizer, other = ours(path), theirs(path)
    texts = [text for text in TEXTS if text not in APART.get(pre, ())]
    assert [tokenizer(text)["input_ids"] for text in texts] == [other(text) for text in texts]


@pytest.mark.parametrize(
    ("bos", "eos"), [(False, False), (True, False), (False, True), (True, True)]
)
def test_flags_for_the_ends_of_a_text_are_honoured(bos, eos, vocabulary, tmp_path):
    path = write_vocabulary(
        tmp_path / "v.gguf", vocabulary, "llama-bpe", add_bos_token=bos, add_eos_token=eos
    )
    ids = ours(path)("a text")["input_ids"]
    assert (ids[0] == 1, ids[-1] == 2) == (bos, eos)
    assert ids == theirs(path)("a text")


def test_a_file_that_names_no_pre_tokenizer_is_cut_as_llama_cpp_does(vocabulary, tmp_path):
    path = write_vocabulary(tmp_path / "v.gguf", vocabulary, None)
    tokenizer, other = ours(path), theirs(path)
    assert [tokenizer(text)["input_ids"] for text in TEXTS] == [other(text) for text in TEXTS]


def real(alias):
    path = package_file(ALIASES[alias].package, ALIASES[alias].file)
    if path is None:
        pytest.skip(f"weights are not installed: {ALIASES[alias].get_it}")
    return path


def test_smollm2_splits_digits_before_anything_else():
    """As its tokenizer.json has it: digits one by one, then GPT-2's pattern."""
    tokenizer = ours(real("smollm2-135m"))
    assert tokenizer.tokenize("\n    1") == ["ĊĠĠĠĠ", "1"]
    assert tokenizer.tokenize("x = 12 + 3") == ["x", "Ġ=", "Ġ", "1", "2", "Ġ+", "Ġ", "3"]


def test_smollm2_s_ids_are_llama_cpp_s():
    path = real("smollm2-135m")
    tokenizer, other = ours(path), theirs(path)
    texts = [*TEXTS, "<|im_start|>user\n  12 a<|im_end|>\n"]
    assert [tokenizer(text)["input_ids"] for text in texts] == [other(text) for text in texts]
    assert {0, 2} <= set(end_token_ids(read_gguf_header(path, lists=True)))


SPM = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "▁", "a", "b", "c", "t", "h",
       "e", "▁t", "he", "▁the", "ab", "▁a", "▁▁", "abc", "the", "1", "."]  # fmt: skip


@pytest.mark.parametrize("spaced", [True, False])
def test_sentencepiece_s_pairs_are_llama_cpp_s(spaced, tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "v.gguf", "llama")
    for add in ("context_length", "embedding_length", "block_count", "feed_forward_length",
                "head_count"):  # fmt: skip
        getattr(writer, f"add_{add}")(32)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(SPM)
    writer.add_token_scores([-float(i) for i in range(len(SPM))])
    writer.add_token_types([2, 3, 3, *[6] * 256, *[1] * (len(SPM) - 259)])
    writer.add_add_space_prefix(spaced)
    for step in ("header", "kv_data", "tensors"):
        getattr(writer, f"write_{step}_to_file")()
    writer.close()
    path = tmp_path / "v.gguf"
    tokenizer, other = ours(path), theirs(path)
    texts = ["the abc", " the  abc", "a été 1.", "abcab the\n\n", "<s>the</s>abc", "  "]
    assert [tokenizer(text)["input_ids"] for text in texts] == [other(text) for text in texts]
    for text in ("the abc.", "a été 1."):
        assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text


def test_a_vocabulary_that_lists_a_token_twice_is_refused(vocabulary, tmp_path):
    doubled = {"vocab": {**vocabulary["vocab"]}, "merges": ["never there"]}
    path = write_vocabulary(tmp_path / "v.gguf", doubled, "gpt-2")
    with pytest.raises(InputError, match="merges do not fit"):
        ours(path)
