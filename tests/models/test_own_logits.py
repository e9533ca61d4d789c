"""Logits are the model's own: its head, windows and rotary switches, or its own forward pass."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
import transformers

from architectures import (
    SMALL,
    VOCABULARY,
    build,
    plain_model,
    plain_scores,
    plain_text,
    tokens,
    write,
)
from tiny import build_tokenizer
from weighbridge.errors import InputError
from weighbridge.models.engine import attention, slots
from weighbridge.models.engine.generation import GenerationJob
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.scoring import Likelihood, score_tokens
from weighbridge.models.open_weights import OpenWeights
from weighbridge.records import ModelRef

SWITCH = 32  # tokens


def scores(network, rows):
    found = score_tokens(network, rows, 64, lambda done, to_come: None)
    return np.array([x.logprob for x in found])


@pytest.mark.parametrize(
    ("name", "plain"),
    [("llama", True), ("gemma3-window", True), ("cohere", False), ("granite", False),
     ("gemma2-softcap", False), ("hyperclovax", False), ("gemma4-caps", False)],
)  # fmt: skip
def test_heads_that_do_more_than_project_are_the_models_own(name, plain):
    network = Network(build(name))
    text = tokens(np.random.default_rng(1), 30, 31)
    whole = np.arange(30)
    network.check()
    assert network._head.plain is plain
    row = Likelihood(text[:1], text[1:])
    assert np.allclose(scores(network, [row]), plain_scores(plain_model(name), [row]), atol=2e-4)
    with torch.no_grad():
        expected = plain_model(name)(torch.from_numpy(text)[None]).logits[0]
    assert torch.allclose(network.logits_unbatched(text, whole), expected, atol=1e-4)


def without(**changes):
    """Attention that leaves out a part of what the architecture asks for."""

    def change(rule_of):
        return lambda *args: dataclasses.replace(rule_of(*args), **changes)

    return change


@pytest.mark.parametrize(
    ("name", "changes"),
    [("mistral-window", {"window": None}), ("gemma3-window", {"window": None}),
     ("gpt-oss", {"window": None}), ("gpt-oss", {"sinks": None}),
     ("gemma2-softcap", {"softcap": None}), ("granite", {"scale": 1.0}),
     ("olmo3-window", {"window": 3})],
)  # fmt: skip
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_an_engine_that_leaves_something_out_is_found_out_on_a_short_text(
    name, changes, dtype, monkeypatch
):
    """The windows of these models are longer than the texts of the check."""
    model = build(name, attn_logit_softcapping=0.5) if "softcap" in changes else build(name)
    for part in (model.config, *model.modules()):
        if isinstance(vars(part).get("sliding_window"), int):
            part.sliding_window = 4096
    monkeypatch.setattr(attention, "_rule_of", without(**changes)(attention._rule_of))
    network = Network(model.to(dtype))
    network.check()
    assert not network.packs and "mixes tokens elsewhere" in network.why_not
    assert model.config._attn_implementation != attention.IMPLEMENTATION


def test_a_decoding_step_that_leaves_something_out_is_found_out(monkeypatch):
    broken = slots.decode_attention
    monkeypatch.setattr(
        attention,
        "decode_attention",
        lambda layer, q, k, v, rule: broken(layer, q * 1.2, k, v, rule),
    )
    network = Network(build("llama"))
    network.check()
    assert not network.packs and "from token to token" in network.why_not


def test_what_the_check_narrows_is_given_back():
    model = build("gpt-oss")
    before = {name: vars(part).get("sliding_window") for name, part in model.named_modules()}
    Network(model).check()
    assert model.config.sliding_window == 9 and len(model.model.layers) == 2
    assert before == {
        name: vars(part).get("sliding_window") for name, part in model.named_modules()
    }


def test_after_a_refusal_no_rows_are_left_out_of_what_is_computed():
    """A gated block skips rows that nobody reads: of the pass that was refused, not of the next."""
    network = Network(build("llama4-chunks"))
    job = GenerationJob(tokens(np.random.default_rng(3), 24, 25), 9)
    assert write(network, [job], 1)[0] == plain_text(plain_model("llama4-chunks"), job)
    assert network.why_not
    blocks = [vars(m).get("forward") for m in network.module.modules()]
    assert all(getattr(block, "needed", None) is None for block in blocks)


LENGTH_DEPENDENT = {
    "longrope": lambda: transformers.Phi3Config(
        **SMALL, original_max_position_embeddings=SWITCH,
        rope_parameters={
            "rope_type": "longrope", "rope_theta": 1e4, "factor": 8.0,
            "short_factor": [1.0] * 8, "long_factor": [float(n) for n in range(1, 9)],
            "original_max_position_embeddings": SWITCH,
        },
    ),
    "dynamic": lambda: transformers.LlamaConfig(
        **(SMALL | {"max_position_embeddings": SWITCH}),
        rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 4.0},
    ),
    "dynamic-mistral": lambda: transformers.MistralConfig(
        **(SMALL | {"max_position_embeddings": SWITCH}), sliding_window=9,
        rope_parameters={"rope_type": "dynamic", "rope_theta": 1e4, "factor": 8.0},
    ),
}  # fmt: skip


def length_dependent(kind):
    torch.manual_seed(3)
    return transformers.AutoModelForCausalLM.from_config(LENGTH_DEPENDENT[kind]()).eval()


@pytest.mark.parametrize("kind", LENGTH_DEPENDENT)
def test_a_texts_length_changes_nobody_elses_rotary_embeddings(kind):
    rng = np.random.default_rng(5)
    shared = tokens(rng, 20, 21)
    rows = [
        Likelihood(np.concatenate([shared, tokens(rng, n, n + 1)]), tokens(rng, 1, 4))
        for n in (3, 40, 8, 12, 13, 11, 30, 5, 60, 4)
    ]
    network = Network(length_dependent(kind))
    assert network.length_limit == SWITCH
    computed = []
    found = score_tokens(network, rows, 64, lambda *counts: computed.append(counts))
    # A model that nothing else was read with; the last token of a continuation is not read.
    expected = [
        plain_scores(
            length_dependent(kind), [Likelihood(x.context, x.continuation)], reads_last=False
        )[0]
        for x in rows
    ]
    assert network.packs
    assert np.abs(np.array([x.logprob for x in found]) - expected).max() < 2e-4
    assert computed[-1][1] == 0 and all(left >= 0 for _, left in computed)


@pytest.mark.parametrize("kind", LENGTH_DEPENDENT)
def test_writing_across_the_switch_is_transformers_own_writing(kind):
    rng = np.random.default_rng(6)
    jobs = [GenerationJob(tokens(rng, n, n + 1), 8) for n in (10, 28, 40, 12, 20)]
    written = write(Network(length_dependent(kind)), jobs, 4)
    for index, job in enumerate(jobs):
        model = length_dependent(kind)
        out = model.generate(
            torch.from_numpy(job.tokens)[None], max_new_tokens=8, do_sample=False,
            eos_token_id=None, pad_token_id=0,
        )  # fmt: skip
        assert written[index] == out[0, len(job.tokens) :].tolist()


def test_a_reader_of_the_run_is_told_that_long_texts_were_computed_one_by_one():
    tokenizer = build_tokenizer()
    config = LENGTH_DEPENDENT["dynamic"]()
    config.vocab_size = len(tokenizer)
    module = transformers.AutoModelForCausalLM.from_config(config)
    model = OpenWeights(module, tokenizer, ModelRef(name="m", source="test", weights_digest="m"))
    assert any(f"more than {SWITCH} tokens were computed one by one" in n for n in model.notes)


@pytest.mark.parametrize("name", ["Bert", "Roberta", "Electra"])
def test_a_model_that_looks_ahead_is_no_causal_language_model(name):
    config = getattr(transformers, f"{name}Config")(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        vocab_size=VOCABULARY, max_position_embeddings=256, initializer_range=0.3, pad_token_id=0,
    )  # fmt: skip
    decoder = copy.deepcopy(config)
    network = Network(transformers.AutoModelForCausalLM.from_config(config))
    for _ in range(2):
        with pytest.raises(InputError, match="lets a token see the tokens after it"):
            scores(network, [Likelihood(np.array([5, 6]), np.array([7]))])
    decoder.is_decoder = True
    torch.manual_seed(1)
    module = transformers.AutoModelForCausalLM.from_config(decoder).eval()
    rows = [Likelihood(np.array([5, 6, 9]), np.array([7, 8]))]
    expected = plain_scores(copy.deepcopy(module), rows)
    assert np.allclose(scores(Network(module), rows), expected, atol=2e-4)


def test_what_a_models_file_asks_of_generation_is_no_part_of_a_measurement():
    model = build("bloom-alibi")
    model.generation_config.repetition_penalty = 5.0
    model.generation_config.suppress_tokens = list(range(3, 40))
    job = GenerationJob(np.array([5, 6, 7]), 8)
    assert write(Network(model), [job], 1)[0] == plain_text(plain_model("bloom-alibi"), job)
    assert model.generation_config.repetition_penalty == 5.0
