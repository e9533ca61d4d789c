"""What would be written of each architecture is what an independent writer has.

`gguf_models` writes the same models by llama.cpp's own map of names and the rules of its converter.
"""

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Kind
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

import gguf_models
from tiny import build_tokenizer
from weighbridge.errors import InputError, UnknownName
from weighbridge.models.gguf_pretokenizers import PRE_TOKENIZERS, as_tokenizers
from weighbridge.models.gguf_tensors import read_tensor
from weighbridge.models.gguf_tokenizer import tokenizer_of_gguf
from weighbridge.sources.gguf_config import ARCHITECTURES as READ
from weighbridge.sources.gguf_header import GgufHeader, read_gguf_header
from weighbridge.tuning.gguf_export import agreement, tokens
from weighbridge.tuning.gguf_export.keys import ARCHITECTURES, add_keys, architecture_of, fields_of
from weighbridge.tuning.gguf_export.storing import as_stored, stored
from weighbridge.tuning.gguf_export.tensors import file_tensors
from weighbridge.tuning.gguf_export.tokens import add_tokenizer
from weighbridge.tuning.gguf_export.writing import plan_file, write_file

QUICK = ("llama", "llama 3.1", "gemma3")


def planned(module, tokenizer, wanted=Kind.F32, **changes):
    config = {**fields_of(module.config), **changes}
    writer = gguf.GGUFWriter(None, architecture_of(config).architecture)
    rows = module.get_input_embeddings().weight.shape[0]
    add_keys(writer, config, rows)
    add_tokenizer(writer, tokenizer, rows, [tokenizer.eos_token_id])
    return plan_file(writer, file_tensors(module, config), wanted)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in gguf_models.MODELS],
)
def test_each_architecture_is_written_as_llama_cpp_s_converter_does(name, tmp_path):
    module, tokenizer = gguf_models.build(name, tmp_path / "source")
    path = gguf_models.write(name, module, tokenizer, tmp_path / "theirs.gguf")
    theirs = read_gguf_header(path, lists=True)
    plan = planned(module, tokenizer)
    ours = plan.header()
    for key, value in theirs.fields.items():
        if key.startswith("tokenizer.ggml.pre") or key == "general.quantization_version":
            continue
        assert agreement._equal(ours.fields.get(key), value), key
    assert dict(ours.tensors) == dict(theirs.tensors)
    for tensor in plan.tensors:
        numbers, found = tensor.numbers(), read_tensor(theirs, tensor.name)
        assert np.allclose(numbers, found, rtol=1e-6 if tensor.is_table else 0, atol=0), tensor.name
    read = agreement.require_settings(module.config, ours, name)
    agreement.require_names(ours, read, set(agreement.own_tensors(module)))
    agreement.require_tokens(tokenizer, ours, name)


def test_every_architecture_that_is_read_is_written():
    assert {one.architecture for one in ARCHITECTURES.values()} == {
        name for name, found in READ.items() if found.loadable
    }


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return gguf_models.build("llama", tmp_path_factory.mktemp("llama"))


@pytest.mark.parametrize("wanted", [Kind.F16, Kind.Q8_0])
def test_numbers_are_rounded_as_their_type_has_it(wanted, llama, tmp_path):
    plan = planned(*llama, wanted)
    write_file(plan, tmp_path / "model.gguf")
    found = agreement.require_stored(
        tmp_path / "model.gguf", plan.tensors, plan.kinds, plan.header()
    )
    for tensor in plan.tensors:
        numbers, read = tensor.numbers(), read_tensor(found, tensor.name)
        if len(tensor.shape) == 1:
            assert found.types[tensor.name] == "F32" and np.array_equal(numbers, read)
            continue
        assert found.types[tensor.name] == wanted.name
        if wanted == Kind.F16:
            assert np.array_equal(read, numbers.astype(np.float16).astype(np.float32))
        else:
            blocks = np.abs(numbers.reshape(-1, 32)).max(-1, keepdims=True)
            gap = np.abs((numbers - read).reshape(-1, 32))
            assert (gap <= blocks * (0.5 / 127 + 2**-10)).all()


def test_a_number_beyond_half_precision_is_refused_by_its_tensor_s_name(llama):
    module, tokenizer = llama
    tensor = next(t for t in planned(module, tokenizer).tensors if t.name == "blk.0.ffn_up.weight")
    weight = module.model.layers[0].mlp.up_proj.weight
    before = weight[0, 0].item()
    try:
        with torch.no_grad():
            weight[0, 0] = 1e5
        with pytest.raises(InputError, match=r"blk.0.ffn_up.weight holds 1e\+05"):
            stored(tensor, Kind.F16)
        assert as_stored(stored(tensor, Kind.Q8_0), Kind.Q8_0).max() == pytest.approx(1e5, rel=0.01)
    finally:
        with torch.no_grad():
            weight[0, 0] = before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hidden_act": "gelu"}, "hidden_act = 'gelu'"),
        ({"rope_parameters": {"rope_type": "dynamic", "rope_theta": 1e4}}, "dynamic"),
        ({"model_type": "mistral", "sliding_window": 64}, "sliding_window 64"),
        ({"model_type": "gemma2", "tie_word_embeddings": False}, "llama.cpp takes the embeddings"),
    ],
)  # fmt: skip
def test_what_gguf_cannot_express_is_refused_by_name(change, said, llama):
    module, tokenizer = llama
    before = dict(module.config.__dict__)
    try:
        with pytest.raises(InputError, match=said):
            plan = planned(module, tokenizer, **change)
            module.config.hidden_act = change.get("hidden_act", module.config.hidden_act)
            agreement.require_settings(module.config, plan.header(), "it")
    finally:
        module.config.__dict__.update(before)


def test_a_model_type_that_our_reader_does_not_read_is_refused_by_name():
    with pytest.raises(UnknownName, match="unknown model type for GGUF 'mamba'"):
        architecture_of({"model_type": "mamba"})


def test_the_probe_tells_all_cuts_apart():
    """Where it didn't, a tokenizer could be given the name of another one's cut."""
    cuts = {name: tokens._cut(as_tokenizers(pre)) for name, pre in PRE_TOKENIZERS.items()}
    for name, pre in PRE_TOKENIZERS.items():
        for other, known in PRE_TOKENIZERS.items():
            assert (cuts[name] == cuts[other]) == (pre.splits == known.splits), (name, other)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda b: setattr(b, "normalizer", normalizers.Lowercase()), "normaliser"),
        (lambda b: setattr(b, "pre_tokenizer", pre_tokenizers.Whitespace()), "no name for"),
        (
            lambda b: setattr(b, "post_processor", processors.TemplateProcessing(
                single="<|start|> <|start|> $A", special_tokens=[("<|start|>", 1)])),
            "one BOS and one EOS",
        ),
        (lambda b: b.add_special_tokens([AddedToken("<|wide|>", lstrip=True)]), "other ids"),
    ],
    ids=["normaliser", "cut", "ends", "blanks"],
)  # fmt: skip
def test_a_tokenizer_that_gguf_cannot_express_is_refused(spoil, said, llama):
    module, _ = llama
    tokenizer = build_tokenizer()
    spoil(tokenizer.backend_tokenizer)
    module.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with pytest.raises(InputError, match=said):
        agreement.require_tokens(tokenizer, planned(module, tokenizer).header(), "it")


def test_rows_beyond_the_tokenizer_are_filled_up_and_more_tokens_than_rows_refused(llama):
    module, tokenizer = llama
    rows = len(tokenizer)
    module.resize_token_embeddings(rows + 3, mean_resizing=False)
    header = planned(module, tokenizer).header()
    assert header.fields["tokenizer.ggml.tokens"][-3:] == [f"[PAD{rows + n}]" for n in range(3)]
    agreement.require_tokens(tokenizer, header, "it")
    module.resize_token_embeddings(rows - 1, mean_resizing=False)
    with pytest.raises(InputError, match="a row for each token"):
        planned(module, tokenizer)
    module.resize_token_embeddings(rows, mean_resizing=False)


SPM = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), "▁", "a", "b", "c", "t", "h",
       "e", "▁t", "he", "▁the", "ab", "▁a", "▁▁", "abc", "the", "1", "."]  # fmt: skip


@pytest.mark.parametrize("spaced", [True, False])
@pytest.mark.parametrize("bos", [True, False])
def test_sentencepiece_comes_back_with_its_merges_as_scores(spaced, bos):
    fields = {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": SPM,
        "tokenizer.ggml.scores": [-float(index) for index in range(len(SPM))],
        "tokenizer.ggml.token_type": [2, 3, 3, *[6] * 256, *[1] * (len(SPM) - 259)],
        "tokenizer.ggml.add_space_prefix": spaced,
        "tokenizer.ggml.add_bos_token": bos,
    }
    tokenizer = tokenizer_of_gguf(GgufHeader(fields, {}, {}, {}, ()), "it")
    writer = gguf.GGUFWriter(None, "llama")
    add_tokenizer(writer, tokenizer, len(SPM) + 2, [2])
    header = plan_file(writer, [], Kind.F32).header()
    assert header.fields["tokenizer.ggml.add_space_prefix"] is spaced
    assert header.fields["tokenizer.ggml.add_bos_token"] is bos
    kinds = header.fields["tokenizer.ggml.token_type"]
    assert kinds[:5] == [2, 3, 3, 6, 6] and kinds[-3:] == [1, 5, 5]
    back, _ = agreement.require_tokens(tokenizer, header, "it")
    assert back.tokenize("the abc") == tokenizer.tokenize("the abc")


def test_merges_that_scores_cannot_say_are_refused():
    """SentencePiece's merges are all pairs that make a token; a list that lacks one is another."""
    vocabulary = {text: index for index, text in enumerate(SPM)}
    merges = [("h", "e"), ("▁", "t"), ("▁t", "he"), ("a", "b"), ("ab", "c"), ("t", "he")]
    backend = Tokenizer(
        models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    )
    backend.normalizer = normalizers.Replace(" ", "▁")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>"
    )
    writer = gguf.GGUFWriter(None, "llama")
    add_tokenizer(writer, tokenizer, len(SPM), [2])
    with pytest.raises(InputError, match="merges don't come back"):
        agreement.require_tokens(tokenizer, plan_file(writer, [], Kind.F32).header(), "it")


def test_other_ids_in_llama_cpp_are_refused_or_told_where_no_file_can_help():
    tokenizer = build_tokenizer()
    texts = agreement.peer_texts([tokens.PROBE, "plain text"])
    own = tokenizer(texts, add_special_tokens=False)["input_ids"]
    assert agreement.require_peer_ids(tokenizer, texts, own, "it") == ()
    not_composed = [[9], *own[1:]]
    (note,) = agreement.require_peer_ids(tokenizer, texts, not_composed, "it")
    assert "doesn't compose" in note
    (note,) = agreement.require_peer_ids(tokenizer, texts, [[9], own[1], own[2][:-3]], "it")
    assert "unusual text" in note
    with pytest.raises(InputError, match="in it, gives 'plain text' other ids from token 2 on"):
        agreement.require_peer_ids(tokenizer, texts, [own[0], own[1][:2], own[2]], "it")
