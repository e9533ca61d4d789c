"""Shared text is tokenised once, and the ids are those of lm-evaluation-harness's rule."""

import functools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tokenizer_kinds import KINDS
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.models import tokenisation
from weighbridge.models.tokenisation import Tokenisation

WHOLE = {"unigram-whole": "this tokenizer weighs a text as a whole"}
PIECES = st.sampled_from([
    "the ", " answer", "\n", "\n\n", " ", "   ", "\t", "12345", " 7", "don't", "'", "'r", "e ",
    "été", "e\u0301", "\u0301", "漢字", "かなかなかな", "😀", "\u200d", "ﬁ", "…", "½",
    "<|im_start|>", "<|im", "_start|>",
    "<s>", "</s>", "<mask>", "<r>", "word", "words", "ab cd", "ab", " cd",
    "A.", "B) ", "_", "—", "İ", "\r\n", "\u00a0", "x" * 40, "0" * 50, "的" * 70,
    "What is the 2nd law? It's 12345 units. ", "The following are multiple choice questions.\n\n",
])  # fmt: skip
TEXTS = st.lists(PIECES, min_size=12, max_size=40).map("".join) | st.text(max_size=30)
SHORT = st.lists(PIECES, max_size=3).map("".join)
REQUESTS = st.lists(st.tuples(SHORT, st.lists(SHORT, min_size=1, max_size=4)), max_size=5)


@functools.cache
def tokenizer(kind):
    return KINDS[kind]()


def adds(text):
    return not text.startswith("<s>")


def by_the_rule(tok, context, rests):
    """`_encode_pair` of lm-evaluation-harness."""
    before = tok(context.rstrip(), add_special_tokens=adds(context.rstrip()))["input_ids"]
    wholes = [tok(context + rest, add_special_tokens=adds(context + rest)) for rest in rests]
    cut = len(before)
    return [(whole["input_ids"][:cut], whole["input_ids"][cut:]) for whole in wholes]


def as_lists(pairs):
    return [[(before.tolist(), rest.tolist()) for before, rest in row] for row in pairs]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(prefix=TEXTS, shared=TEXTS, requests=REQUESTS)
def test_ids_are_those_of_each_text_by_itself(kind, prefix, shared, requests):
    tok = tokenizer(kind)
    contexts = [prefix + shared * (n % 2) + own for n, (own, _) in enumerate(requests)]
    rests = [rest for _, rest in requests]
    engine = Tokenisation(tok)
    got = engine.pairs(contexts, rests, adds)
    assert as_lists(got) == [
        by_the_rule(tok, context, rest) for context, rest in zip(contexts, rests, strict=True)
    ]
    # The samples only guard against tokenizers that nobody has thought of: here none may differ.
    assert not any("a sample" in reason for reason in engine.jointly)


def few_shot(questions=6):
    shots = "".join(f"What is {n} and {n} of it?\nA. yes\nB. no\nAnswer: A\n\n" for n in range(9))
    return [f"{shots}Is it {n} or {n * n}?\nAnswer:" for n in range(questions)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_benchmarks_shared_text_is_read_once(kind, monkeypatch):
    tok = tokenizer(kind)
    contexts, rests = few_shot(), [[" A", " B", " C", " D"]] * 6
    engine = Tokenisation(tok)
    read = []
    original = tokenisation._reading
    monkeypatch.setattr(tokenisation, "_reading", lambda *a: read.append(original(*a)) or read[-1])
    got = engine.pairs(contexts, rests, adds)
    if kind in WHOLE:
        assert engine.notes == (f"6 requests were tokenised jointly: {WHOLE[kind]}.",)
        return
    assert not engine.jointly
    whole = sum(len(before) + len(rest) for row in got for before, rest in row)
    first = len(got[0][0][0])
    assert sum(len(reading.ids) for reading in read) - first < 0.35 * whole


def test_a_tokenizer_that_breaks_its_rules_is_found_out_and_counted(monkeypatch):
    tok = tokenizer("gpt2")
    engine = Tokenisation(tok)
    honest = engine._jointly
    # As if reading a text whole gave another first token than reading it in parts.
    monkeypatch.setattr(
        engine,
        "_jointly",
        lambda texts: {text: [9, *ids[1:]] for text, ids in honest(texts).items()},
    )
    got = engine.pairs(few_shot(), [[" A", " B"]] * 6, adds)
    assert {int(before[0]) for row in got for before, _ in row} == {9}
    assert engine.notes == (
        "6 requests were tokenised jointly: a sample of them read otherwise in parts than whole.",
    )


def test_one_long_word_at_the_seam_is_read_whole_and_counted():
    tok = tokenizer("gpt2")
    engine = Tokenisation(tok)
    contexts = ["start " + "x" * 400 + end for end in ("y", "z")]
    got = engine.pairs(contexts, [["a"], ["b"]], adds)
    assert as_lists(got) == [
        by_the_rule(tok, c, r) for c, r in zip(contexts, (["a"], ["b"]), strict=True)
    ]
    assert sum(engine.jointly.values()) == 2 and "seam" in engine.notes[0]


def test_a_slow_tokenizer_is_read_whole_and_said():
    class Slow:
        is_fast = False

        def __call__(self, texts, add_special_tokens):
            return {"input_ids": [[1] * add_special_tokens + [ord(c) for c in t] for t in texts]}

    engine = Tokenisation(Slow())
    ((pair,),) = engine.pairs(["ab "], [["c"]], adds)
    assert [ids.tolist() for ids in pair] == [[1, 97, 98], [32, 99]]
    assert "doesn't say where its tokens lie" in engine.notes[0]


def test_mmlu_has_the_ids_of_the_harness(smollm2, real_data):
    benchmark = find_benchmark("mmlu")
    asked = Settings(shots=5, limit=12, protocol="loglikelihood")
    samples = list(benchmark.load(LoadRequest(real_data / "mmlu", None, asked)))[:300]
    contexts = [benchmark.prompt(sample, asked).text for sample in samples]
    rests = [benchmark.continuations(sample, asked) for sample in samples]
    engine = Tokenisation(smollm2.tokenizer)
    got = engine.pairs(contexts, rests, adds)
    assert as_lists(got) == [
        by_the_rule(smollm2.tokenizer, c, r) for c, r in zip(contexts, rests, strict=True)
    ]
    assert not engine.jointly
