"""The same tensors under other settings are another model, and never taken for the first one."""

import json
import shutil

import pytest
import torch

from tiny import build_tiny_model, build_tokenizer
from weighbridge.models.open_weights import load
from weighbridge.models.settings_digest import settings_digest
from weighbridge.sources.weights import find_weights

# peft warns, for its own developers and of tied embeddings, while these adapters are made.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return build_tiny_model(tmp_path_factory.mktemp("plain") / "m", num_hidden_layers=2)


@pytest.fixture
def folder(plain, tmp_path):
    return shutil.copytree(plain, tmp_path / "m")


def identity(spec, cache):
    return load(find_weights(str(spec)), cache=cache).ref.identity


def configure(folder, file="config.json", **fields):
    path = folder / file
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**before, **fields}))


@pytest.mark.parametrize(
    "fields",
    [
        {"rope_parameters": {"rope_type": "default", "rope_theta": 123.0}},
        {"rope_parameters": {"rope_type": "yarn", "rope_theta": 10000.0, "factor": 4.0,
                             "original_max_position_embeddings": 64}},
        {"rms_norm_eps": 0.1},
        {"hidden_act": "relu"},
        {"max_position_embeddings": 100},
    ],
)  # fmt: skip
def test_what_changes_numbers_is_another_model(folder, tmp_path, fields):
    before = identity(folder, tmp_path)
    configure(folder, **fields)
    after = identity(folder, tmp_path)
    assert {key for key in before if before[key] != after[key]} == {"settings_digest"}


def test_other_end_tokens_are_another_model(folder, tmp_path):
    before = identity(folder, tmp_path)
    configure(folder, "generation_config.json", eos_token_id=[2, 5])
    assert identity(folder, tmp_path) != before


@pytest.mark.parametrize(
    "fields",
    [
        {"transformers_version": "9.9"},
        {"_name_or_path": "another/place"},
        {"use_cache": False},
        {"dtype": "float16"},
        {"attention_dropout": 0.1},
        {"initializer_range": 1.0},
    ],
)
def test_what_changes_no_number_is_the_same_model(folder, tmp_path, fields):
    before = identity(folder, tmp_path)
    configure(folder, **fields)
    assert identity(folder, tmp_path) == before


def test_a_false_and_a_none_beside_another_default_count():
    from transformers import MistralConfig

    windows = [MistralConfig(sliding_window=w) for w in (None, 4096, 64)]
    assert len({settings_digest(one, [2]) for one in windows}) == 3


@pytest.fixture
def adapter(plain, tmp_path):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(plain)
    made = get_peft_model(base, LoraConfig(target_modules=["q_proj", "v_proj"], r=4))
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(0, 0.5)
    made.save_pretrained(tmp_path / "a")
    return tmp_path / "a"


@pytest.mark.parametrize("fields", [{"lora_alpha": 64}, {"use_rslora": True},
                                    {"alpha_pattern": {"q_proj": 1}}])  # fmt: skip
def test_an_adapter_at_another_strength_is_another_model(plain, adapter, tmp_path, fields):
    before = identity(f"{plain}+{adapter}", tmp_path)
    configure(adapter, "adapter_config.json", **fields)
    after = identity(f"{plain}+{adapter}", tmp_path)
    assert {key for key in before if before[key] != after[key]} == {"settings_digest"}


@pytest.mark.parametrize("fields", [{"peft_version": "9"}, {"base_model_name_or_path": "x/y"},
                                    {"target_modules": ["v_proj", "q_proj"]},
                                    {"lora_dropout": 0.3}, {"use_dora": False}])  # fmt: skip
def test_an_adapter_written_down_otherwise_is_the_same(plain, adapter, tmp_path, fields):
    before = identity(f"{plain}+{adapter}", tmp_path)
    configure(adapter, "adapter_config.json", **fields)
    assert identity(f"{plain}+{adapter}", tmp_path) == before


def test_a_path_may_hold_a_plus(plain, adapter, tmp_path):
    inside = shutil.copytree(adapter, tmp_path / "c++" / "a+b")
    base = shutil.copytree(plain, tmp_path / "b+ase")
    assert find_weights(f"{base}+{inside}").adapter == inside
    assert find_weights(f"{base}+{inside}").path == base
    assert find_weights(f"{plain}+{inside}").adapter == inside


@pytest.mark.parametrize("kind", ["trainable tokens", "an embedding", "tokens alone"])
def test_adapters_of_embeddings_are_computed(plain, tmp_path, kind):
    from peft import LoraConfig, TrainableTokensConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    tokens = [build_tokenizer().convert_tokens_to_ids(t) for t in ("A", "B")]
    config = {
        "trainable tokens": LoraConfig(target_modules=["q_proj"], trainable_token_indices=tokens),
        "an embedding": LoraConfig(target_modules=["q_proj", "embed_tokens"]),
        "tokens alone": TrainableTokensConfig(
            token_indices=tokens, target_modules=["embed_tokens"]
        ),
    }[kind]
    made = get_peft_model(AutoModelForCausalLM.from_pretrained(plain), config)
    for parameter in made.parameters():
        if parameter.requires_grad:
            parameter.data += 0.3
    made.save_pretrained(tmp_path / "a")
    model = load(find_weights(f"{plain}+{tmp_path / 'a'}"), cache=tmp_path)
    ids = torch.tensor([[*tokens, 5, 9, 11]])
    with torch.no_grad(), model.network.as_built() as module:
        ours, theirs = module(input_ids=ids).logits, made.eval()(input_ids=ids).logits
    assert torch.allclose(ours, theirs, atol=1e-5)
    model.network.check()  # nor does the engine differ
