"""Adapters of others: on the model to the bit, or refused with the reason."""

import json
import shutil

import pytest
import torch
from peft import LoraConfig, PromptTuningConfig, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from tiny import CHAT_TEMPLATE, build_tiny_model, build_tokenizer
from weighbridge import patterns
from weighbridge.errors import InputError
from weighbridge.models.adapters import put_on
from weighbridge.models.open_weights import load
from weighbridge.models.protocol import Prompt
from weighbridge.models.reading import read_model
from weighbridge.records import Message
from weighbridge.sources.weights import find_weights

IDS = torch.arange(3, 35)[None]
OTHER = "{% for m in messages %}[{{ m['role'] }}]{{ m['content'] }}{% endfor %}[assistant]"


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    place = tmp_path_factory.mktemp("bases")
    build_tiny_model(place / "tied", chat_template=None, max_position_embeddings=256)
    build_tiny_model(
        place / "untied", chat_template=None, max_position_embeddings=256, tie_word_embeddings=False
    )
    return place


def adapt(base, folder, *, rows=0, tokenizer=None, config=None, **settings):
    """Save an adapter as others do; return peft's own logits with it."""
    torch.manual_seed(5)
    model = AutoModelForCausalLM.from_pretrained(base)
    if rows:
        model.resize_token_embeddings(model.config.vocab_size + rows, mean_resizing=False)
    settings = {"r": 4, "target_modules": ["q_proj", "v_proj"], "task_type": "CAUSAL_LM"} | settings
    adapted = get_peft_model(model, config or LoraConfig(**settings)).eval()
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if "lora_B" in name or "modules_to_save" in name or "trainable" in name:
                torch.nn.init.normal_(weight, std=0.2)
        adapted.peft_config["default"].base_model_name_or_path = str(base)
        adapted.save_pretrained(folder)
        if tokenizer is not None:
            tokenizer.save_pretrained(folder)
        return adapted(IDS).logits


def ours(folder):
    location = find_weights(str(folder))
    module, _ = read_model(location.path, torch.float32, "cpu")
    with torch.no_grad():
        return put_on(module, location.adapter).module(IDS).logits


def opened(folder, tmp_path):
    return load(find_weights(str(folder)), cache=tmp_path / "cache")


pytestmark = [
    pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`"),
    pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings"),
    pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing"),
]


@pytest.mark.parametrize(
    ("base", "settings"),
    [
        ("tied", {}),
        ("tied", {"use_rslora": True}),
        ("tied", {"use_dora": True}),
        ("tied", {"modules_to_save": ["lm_head"]}),
        ("tied", {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"v_proj": 3}}),
        ("tied", {"target_modules": "all-linear"}),
        ("tied", {"bias": "lora_only"}),
        ("tied", {"layers_to_transform": [1]}),
        ("untied", {"modules_to_save": ["lm_head"]}),
        ("untied", {"modules_to_save": ["embed_tokens", "lm_head"]}),
        ("untied", {"target_modules": ["embed_tokens", "lm_head", "q_proj"]}),
        ("untied", {"trainable_token_indices": [3, 4, 5]}),
    ],
)  # fmt: skip
def test_the_logits_are_those_that_peft_computes(base, settings, bases, tmp_path):
    expected = adapt(bases / base, tmp_path / "adapter", **settings)
    assert torch.equal(ours(tmp_path / "adapter"), expected)


def test_biases_alone_are_a_change(bases, tmp_path):
    """peft leaves such biases on the model when the adapter is switched off."""
    base = build_tiny_model(tmp_path / "biased", attention_bias=True)
    adapt(base, tmp_path / "adapter", bias="lora_only")
    change(
        tmp_path / "adapter",
        lambda t: {k: v + 1 if k.endswith("bias") else v * ("lora_B" not in k)
                   for k, v in t.items()},
    )  # fmt: skip
    assert len(ours(tmp_path / "adapter"))


@pytest.fixture
def good(bases, tmp_path):
    adapt(bases / "tied", tmp_path / "good")
    return tmp_path / "good"


def change(folder, mend):
    path = folder / "adapter_model.safetensors"
    tensors = mend(load_file(path))
    save_file({k: v.contiguous() for k, v in tensors.items()}, path, {"format": "pt"})


def renamed(old, new):
    return lambda tensors: {k.replace(old, new): v for k, v in tensors.items()}


FIRST = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("mend", "said"),
    [
        (renamed("base_model.model.", "base_model.model._orig_mod."),
         r"16 tensors are not on it .*_orig_mod.* saved from a wrapped model"),
        (renamed("lora_A.weight", "lora_A.mine.weight"), "adapter's own name stands in its"),
        (renamed("base_model.model.", ""), "16 tensors are not on it"),
        (renamed("base_model.model.model", "base_model.model.module.model"), "module.model"),
        (renamed("self_attn", "attention"), "without a place"),
        (renamed(".layers.1.", ".layers.7."), r"holds 4 tensors .*layers\.7.* and 4 tensors"),
        (lambda t: {k: v for k, v in t.items() if ".layers.0." in k},
         r"4 tensors are not on it as in the file \(4 tensors .*layers\.1.* stay empty"),
        (lambda t: {k: v for k, v in t.items() if k != FIRST}, r"1 tensors? .*stay empty"),
        (lambda t: {**t, "base_model.model.extra": torch.ones(3)}, "model.extra.* without a place"),
        (lambda t: {**t, FIRST: t[FIRST][:2]}, "size mismatch"),
        (lambda t: {**t, FIRST: t[FIRST] * float("nan")}, "not finite"),
        (lambda t: {k: torch.zeros_like(v) if "lora_B" in k else v for k, v in t.items()},
         "changes nothing: the logits are the base's own"),
        (lambda t: {}, "8 tensors .*stay empty"),
    ],
)  # fmt: skip
def test_tensors_that_do_not_all_fit_are_refused(mend, said, good):
    change(good, mend)
    with pytest.raises(InputError, match=said) as refused:
        ours(good)
    assert "\n" not in str(refused.value)


def configure(folder, **fields):
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"lora_alpha": 0}, "changes nothing"),
        ({"base_model_name_or_path": None}, r"names no base model \(.* is null\).*BASE\+"),
        ({"base_model_name_or_path": ""}, r"names no base model"),
        ({"base_model_name_or_path": "/elsewhere/base"}, r"names the base '/elsewhere/base'"),
        ({"target_modules": ["c_attn"]}, "Target modules .* not found in the base model"),
        ({"r": 8}, "size mismatch"),
        ({"peft_type": "SOMETHING_OF_TOMORROW"}, "kind SOMETHING_OF_TOMORROW"),
        ({"alora_invocation_tokens": [1, 2]}, "alora_invocation_tokens"),
    ],
)  # fmt: skip
def test_settings_that_can_not_be_honoured_are_named(fields, said, good):
    configure(good, **fields)
    with pytest.raises(InputError, match=said) as refused:
        ours(good)
    assert "\n" not in str(refused.value)


def test_an_adapter_of_a_wider_base_is_told_with_all_that_peft_says(good, tmp_path):
    base = build_tiny_model(tmp_path / "wide", hidden_size=128)
    configure(good, base_model_name_or_path=str(base))
    with pytest.raises(InputError, match=r"size mismatch .*layers\.1\.self_attn\.v_proj"):
        ours(good)


def test_tokens_that_are_no_text_are_not_left_out(bases, tmp_path):
    config = PromptTuningConfig(num_virtual_tokens=4, task_type="CAUSAL_LM")
    adapt(bases / "tied", tmp_path / "soft", config=config)
    with pytest.raises(InputError, match="of the kind PROMPT_TUNING"):
        ours(tmp_path / "soft")


def test_pickled_adapters_are_not_loaded_and_it_is_said_why(good):
    path = good / "adapter_model.safetensors"
    torch.save(load_file(path), good / "adapter_model.bin")
    path.unlink()
    with pytest.raises(InputError, match=r"holds adapter_model\.bin .*pickled .* never loaded"):
        find_weights(str(good))


def test_settings_of_a_newer_peft_are_in_the_run_s_notes(good, tmp_path):
    configure(good, of_tomorrow={"a": 1})
    (note,) = opened(good, tmp_path).notes
    assert "of_tomorrow" in note


def written(model):
    return model.prompts.write(Prompt(messages=(Message("user", "hi"),)))


def test_the_tokenizer_and_template_in_an_adapter_s_folder_are_used(bases, tmp_path):
    adapt(bases / "tied", tmp_path / "adapter", tokenizer=build_tokenizer(OTHER))
    assert written(opened(tmp_path / "adapter", tmp_path)) == "[user]hi[assistant]"


def test_a_template_alone_is_used_too(good, tmp_path):
    assert opened(good, tmp_path).tokenizer.chat_template is None
    (good / "chat_template.jinja").write_text(OTHER)
    assert written(opened(good, tmp_path)) == "[user]hi[assistant]"


def with_new_tokens(count=2):
    tokenizer = build_tokenizer(CHAT_TEMPLATE)
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [f"<|new{i}|>" for i in range(count)]}
    )
    return tokenizer


def test_new_tokens_are_read_with_their_rows(bases, tmp_path):
    expected = adapt(
        bases / "untied", tmp_path / "adapter", rows=2, tokenizer=with_new_tokens(),
        modules_to_save=["embed_tokens", "lm_head"],
    )  # fmt: skip
    assert torch.equal(ours(tmp_path / "adapter"), expected)
    model = opened(tmp_path / "adapter", tmp_path)
    assert model.tokenizer("<|new1|>")["input_ids"] == [len(build_tokenizer()) + 1]


def test_rows_that_peft_adds_by_itself_are_read(bases, tmp_path):
    expected = adapt(bases / "tied", tmp_path / "adapter", rows=2, tokenizer=with_new_tokens())
    assert torch.equal(ours(tmp_path / "adapter"), expected)


def test_new_tokens_without_rows_are_refused_with_the_reason(bases, tmp_path):
    adapt(bases / "tied", tmp_path / "adapter", tokenizer=with_new_tokens())
    with pytest.raises(InputError, match=r"has 2 tokens more than the base .* has \d+ rows"):
        opened(tmp_path / "adapter", tmp_path)


def test_new_rows_of_the_embedding_alone_are_refused(bases, tmp_path):
    adapt(
        bases / "untied", tmp_path / "adapter", rows=2, tokenizer=with_new_tokens(),
        modules_to_save=["embed_tokens", "lm_head"],
    )  # fmt: skip
    change(
        tmp_path / "adapter",
        lambda t: {k: v[:-2] if "lm_head" in k else v for k, v in t.items()},
    )
    with pytest.raises(InputError, match="holds no rows of lm_head for the new ones"):
        ours(tmp_path / "adapter")


def test_a_tokenizer_of_another_model_is_refused(good, tmp_path):
    other = build_tokenizer()
    state = json.loads(other.backend_tokenizer.to_str())
    vocabulary = state["model"]["vocab"]
    vocabulary["A"], vocabulary["B"] = vocabulary["B"], vocabulary["A"]
    other.save_pretrained(good)
    (good / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(InputError, match=r"reads '[AB]' as token \d+, the base's as \d+"):
        opened(good, tmp_path)


def test_a_folder_without_settings_is_named(good, tmp_path):
    shutil.copy(good / "adapter_model.safetensors", tmp_path)
    with pytest.raises(InputError, match=r"has no adapter_config\.json"):
        find_weights("smollm2-135m", adapter=tmp_path)
    (good / "adapter_config.json").write_text("[]")
    with pytest.raises(InputError, match="names no base model"):
        find_weights(str(good))


@pytest.mark.parametrize(
    "fields",
    [
        {"target_modules": "(.*.*.*.*.*.*.*.*.*)*x"},
        {"exclude_modules": "(([a-z_.]+)+)+0"},
        {"modules_to_save": ["(([a-z_.0-9]+)+)+!"]},
        {"layers_pattern": ["(([a-z_.0-9]+)+)+!"]},
        {"rank_pattern": {"(([a-z_.0-9]+)+)+!": 8}},
        {"alpha_pattern": {"(([a-z_.0-9]+)+)+!": 8}},
        {"target_modules": "(q_proj"},
    ],
    ids=lambda fields: f"{next(iter(fields))}, {len(str(fields))}",
)
def test_a_pattern_in_its_settings_that_does_not_end_is_named(fields, good, tmp_path, monkeypatch):
    monkeypatch.setattr(patterns, "SECONDS", 0.2)
    mended = shutil.copytree(good, tmp_path / "mended")
    settings = json.loads((mended / "adapter_config.json").read_text()) | fields
    (mended / "adapter_config.json").write_text(json.dumps(settings))
    with pytest.raises(InputError) as refused:
        ours(mended)
    said = str(refused.value)
    assert f"adapter_config.json: {next(iter(fields))} = " in said and "\n" not in said
    assert "did not come to an end" in said or "a regular expression" in said


def test_a_pattern_in_its_settings_that_ends_is_used(bases, tmp_path):
    expected = adapt(bases / "tied", tmp_path / "a", target_modules=r".*\.(q|v)_proj")
    assert torch.equal(ours(tmp_path / "a"), expected)
