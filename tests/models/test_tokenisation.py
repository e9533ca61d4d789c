"""Shared text is tokenised once, and the ids are those of lm-evaluation-harness's rule."""

import functools

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.huggingface import HFLM

from tiny import build_tiny_model
from tokenizer_kinds import KINDS
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.models import tokenisation
from weighbridge.models.open_weights import OpenWeights
from weighbridge.models.protocol import Prompt, ScoreRequest
from weighbridge.models.reading import read_model
from weighbridge.models.tokenisation import Tokenisation
from weighbridge.records import ModelRef

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


class Harness(TemplateLM):
    """lm-evaluation-harness with one of our tokenizers: its own code decides what is asked."""

    tok_encode = HFLM.tok_encode
    prefix_token_id = HFLM.prefix_token_id
    custom_prefix_token_id = None
    add_bos_token = None
    eot_token_id = loglikelihood_rolling = generate_until = None

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer

    def _loglikelihood_tokens(self, requests, **settings):
        self.asked = [(before, rest) for _, before, rest in requests]
        return []

    def pairs(self, context, rests):
        """What it asks of a model; for an empty context its own rule stands in `loglikelihood`."""
        requests = [Instance("loglikelihood", {}, (context, rest), 0) for rest in rests]
        self.loglikelihood(requests, disable_tqdm=True)
        return self.asked


def by_the_rule(tok, context, rests):
    return Harness(tok).pairs(context, rests)


def can_be_asked(tok, asked):
    """Leave out what the harness fails on: no context, and a continuation without tokens."""
    found = [
        (c, [r for r in rests if c or tok(r, add_special_tokens=False)["input_ids"]])
        for c, rests in asked
    ]
    return [c for c, rests in found if rests], [rests for _, rests in found if rests]


def pairs(engine, tok, contexts, rests):
    return engine.pairs(contexts, rests, adds, tok.bos_token_id)


def as_lists(pairs):
    return [[(before.tolist(), rest.tolist()) for before, rest in row] for row in pairs]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(prefix=TEXTS, shared=TEXTS, requests=REQUESTS)
def test_ids_are_those_of_each_text_by_itself(kind, prefix, shared, requests):
    tok = tokenizer(kind)
    asked = [(prefix + shared * (n % 2) + own, rests) for n, (own, rests) in enumerate(requests)]
    contexts, rests = can_be_asked(tok, asked)
    engine = Tokenisation(tok)
    got = pairs(engine, tok, contexts, rests)
    assert as_lists(got) == [
        by_the_rule(tok, context, rest) for context, rest in zip(contexts, rests, strict=True)
    ]
    # The samples only guard against tokenizers that nobody has thought of: here none may differ.
    assert not any("a sample" in reason for reason in engine.jointly)


WORDS = [
    "answer",
    "the",
    "question",
    "don't",
    "12345",
    "naïve",
    "漢字かな",
    "  two",
    "<s>",
    "😀",
    "\n\n",
]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None)
@given(
    text=st.lists(st.sampled_from(WORDS) | st.text(max_size=4), max_size=30).map(" ".join),
    cuts=st.lists(st.integers(0, 200), min_size=1, max_size=6),
    spaces=st.sampled_from(["", " ", "   ", "\n", "\t "]),
)
@example(text="the answer", cuts=[7, 6, 5, 0], spaces="")
@example(text="", cuts=[0], spaces="  ")
def test_a_text_cut_anywhere_is_asked_as_the_harness_asks_it(kind, text, cuts, spaces):
    """Within words and characters that are one token together, after spaces, at the beginning."""
    tok = tokenizer(kind)
    asked = [(text[:cut] + spaces, [text[cut:], text[cut : cut + 2] + "ing"]) for cut in cuts]
    contexts, rests = can_be_asked(tok, dict(asked).items())
    engine = Tokenisation(tok)
    assert as_lists(pairs(engine, tok, contexts, rests)) == [
        by_the_rule(tok, c, r) for c, r in zip(contexts, rests, strict=True)
    ]


def test_scores_where_texts_merge_are_those_of_the_harness(tmp_path):
    """On the tokens that a joint reading cuts otherwise, a model was off by nats."""
    folder = build_tiny_model(tmp_path / "m")
    asked = [
        ("the ans", "wer is A"), ("question an", "d choices"), ("the answer ", "is A"),
        ("the answer is", "A"), ("the", "the"), ("question", " and choices"), (" ", "answer"),
        ("the answer\n", "B"), ("", "the answer"), ("answe", "r is"), ("q", "uestion and"),
    ]  # fmt: skip
    module, tok = read_model(folder, torch.float32, "cpu")
    merged = [
        c
        for c, r in asked
        if tok(c + r)["input_ids"][: len(tok(c)["input_ids"])] != tok(c)["input_ids"]
    ]
    assert len(merged) > 2
    model = OpenWeights(module, tok, ModelRef(name="m", source="test", weights_digest="m"))
    scored = model.score([
        ScoreRequest(str(n), Prompt(text=context), (rest,))
        for n, (context, rest) in enumerate(asked)
    ])  # fmt: skip
    plain, tok = read_model(folder, torch.float32, "cpu")
    # With its cache of logits on, it gives ('the answer is', 'A') another number than without.
    harness = HFLM(pretrained=plain, tokenizer=tok, batch_size=1, logits_cache=False)
    expected = harness.loglikelihood(
        [Instance("loglikelihood", {}, pair, n) for n, pair in enumerate(asked) if pair[0].strip()],
        disable_tqdm=True,
    )
    got = [s for s, (context, _) in zip(scored, asked, strict=True) if context.strip()]
    assert len(got) == 9
    for ours, (logprob, greedy) in zip(got, expected, strict=True):
        assert abs(ours.logprobs[0] - logprob) < 1e-4
        assert ours.greedy[0] is greedy


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
    got = pairs(engine, tok, contexts, rests)
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
    got = pairs(engine, tok, few_shot(), [[" A", " B"]] * 6)
    assert {int(before[0]) for row in got for before, _ in row} == {9}
    assert engine.notes == (
        "6 requests were tokenised jointly: a sample of them read otherwise in parts than whole.",
    )


def test_one_long_word_at_the_seam_is_read_whole_and_counted():
    tok = tokenizer("gpt2")
    engine = Tokenisation(tok)
    contexts = ["start " + "x" * 400 + end for end in ("y", "z")]
    got = pairs(engine, tok, contexts, [["a"], ["b"]])
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
    ((pair,),) = engine.pairs(["ab "], [["c"]], adds, 1)
    assert [ids.tolist() for ids in pair] == [[1, 97, 98], [32, 99]]
    assert "doesn't say where its tokens lie" in engine.notes[0]


@pytest.mark.slow
def test_mmlu_has_the_ids_of_the_harness(smollm2, real_data):
    benchmark = find_benchmark("mmlu")
    asked = Settings(shots=5, limit=12, protocol="loglikelihood")
    samples = list(benchmark.asking.load(LoadRequest(real_data / "mmlu", None, asked)))[:300]
    contexts = [benchmark.asking.prompt(sample, asked).text for sample in samples]
    rests = [benchmark.asking.continuations(sample, asked) for sample in samples]
    engine = Tokenisation(smollm2.tokenizer)
    got = pairs(engine, smollm2.tokenizer, contexts, rests)
    assert as_lists(got) == [
        by_the_rule(smollm2.tokenizer, c, r) for c, r in zip(contexts, rests, strict=True)
    ]
    assert not engine.jointly
