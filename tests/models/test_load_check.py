"""What is loaded is what is in the files: by name, by shape, and in numbers."""

import json
import math
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from tiny import build_tiny_model, build_tokenizer
from weighbridge.errors import InputError
from weighbridge.models.open_weights import load
from weighbridge.models.protocol import Prompt, ScoreRequest
from weighbridge.models.reading import digest_tensors
from weighbridge.sources.weights import find_weights

UP = "model.layers.1.mlp.up_proj.weight"


@pytest.fixture(scope="module")
def untied(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("untied") / "m", tie_word_embeddings=False)


@pytest.fixture
def folder(untied, tmp_path):
    return shutil.copytree(untied, tmp_path / "copy")


def load_it(folder):
    return load(find_weights(str(folder)), cache=folder.parent / "cache")


def change(folder, mend):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tensors = mend(tensors) or tensors
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"format": "pt"})


def configure(folder, **fields):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def without(name):
    return lambda tensors: {k: v for k, v in tensors.items() if k != name}


def renamed(old, new):
    return lambda tensors: {k.replace(old, new): v for k, v in tensors.items()}


def filled(name, value, rows=slice(None)):
    def mend(tensors):
        tensors[name][rows] = value

    return mend


def cast(name, dtype):
    return lambda tensors: {**tensors, name: tensors[name].to(dtype)}


@pytest.mark.parametrize(
    ("mend", "said"),
    [
        (without(UP), rf"lacks 1 tensor \({UP}\)"),
        (without("lm_head.weight"), r"lacks 1 tensor \(lm_head\.weight\)"),
        (without("model.norm.weight"), "lacks 1 tensor"),
        (renamed("mlp.up_proj", "mlp.w3"), r"lacks 2 tensors \(model.layers.0.mlp.up_proj"),
        (renamed("model.", "module.model."), "lacks 20 tensors"),
        (lambda t: {**t, "model.layers.0.mlp.bias": torch.ones(4)}, "has no place"),
        (lambda t: {**t, "extra": torch.ones(4)}, r"holds 1 tensor \(extra\)"),
        (lambda t: {**t, UP: t[UP][:-32]}, rf"{UP} is 64 x 64 in the file and 96 x 64 in"),
        (lambda t: {**t, UP: t[UP].T}, rf"{UP} is 64 x 96 in the file and 96 x 64 in"),
        (filled(UP, float("nan")), rf"6,144 of 6,144 numbers of {UP} are not finite"),
        (filled(UP, float("inf"), 3), rf"64 of 6,144 numbers of {UP} are not finite"),
        (filled("lm_head.weight", float("nan"), 3), "lm_head.weight are not finite"),
        (filled("model.embed_tokens.weight", float("nan")), "embed_tokens.weight are not finite"),
        (cast(UP, torch.int8), rf"stores {UP} as I8, and its config.json has no quantization"),
        (cast(UP, torch.float8_e4m3fn), rf"stores {UP} as F8_E4M3"),
        (cast(UP, torch.uint8), rf"stores {UP} as U8"),
    ],
)  # fmt: skip
def test_a_tensor_that_is_missing_strange_or_broken_is_named(mend, said, folder):
    change(folder, mend)
    with pytest.raises(InputError, match=said) as refused:
        load_it(folder)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"num_hidden_layers": 3}, r"lacks 9 tensors \(model\.layers\.2"),
        ({"num_hidden_layers": 1}, r"holds 9 tensors \(model\.layers\.1"),
        ({"vocab_size": 640}, r"lm_head\.weight is \d+ x 64 in the file and 640 x 64 .*and 1 more"),
        ({"attention_bias": True}, r"lacks 8 tensors \(model\.layers\.0\.self_attn\.k_proj\.bias"),
        ({"intermediate_size": 128}, "is 64 x 96 in the file and 64 x 128"),
        ({"model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"]}, "lacks 6 tensors"),
        ({"model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"]}, "lacks 4 tensors"),
    ],
)  # fmt: skip
def test_a_configuration_of_another_model_is_refused(fields, said, folder):
    configure(folder, **fields)
    with pytest.raises(InputError, match=said):
        load_it(folder)


@pytest.mark.parametrize(
    "fields",
    [{"attn_logit_softcapping": 30.0}, {"logits_scaling": 8.0}, {"query_pre_attn_scalar": 64}],
)
def test_a_field_that_the_architecture_ignores_is_refused_where_it_would_change_numbers(
    fields, folder
):
    configure(folder, **fields)
    with pytest.raises(InputError, match=f"{next(iter(fields))} = .* for llama models ignores"):
        load_it(folder)


def test_a_field_that_changes_nothing_is_let_through(folder):
    plain = load_it(folder).ref.weights_digest
    configure(folder, logits_scaling=1.0, attn_logit_softcapping=None)
    assert load_it(folder).ref.weights_digest == plain


def shard(folder, parts=2):
    """Store the weights as shards with an index, as the Hub does."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    listed, names = {}, sorted(tensors)
    for part in range(parts):
        file = f"model-{part + 1:05}-of-{parts:05}.safetensors"
        held = names[part::parts]
        save_file({n: tensors[n] for n in held}, folder / file, {"format": "pt"})
        listed |= dict.fromkeys(held, file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": listed}))
    return index, listed


def test_shards_are_the_same_model(folder, untied):
    shard(folder, 3)
    assert load_it(folder).ref.weights_digest == load_it(untied).ref.weights_digest


def spoil_shards(folder, how):
    index, listed = shard(folder)
    last = folder / "model-00002-of-00002.safetensors"
    if how == "missing":
        last.unlink()
    elif how == "cut":
        last.write_bytes(last.read_bytes()[:-10])
    elif how == "twice":
        save_file({**load_file(last), "lm_head.weight": torch.ones(4)}, last, {"format": "pt"})
    elif how == "not listed":
        del listed[UP]
        index.write_text(json.dumps({"weight_map": listed}))
    elif how == "listed, not there":
        index.write_text(
            json.dumps({"weight_map": {**listed, "x": "model-00001-of-00002.safetensors"}})
        )
    elif how == "stray":
        shutil.copy(last, folder / "model-00003-of-00003.safetensors")
    elif how == "both":
        shutil.copy(last, folder / "model.safetensors")
    elif how == "outside":
        index.write_text(json.dumps({"weight_map": {"x": "../model.safetensors"}}))
    elif how == "no index":
        index.unlink()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("missing", "lacks model-00002-of-00002.safetensors, which model.safetensors.index.json"),
        ("cut", "model-00002-of-00002.safetensors can't be loaded"),
        ("twice", "lm_head.weight stands in model-00001-of-00002.safetensors and in model-00002"),
        ("not listed", rf"holds {UP}, which stands nowhere by"),
        ("listed, not there", "x is not in model-00001-of-00002.safetensors"),
        ("stray", "holds model-00003-of-00003.safetensors, which .* does not name"),
        ("both", "holds model.safetensors and, by .*, model-00001"),
        ("outside", r"points to \.\./model\.safetensors"),
        ("no index", "expected model.safetensors, or model.safetensors.index.json"),
    ],
)  # fmt: skip
def test_shards_that_do_not_make_a_model_are_named(how, said, folder):
    spoil_shards(folder, how)
    with pytest.raises(InputError, match=said):
        load_it(folder)


def test_a_head_that_should_be_tied_and_is_not_is_part_of_the_digest(folder):
    configure(folder, tie_word_embeddings=True)
    first = load_it(folder)
    stored = load_file(folder / "model.safetensors")["lm_head.weight"]
    assert torch.equal(first.module.lm_head.weight, stored)
    change(folder, lambda t: {**t, "lm_head.weight": t["lm_head.weight"] * 2})
    assert load_it(folder).ref.weights_digest != first.ref.weights_digest


def test_a_row_of_the_embedding_that_no_text_needs_may_be_anything(folder):
    change(folder, filled("model.embed_tokens.weight", float("nan"), 5))
    model = load_it(folder)
    assert model.module.get_input_embeddings().weight[5].isnan().all()
    prompt = Prompt(text="A")
    assert 5 not in model.tokenizer("A B")["input_ids"]
    (found,) = model.score([ScoreRequest("one", prompt, (" B",))])
    assert math.isfinite(found.logprobs[0]) and model.notes == ()


@pytest.mark.parametrize(
    ("names", "value"),
    [((UP,), 0.0), ((UP,), 0.5), ((UP, "model.layers.1.self_attn.o_proj.weight"), 0.0)],
)
def test_a_matrix_of_one_number_is_named_in_the_notes(folder, names, value):
    for name in names:
        change(folder, filled(name, value))
    (note,) = load_it(folder).notes
    assert note.startswith("All numbers are the same in ") and all(name in note for name in names)


def test_vectors_of_one_number_and_almost_equal_matrices_are_nothing_to_note(folder):
    change(folder, filled("model.layers.0.input_layernorm.weight", 1.0))
    change(folder, filled(UP, 0.0, slice(1, None)))
    change(folder, lambda t: {**t, UP: t[UP] + (torch.arange(t[UP].numel()) == 70).view_as(t[UP])})
    assert load_it(folder).notes == ()


def test_tables_that_older_versions_saved_are_let_through(folder):
    table = "model.layers.0.self_attn.rotary_emb.inv_freq"
    change(folder, lambda tensors: {**tensors, table: torch.ones(8)})
    assert load_it(folder).notes == ()


def save_random(folder, config, cls):
    torch.manual_seed(3)
    tokenizer = build_tokenizer()
    config.vocab_size = len(tokenizer)
    cls(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_layers_that_predict_further_tokens_are_left_out_and_said(tmp_path):
    """GLM-4.5's last layer, which transformers declares that it leaves out, by its number."""
    from transformers import Glm4MoeConfig, Glm4MoeForCausalLM

    config = Glm4MoeConfig(
        hidden_size=32, intermediate_size=48, moe_intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, n_routed_experts=4, num_experts_per_tok=2,
        first_k_dense_replace=1, head_dim=8,
    )  # fmt: skip
    folder = save_random(tmp_path / "glm", config, Glm4MoeForCausalLM)
    ahead = {f"model.layers.46.{n}": torch.ones(32) for n in ("enorm.weight", "mlp.x.weight")}
    change(folder, lambda tensors: {**tensors, **ahead})
    (note,) = load_it(folder).notes
    assert "leaves out of a Glm4MoeForCausalLM are not used: 2 tensors (model.layers.46.en" in note
    change(folder, lambda tensors: {k: v for k, v in tensors.items() if "enorm" not in k})
    with pytest.raises(InputError, match=r"holds 1 tensor \(model\.layers\.46\.mlp\.x\.weight\)"):
        load_it(folder)


def test_gpt_2_s_masks_are_tables_and_its_biases_are_not(tmp_path):
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_embd=32, n_layer=1, n_head=2, n_positions=64)
    folder = save_random(tmp_path / "gpt2", config, GPT2LMHeadModel)
    mask = torch.ones(1, 1, 64, 64, dtype=torch.uint8)
    change(folder, lambda tensors: {**tensors, "transformer.h.0.attn.bias": mask})
    assert load_it(folder).notes == ()
    # By its own words transformers leaves this one out, too: the pattern has no beginning.
    extra = {"transformer.h.1.attn.c_attn.bias": torch.ones(96)}
    change(folder, lambda tensors: {**tensors, **extra})
    with pytest.raises(InputError, match=r"for which a GPT2LMHeadModel .* has no place"):
        load_it(folder)


@pytest.mark.parametrize("at", [0, 1 << 17, (1 << 17) - 1, 299_999])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_digest_sees_one_number_that_is_none_wherever_it_stands(at, number):
    whole, broken = torch.ones(300_000), torch.ones(300_000)
    broken[at] = number
    finite: set[int] = set()
    seen = digest_tensors({"a": whole, "b": broken}, finite)
    assert finite == {id(whole)}
    assert seen == digest_tensors({"a": whole, "b": broken})  # looking changes no digest
