"""A GGUF file is the model it was made from: to the bit for transformers, closely for llama.cpp."""

import numpy as np
import pytest
import torch
from gguf import GGUFValueType, RopeScalingType

import gguf_models
from weighbridge.errors import InputError
from weighbridge.models.convert import as_safetensors
from weighbridge.models.reading import read_model
from weighbridge.planning.anatomy import parameters, read_architecture
from weighbridge.sources.configs import find_config
from weighbridge.sources.gguf_config import ARCHITECTURES
from weighbridge.sources.weights import find_weights

# llama.cpp reads GELU from a table of half-precision numbers.
COARSE = ("gemma", "gpt2", "gptneox", "phi2", "starcoder2")
OTHERWISE = ("gpt-oss, yarn",)  # llama.cpp rounds YaRN's band, this model's own code doesn't
IDS = (torch.arange(3, 43) * 7 % 250 + 3)[None]


def loaded(path, cache):
    folder, _ = as_safetensors(find_weights(str(path)), cache)
    return read_model(folder, torch.float32, "cpu")[0]


def logits(model):
    with torch.no_grad():
        return model(IDS).logits[0]


@pytest.mark.parametrize("name", gguf_models.MODELS)
def test_every_architecture_is_the_model_it_was_made_from(name, tmp_path):
    source, tokenizer = gguf_models.build(name, tmp_path / "source")
    path = gguf_models.write(name, source, tokenizer, tmp_path / "model.gguf")
    model = loaded(path, tmp_path / "cache")
    assert type(model) is type(source)
    assert torch.equal(logits(model), logits(source))
    ours, theirs = model.state_dict(), source.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[n], theirs[n], atol=1e-6) for n in ours)
    found = find_config(str(path))
    loaded_parameters = sum(p.numel() for p in model.parameters())
    assert found.tensor_parameters == loaded_parameters
    if source.config.model_type in COUNTED:
        assert parameters(read_architecture(found.config, "it")) == loaded_parameters
    compare_with_llama_cpp(name, path, model)


COUNTED = ("llama", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "gemma", "gemma2",
           "gemma3_text", "phi", "phi3", "olmo", "olmo2", "olmoe", "gpt_oss", "smollm3", "gpt2",
           "gpt_neox")  # fmt: skip


def compare_with_llama_cpp(name, path, model):
    llama_cpp = pytest.importorskip("llama_cpp")
    if name in OTHERWISE:
        return
    other = llama_cpp.Llama(
        str(path), n_ctx=64, logits_all=True, verbose=False, type_k=0, type_v=0, n_threads=1
    )
    other.eval(IDS[0].tolist())
    theirs = torch.tensor(np.array(other.scores[: IDS.shape[1]]))
    gap = torch.log_softmax(logits(model).double(), -1) - torch.log_softmax(theirs.double(), -1)
    assert gap.abs().max() < (2e-2 if name.startswith(COARSE) else 1e-3)


def test_every_architecture_that_is_loaded_is_in_the_matrix():
    tried = {arch for arch, _, _ in gguf_models.MODELS.values()}
    assert tried == {name for name, found in ARCHITECTURES.items() if found.loadable}


@pytest.fixture(scope="module")
def llama(tmp_path_factory):
    return gguf_models.build("llama", tmp_path_factory.mktemp("llama") / "source")


@pytest.fixture(scope="module")
def mixtral(tmp_path_factory):
    return gguf_models.build("mixtral", tmp_path_factory.mktemp("mixtral") / "source")


F, I, B, S = (GGUFValueType.FLOAT32, GGUFValueType.UINT32, GGUFValueType.BOOL, GGUFValueType.STRING)  # fmt: skip # noqa: E501, E741


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("llama.attention.scale", 0.3, F),
        ("llama.logit_scale", 2.0, F),
        ("llama.residual_scale", 0.5, F),
        ("llama.embedding_scale", 12.0, F),
        ("llama.attn_logit_softcapping", 50.0, F),
        ("llama.final_logit_softcapping", 30.0, F),
        ("llama.attention.max_alibi_bias", 8.0, F),
        ("llama.attention.clamp_kqv", 8.0, F),
        ("llama.attention.causal", False, B),
        ("llama.attention.temperature_scale", 0.1, F),
        ("llama.attention.value_length", 8, I),
        ("llama.rope.scaling.type", "dynamic", S),
        ("llama.rope.scaling.type", "longrope", S),
        ("llama.rope.scaling.alpha", 2.0, F),
        ("llama.rope.scaling.yarn_log_multiplier", 0.1, F),
        ("llama.rope.dimension_sections", 4, I),
        ("llama.nextn_predict_layers", 1, I),
        ("llama.expert_gating_func", 2, I),
        ("llama.expert_weights_scale", 2.5, F),
        ("llama.use_parallel_residual", True, B),
        ("llama.swin_norm", True, B),
        ("llama.something_of_tomorrow", 1, I),
        ("tokenizer.ggml.pre", "pre-of-tomorrow", S),
        ("tokenizer.ggml.model", "t5", S),
        ("tokenizer.ggml.remove_extra_whitespaces", True, B),
        ("tokenizer.ggml.something_of_tomorrow", 1, I),
        ("tokenizer.ggml.add_bos_token", True, B),
        ("tokenizer.ggml.bos_token_id", 99999, I),
        ("general.type", "adapter", S),
    ],
)  # fmt: skip
def test_a_key_that_is_not_understood_is_refused_by_its_name(key, value, kind, llama, tmp_path):
    path = tmp_path / "model.gguf"
    gguf_models.write("llama", *llama, path, extra=[(key, value, kind)])
    with pytest.raises(InputError) as refused:
        loaded(path, tmp_path / "cache")
    assert key.replace("add_bos_token", "bos_token_id") in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("llama.attention.causal", True, B),
        ("llama.logit_scale", 1.0, F),
        ("llama.expert_count", 0, I),
        ("llama.rope.scaling.type", "none", S),
        ("llama.rope.scaling.finetuned", False, B),
        ("general.something_of_tomorrow", "x", S),
        ("tokenizer.ggml.fim_pre_token_id", 1, I),
    ],
)  # fmt: skip
def test_a_key_that_changes_nothing_is_let_through(key, value, kind, llama, tmp_path):
    path = tmp_path / "model.gguf"
    gguf_models.write("llama", *llama, path, extra=[(key, value, kind)])
    assert torch.equal(logits(loaded(path, tmp_path / "cache")), logits(llama[0]))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: {k: v for k, v in t.items() if k != "blk.1.ffn_up.weight"},
         "lacks 1 tensor .*layers.1.mlp.up_proj.weight"),
        (lambda t: {**t, "blk.0.attn_q.scale": np.ones(1, np.float32)}, "attn_q.scale"),
        (lambda t: {**t, "blk.0.ffn_gate_inp.weight": np.ones((4, 64), np.float32)},
         "blk.0.ffn_gate_inp.weight"),
        (lambda t: {**t, "blk.2.ffn_up.weight": t["blk.1.ffn_up.weight"]}, "layers.2.mlp.up_proj"),
        (lambda t: {**t, "blk.0.attn_q.bias": np.ones(64, np.float32)}, "q_proj.bias"),
        (lambda t: {**t, "output_norm.weight": np.full(64, np.nan, np.float32)}, "not finite"),
        (lambda t: {**t, "rope_freqs.weight": np.ones(5, np.float32)}, "has 5 factors"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_missing_or_strange_is_named(change, said, llama, tmp_path):
    path = tmp_path / "model.gguf"
    gguf_models.write("llama", *llama, path, change=change)
    with pytest.raises(InputError, match=said):
        loaded(path, tmp_path / "cache")


def test_without_its_epsilon_nothing_is_guessed(llama, tmp_path):
    path = gguf_models.write("llama", *llama, tmp_path / "model.gguf", skip=("eps",))
    assert find_config(str(path)).config["hidden_size"] == 64  # it can still be counted
    with pytest.raises(InputError, match=r"has no llama\.attention\.layer_norm_rms_epsilon"):
        loaded(path, tmp_path / "cache")


def test_factors_that_no_formula_gives_are_used_as_they_are(llama, tmp_path):
    """As ggml does: each frequency is divided by its factor."""
    factors = np.array([1, 1.5, 2, 2.25, 3, 5, 7, 11], np.float32)
    path = tmp_path / "model.gguf"
    gguf_models.write("llama", *llama, path, change=lambda t: {**t, "rope_freqs.weight": factors})
    model = loaded(path, tmp_path / "cache")
    plain = 1 / 10000.0 ** (torch.arange(0, 16, 2).float() / 16)
    frequencies = model.model.rotary_emb.inv_freq
    assert torch.allclose(frequencies, plain / torch.tensor(factors), rtol=1e-5)
    compare_with_llama_cpp("llama", path, model)


def test_experts_stored_one_by_one_are_the_same_model(mixtral, tmp_path):
    """The first Mixtral files had a tensor for each expert."""

    def one_by_one(tensors):
        for name in [n for n in tensors if "_exps" in n]:
            for expert, numbers in enumerate(tensors.pop(name)):
                tensors[name.replace("_exps", f".{expert}")] = numbers

    path = gguf_models.write("mixtral", *mixtral, tmp_path / "old.gguf", change=one_by_one)
    assert torch.equal(logits(loaded(path, tmp_path / "cache")), logits(mixtral[0]))


def test_a_mixture_with_an_expert_missing_is_refused(mixtral, tmp_path):
    path = gguf_models.write(
        "mixtral", *mixtral, tmp_path / "half.gguf",
        change=lambda t: {k: v for k, v in t.items() if k != "blk.1.ffn_gate_exps.weight"},
    )  # fmt: skip
    with pytest.raises(InputError, match=r"blk\.1\.ffn_up_exps\.weight"):
        loaded(path, tmp_path / "cache")


@pytest.mark.parametrize(
    ("key", "value"), [("llama.expert_used_count", None), ("llama.expert_gating_func", 2)]
)
def test_how_experts_are_chosen_is_not_guessed(key, value, mixtral, tmp_path):
    extra = [(key, value, I)] if value else []
    skip = () if value else ("expert_used_count",)
    path = gguf_models.write("mixtral", *mixtral, tmp_path / "m.gguf", extra=extra, skip=skip)
    with pytest.raises(InputError, match=key):
        loaded(path, tmp_path / "cache")


@pytest.mark.parametrize("name", ["phimoe", "deepseek2", "llama4"])
def test_what_is_counted_but_not_loaded_is_said(name, llama, tmp_path):
    path = gguf_models.write("llama", *llama, tmp_path / "m.gguf", arch=name)
    with pytest.raises(InputError, match=f"has the GGUF architecture {name}, whose weights"):
        loaded(path, tmp_path / "cache")


def test_the_writer_s_scaling_names_are_those_of_llama_cpp():
    assert {kind.value for kind in RopeScalingType} == {"none", "linear", "yarn", "longrope"}
