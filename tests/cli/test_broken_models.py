"""A model that gives no numbers, or no room for it: one line, exit 2, and what is done is kept."""

import json
import re

import pytest
import torch
from safetensors.torch import load_file, save_file

from commands import weighbridge
from tiny import build_tiny_model
from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import About, Asking, Benchmark, Grading
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore
from weighbridge.models.open_weights import load
from weighbridge.models.protocol import Prompt
from weighbridge.records import Message, Sample
from weighbridge.sources.weights import find_weights

PLACE = {"threads": 1, "started": "2026-01-01T00:00:00+00:00"}


def assert_one_line(done):
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1 and "Traceback" not in done.stderr
    return done.stderr


@pytest.fixture
def own(tmp_path):
    """Forty-five questions in units of twenty; only the thirty-first holds a tilde."""
    rows = [{"id": f"q{i}", "q": f"question {'~' * (i == 30)} {i}", "a": "A"} for i in range(45)]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nmax_tokens = 3\n'
    )
    return tmp_path / "own.toml"


def break_token(weight, tokenizer):
    (token,) = tokenizer("~")["input_ids"]
    before = weight[token].clone()
    with torch.no_grad():
        weight[token] = float("nan")
    return token, before


def test_a_damaged_file_is_one_line_and_the_units_before_are_kept(own, tmp_path):
    folder = build_tiny_model(tmp_path / "damaged", tie_word_embeddings=False)
    path = folder / "model.safetensors"
    tensors = load_file(path)
    tokenizer = load(find_weights(str(folder)), cache=tmp_path / "cache").tokenizer
    break_token(tensors["model.embed_tokens.weight"], tokenizer)
    save_file(tensors, path, {"format": "pt"})
    for _ in range(2):
        said = assert_one_line(weighbridge("evaluate", folder, "-b", own, cwd=tmp_path))
        assert re.search(r"sample q[23]\d, or one computed beside it: .* not finite numbers", said)
        assert "fetch the model again" in said
        (samples,) = tmp_path.glob(".weighbridge/runs/*/samples.jsonl")
        lines = [json.loads(line) for line in samples.read_text().splitlines()]
        assert [line["sample_id"] for line in lines if "sample_id" in line] == [
            f"q{i}" for i in range(20)
        ]


def choices():
    questions = [f"question {'~' * (i == 30)} {i}" for i in range(45)]
    samples = [Sample(f"q{i}", (Message("user", q),), "A") for i, q in enumerate(questions)]
    return Benchmark(
        "choices", "1", About(),
        Asking(
            ("loglikelihood",), load=lambda request: samples,
            prompt=lambda sample, settings: Prompt(text=sample.question),
            continuations=lambda sample, settings: (" A", " B"), unit_size=20,
        ),
        Grading(gold=lambda sample: "A"),
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["score", "generate"])
def test_once_mended_the_run_goes_on_to_the_same_digest(kind, own, tmp_path):
    benchmark = choices() if kind == "score" else read_own_benchmark(own)
    folder = build_tiny_model(tmp_path / "m", tie_word_embeddings=False)
    model = load(find_weights(str(folder)), cache=tmp_path / "cache")
    undisturbed = evaluate(model, benchmark, RunContext(RunStore(tmp_path / "a"), **PLACE))
    store = RunStore(tmp_path / "b")
    # As if memory had gone bad: the same weights by their digest, and no numbers from them.
    weight = model.module.get_input_embeddings().weight
    token, before = break_token(weight, model.tokenizer)
    with pytest.raises(InputError, match=r"sample q[23]\d, or one computed beside it"):
        evaluate(model, benchmark, RunContext(store, **PLACE))
    with torch.no_grad():
        weight[token] = before
    computed = model.computed_tokens
    mended = evaluate(model, benchmark, RunContext(store, **PLACE))
    again = model.computed_tokens - computed
    assert mended.samples_digest == undisturbed.samples_digest
    assert 0 < again < undisturbed.provenance.computed_tokens


def test_half_a_character_in_a_data_file_is_named(tiny_model, own, tmp_path):
    rows = (tmp_path / "test.jsonl").read_text().splitlines()
    rows[2] = '{"id": "q2", "q": "half \\ud83d", "a": "A"}'
    (tmp_path / "test.jsonl").write_text("\n".join(rows))
    said = assert_one_line(weighbridge("evaluate", tiny_model, "-b", own, cwd=tmp_path))
    assert "test.jsonl, line 3, column q: half a character, \\ud83d" in said


def test_a_model_that_does_not_fit_the_memory_is_one_line(tiny_model, own, tmp_path):
    words = ("evaluate", tiny_model, "-b", own, "--memory", "100MB")
    said = assert_one_line(weighbridge(*words, cwd=tmp_path))
    assert "--memory is 0.10 GB; expected a model that fits; raise --memory" in said
    assert not list(tmp_path.glob(".weighbridge/runs/*"))
