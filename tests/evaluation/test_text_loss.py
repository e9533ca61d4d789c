"""General text's loss in bits per byte, and the guard that it makes against forgetting."""

import json
import math
from dataclasses import replace

import pytest

from tiny import build_tiny_model
from tuning_runs import rows_of, run, write_rows
from weighbridge.comparison.before_after import compare_runs
from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.evaluation.run_context import RunContext
from weighbridge.evaluation.runner import evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.open_weights import load
from weighbridge.records import BenchmarkSpec
from weighbridge.sources.weights import find_weights
from weighbridge.statistics import compare
from weighbridge.tuning import TuneSettings
from weighbridge.verdict.paid import judge

BENCHMARK = find_benchmark("general_text")
GUARD = BenchmarkSpec("general_text", "guard")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A model that takes all tokens for about equally likely, so that it has little to lose."""
    folder = tmp_path_factory.mktemp("base") / "model"
    return build_tiny_model(folder, initializer_range=0.02, max_position_embeddings=2048)


@pytest.fixture(scope="module")
def model(base, cache):
    return load(find_weights(str(base)), cache=cache, threads=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return RunStore(tmp_path_factory.mktemp("runs"))


def measured(model, store, data=None, benchmark=BENCHMARK, **settings):
    place = RunContext(store, 1, "2026-01-01T00:00:00+00:00")
    chosen = Settings(**{"limit": 24} | settings)
    found = evaluate(model, benchmark, place, settings=chosen, data=data)
    return store.read(found.run_id)


def own(folder, *rows):
    path = folder / "texts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def nats(base):
    """Returns the log-likelihood of a text after another one, from transformers alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(base)
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)

    def of(before, text):
        context = tokenizer(before, add_special_tokens=False)["input_ids"]
        ids = tokenizer(before + text, add_special_tokens=False)["input_ids"]
        start = len(context)
        if not context:
            ids, start = [tokenizer.eos_token_id, *ids], 1  # it has no token that begins texts
        with torch.no_grad():
            logits = plain(torch.tensor([ids])).logits[0].log_softmax(-1)
        return -sum(float(logits[i - 1, ids[i]]) for i in range(start, len(ids)))

    return of


def test_a_document_s_loss_is_over_its_own_bytes_and_nothing_else(model, nats, store, tmp_path):
    text = "Straße und Öl, the answer is 42."
    found = measured(model, store, own(tmp_path, {"text": text}, {"text": "the answer"}))
    first = found.samples[0]
    bits = nats("", text) / math.log(2)
    assert first.score.value == pytest.approx(bits / len(text.encode()), rel=1e-5)
    assert f"over {len(text.encode())} bytes" in first.score.why
    assert verify(store.folder_of(found.run_id)).ok


def test_of_a_conversation_only_the_last_answer_is_measured(model, nats, store, tmp_path):
    turns = [
        {"role": "user", "content": "the question"},
        {"role": "assistant", "content": "the answer is B"},
    ]
    found = measured(model, store, own(tmp_path, {"messages": turns}, {"text": "the answer"}))
    before = "<|start|>user\nthe question<|end|>\n<|start|>assistant"
    bits = nats(before, "\nthe answer is B") / math.log(2)
    assert found.samples[0].score.value == pytest.approx(bits / len("\nthe answer is B"), rel=1e-5)


def test_a_document_beyond_the_context_is_refused_by_name(model, store, tmp_path):
    rows = {"id": "short", "text": "the answer"}, {"id": "endless", "text": "the answer " * 2000}
    with pytest.raises(InputError, match=r"endless.* at most the model's context of 2048"):
        measured(model, store, own(tmp_path, *rows))


@pytest.mark.parametrize(
    "row",
    [
        {"texts": "misspelt"},
        {"text": ""},
        {"text": "both", "messages": [{"role": "user", "content": "?"}]},
        {"messages": [{"role": "user", "content": "no answer"}]},
        {"messages": "no turns"},
        {"id": 7, "text": "a number for a name"},
    ],
)
def test_a_row_that_is_no_text_is_refused_with_its_line(row, tmp_path):
    path = own(tmp_path, {"text": "fine"}, row)
    with pytest.raises(MalformedRow, match="line 2"):
        list(BENCHMARK.asking.load(LoadRequest(path, None, Settings())))


def test_the_shipped_texts_are_of_every_kind_and_none_stands_there_twice():
    texts = list(BENCHMARK.asking.load(LoadRequest(None, None, Settings())))
    assert len({sample.target for sample in texts}) == len(texts) == 80
    for kind in BENCHMARK.asking.subsets:
        part = list(BENCHMARK.asking.load(LoadRequest(None, kind, Settings())))
        assert len(part) >= 12
    first = {sample.text("kind") for sample in texts[:10]}
    assert first == set(BENCHMARK.asking.subsets), "the first few, as --limit takes them"
    with pytest.raises(UnknownName, match="did you mean prose"):
        list(BENCHMARK.asking.load(LoadRequest(None, "pros", Settings())))


@pytest.fixture(scope="module")
def tuned(base, cache, tmp_path_factory):
    """Returns what tunes the base with a learning rate, and opens the result."""
    import torch

    from weighbridge.models.reading import read_model

    def at(learning_rate):
        folder = tmp_path_factory.mktemp("tuned")
        rows = rows_of(write_rows(folder / "train.jsonl", 32))
        settings = TuneSettings(
            rank=8, learning_rate=learning_rate, epochs=3, warmup_share=0.0, clip_norm=0.0
        )
        read = read_model(base, torch.float32, "cpu")
        done = run(read, folder / "run", rows, settings=settings)
        return load(replace(find_weights(str(base)), adapter=done.adapter), cache=cache, threads=1)

    return at


def test_a_brutal_learning_rate_is_caught_and_a_mild_one_is_not(model, store, tuned):
    before = measured(model, store).run_id
    brutal = compare_runs(GUARD, store, before, measured(tuned(0.1), store).run_id)
    assert brutal.comparison.verdict == "inferior" and brutal.comparison.difference > 0.02
    assert brutal.comparison.interval[0] > 0.02, "more bits than before"
    said = judge([brutal], ()).findings[0]
    assert said.outcome == "no" and "general_text got worse" in said.sentence
    assert "in bits per byte (less is better)" in said.sentence
    assert said.title == "general_text: no worse than 0.02 bits per byte"
    mild = compare_runs(GUARD, store, before, measured(tuned(1e-6), store).run_id)
    assert mild.comparison.verdict == "equivalent" and mild.comparison.difference != 0
    low, high = mild.comparison.interval
    assert high - low < 0.004, "two dozen texts tell a fifth of the margin"


def test_a_model_compared_with_itself_has_forgotten_nothing(model, store):
    found = measured(model, store, limit=4)
    same = compare(found, found)
    assert (same.difference, same.interval, same.verdict) == (0.0, (0.0, 0.0), "equivalent")


def test_less_is_better_in_the_claims_too(model, store, tuned):
    """The better of the two is superior, whichever is the candidate."""
    good, bad = measured(model, store), measured(tuned(0.1), store)
    worse, better = compare(bad, good), compare(good, bad)
    assert (worse.verdict, better.verdict) == ("inferior", "superior")
    assert better.difference == -worse.difference < 0
    assert better.interval == (-worse.interval[1], -worse.interval[0])
    assert better.p_value < 0.01 < 0.99 < worse.p_value
    assert worse.flips[0].difference == max(flip.difference for flip in worse.flips)


def test_texts_of_one_s_own_are_a_benchmark_of_four_lines(model, nats, store, tmp_path):
    own(tmp_path, {"text": "the answer is A"}, {"text": "the answer is B, and C"})
    toml = tmp_path / "house.toml"
    toml.write_text('data = "texts.jsonl"\nscorer = "bits_per_byte"\ntarget = "text"\n')
    found = measured(model, store, benchmark=find_benchmark(str(toml)))
    bits = nats("", "the answer is A") / math.log(2)
    assert found.samples[0].score.value == pytest.approx(bits / 15, rel=1e-5)
    assert found.estimate.scale == (8.0, 0.0)
    toml.write_text('data = "texts.jsonl"\nscorer = "bits_per_byte"\n')
    with pytest.raises(InputError, match="prompt and messages"):
        find_benchmark(str(toml))
