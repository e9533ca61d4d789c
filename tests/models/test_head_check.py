"""Heads and ends: what makes another model of a folder without a tensor missing."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from tiny import build_tiny_model
from weighbridge.errors import InputError
from weighbridge.models.open_weights import load
from weighbridge.models.protocol import GenerateRequest, Prompt, Sampling, ScoreRequest
from weighbridge.sources.weights import find_weights

EMBEDDING = "model.embed_tokens.weight"


@pytest.fixture
def tied(tmp_path):
    return build_tiny_model(tmp_path / "m", tie_word_embeddings=True)


@pytest.fixture
def untied(tmp_path):
    return build_tiny_model(tmp_path / "m", tie_word_embeddings=False)


def load_it(folder):
    return load(find_weights(str(folder)), cache=folder.parent / "cache")


def configure(folder, file="config.json", **fields):
    path = folder / file
    before = json.loads(path.read_text()) if path.is_file() else {}
    path.write_text(json.dumps({**before, **fields}))


def put(folder, **tensors):
    path = folder / "model.safetensors"
    save_file({**load_file(path), **tensors}, path, {"format": "pt"})


@pytest.mark.parametrize(
    "kind",
    ["LlamaForSequenceClassification", "LlamaForTokenClassification", "LlamaForQuestionAnswering",
     "InternLM2ForRewardModel"],
)  # fmt: skip
def test_a_tied_classifier_is_refused(tied, kind):
    configure(tied, architectures=[kind])
    with pytest.raises(InputError, match=f"is a {kind} by its config.json"):
        load_it(tied)


@pytest.mark.parametrize("named", [["LlamaForCausalLM"], None, [], ["MistralForCausalLM"]])
def test_a_language_model_has_no_note(tied, named):
    configure(tied, architectures=named)
    assert load_it(tied).notes == ()


def test_a_bare_tied_model_says_what_its_head_is(tied):
    configure(tied, architectures=["LlamaModel"])
    (note,) = load_it(tied).notes
    assert note.startswith("config.json names LlamaModel, a model without a head")


def test_a_head_that_config_json_ties_and_the_files_hold_is_told(tied):
    head = load_file(tied / "model.safetensors")[EMBEDDING] + 1
    put(tied, **{"lm_head.weight": head})
    model = load_it(tied)
    assert torch.equal(model.module.lm_head.weight, head)  # transformers' choice
    assert "the files hold another head" in model.notes[0]


def test_the_same_head_stored_twice_is_not_worth_a_note(tied):
    put(tied, **{"lm_head.weight": load_file(tied / "model.safetensors")[EMBEDDING].clone()})
    assert load_it(tied).notes == ()


@pytest.mark.parametrize("name", ["lm_head.weight", EMBEDDING])
def test_zeros_are_no_head_and_no_embeddings(untied, name):
    put(untied, **{name: torch.zeros_like(load_file(untied / "model.safetensors")[name])})
    with pytest.raises(InputError, match="all zero"):
        load_it(untied)


def test_a_stored_head_of_zeros_beside_tied_embeddings_is_refused(tied):
    put(
        tied,
        **{"lm_head.weight": torch.zeros_like(load_file(tied / "model.safetensors")[EMBEDDING])},
    )
    with pytest.raises(InputError, match="head is all zero"):
        load_it(tied)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "expected JSON"),
        ("[]", "holds a JSON list"),
        ('{"eos_token_id": "<|end|>"}', "eos_token_id is '<|end|>'"),
        ('{"eos_token_id": [2, null, "3"]}', "eos_token_id is"),
        ('{"eos_token_id": true}', "eos_token_id is True"),
    ],
)
def test_a_generation_config_that_a_loader_would_drop_is_refused(tied, text, said):
    (tied / "generation_config.json").write_text(text)
    with pytest.raises(InputError, match=said.replace("|", r"\|")):
        load_it(tied)


@pytest.mark.parametrize("ends", [None, 2, [2, 1], []])
def test_end_tokens_in_every_form_are_read(tied, ends):
    configure(tied, "generation_config.json", eos_token_id=ends)
    assert load_it(tied).notes == ()


def test_a_token_that_the_model_has_no_row_for_is_named(tied):
    model = load_it(tied)
    model.tokenizer.add_tokens(["<far>"])
    wanted = r"sample q holds the token '<far>' \(\d+\), and the model's embedding has \d+ rows"
    prompt = Prompt(text="what is <far>")
    with pytest.raises(InputError, match=wanted):
        list(model.score([ScoreRequest("q", prompt, (" A", " B"))]))
    with pytest.raises(InputError, match=wanted):
        list(model.generate([GenerateRequest("q", prompt, Sampling(max_tokens=2))]))
    with pytest.raises(InputError, match=wanted):
        list(model.score([ScoreRequest("q", Prompt(text="what"), (" A", " <far>"))]))


@pytest.mark.parametrize(
    "fields",
    [{"rms_norm_eps": -1e9}, {"rope_parameters": {"rope_type": "default", "rope_theta": -1.0}}],
)
def test_logits_that_are_no_numbers_are_called_so(tied, fields):
    configure(tied, **fields)
    model = load_it(tied)
    with pytest.raises(InputError, match="logits that are not finite"):
        model.network.check()
