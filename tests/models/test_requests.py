"""What can't be asked or answered is one line that names the sample; streams come in windows."""

import itertools

import numpy as np
import pytest
import torch

from tiny import build_tiny_model, build_tokenizer
from tokenizer_kinds import KINDS
from weighbridge.errors import InputError
from weighbridge.models import requests
from weighbridge.models.detokenisation import Detokenisation
from weighbridge.models.open_weights import load
from weighbridge.models.protocol import GenerateRequest, Prompt, Sampling, ScoreRequest
from weighbridge.records import Message
from weighbridge.sources.weights import find_weights


@pytest.fixture(scope="module")
def model(tmp_path_factory, cache):
    torch.set_num_threads(1)
    folder = build_tiny_model(tmp_path_factory.mktemp("m") / "m", tie_word_embeddings=False)
    return load(find_weights(str(folder)), cache=cache)


def ask(n, text="the answer is", options=(" A", " B")):
    return ScoreRequest(f"s{n}", Prompt(text=f"{text} {n}"), options)


# --- streams


def test_scores_come_from_a_stream_a_window_at_a_time(model, monkeypatch):
    whole = list(model.score([ask(n) for n in range(40)]))
    monkeypatch.setattr(requests, "WINDOW_ITEMS", 7)
    taken = 0

    def stream():
        nonlocal taken
        for n in range(40):
            taken += 1
            yield ask(n)

    done = []
    monkeypatch.setattr(model, "on_done", done.append)
    before = model.computed_tokens
    windowed = []
    for result in model.score(stream()):
        windowed.append(result)
        assert taken - len(windowed) < 2 * 7
    assert [r.sample_id for r in windowed] == [f"s{n}" for n in range(40)]
    gaps = [np.subtract(a.logprobs, b.logprobs) for a, b in zip(whole, windowed, strict=True)]
    assert np.abs(gaps).max() < 1e-4
    assert done == sorted(done) and done[-1] == 40
    # Six borders: what is shared is computed once a window, not once a request.
    once = len(model.tokenizer("the answer is ")["input_ids"])
    own = 40 * 3
    assert model.computed_tokens - before < 6 * once + own + once


def test_a_stream_without_end_is_answered_as_it_comes(model, monkeypatch):
    monkeypatch.setattr(requests, "WINDOW_ITEMS", 16)
    endless = model.score(ask(n) for n in itertools.count())
    assert [r.sample_id for r in itertools.islice(endless, 50)] == [f"s{n}" for n in range(50)]


def test_long_texts_make_shorter_windows(monkeypatch):
    monkeypatch.setattr(requests, "WINDOW_CHARACTERS", 100)
    sizes = [len(w) for w in requests.windows(ask(n, "x" * 40) for n in range(10))]
    assert sizes == [2, 2, 2, 2, 2]
    assert [len(w) for w in requests.windows([ask(0, "x" * 900)])] == [1]


def test_conversations_and_plain_text_may_come_in_one_stream(model):
    chat = Prompt(messages=(Message("user", "question"),))
    mixed = [ScoreRequest("c", chat, (" A",)), ask(1), ScoreRequest("d", chat, (" A",))]
    together = list(model.score(mixed))
    alone = [next(model.score([request])) for request in mixed]
    assert [r.prompt_text for r in together] == [r.prompt_text for r in alone]
    assert np.allclose([r.logprobs[0] for r in together], [r.logprobs[0] for r in alone], atol=1e-4)


# --- what can't be asked


HALF_A_TURN = Prompt(messages=(Message("user", "ok"), Message("user", "\udfff")))


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (ask("x", options=(" A", "")), r"sample sx: continuation 2 of 2 is empty"),
        (ask("x", options=()), r"sample sx: no continuations"),
        (ask("x", text="a\ud83d b"), r"sample sx: the prompt holds half a character, \\ud83d, at "
                                     r"position 2; expected whole characters"),
        (ask("x", options=(" A", " \udc00")), r"sample sx: continuation 2 holds half a character"),
        (ScoreRequest("y", HALF_A_TURN, ("A",)),
         r"sample y: turn 2 of the prompt, the user's, holds half a character"),
        (ask("x", options=(" word" * 2000,)), r"sample sx: a continuation has \d+ tokens; expected "
                                              r"at most the model's context of 512"),
    ],
)  # fmt: skip
def test_what_can_not_be_scored_is_one_line_that_names_the_sample(model, request_, said):
    with pytest.raises(InputError, match=said) as raised:
        list(model.score([ask(1), request_]))
    assert "\n" not in str(raised.value)


def test_what_can_not_be_continued_is_one_line_that_names_the_sample(model):
    broken = GenerateRequest("g", Prompt(text="half \ud83d"))
    with pytest.raises(InputError, match=r"sample g: the prompt holds half.*position 6"):
        list(model.generate([broken]))
    long = GenerateRequest("g", Prompt(text="x"), Sampling(max_tokens=600))
    with pytest.raises(InputError, match=r"sample g: max_tokens is 600; .*context of 512"):
        list(model.generate([long]))


# --- logits that are no numbers


@pytest.fixture
def broken_token(model):
    """One token whose embedding is NaN, as in a damaged file: only texts that hold it fail."""
    (token,) = model.tokenizer("~")["input_ids"]
    weight = model.module.get_input_embeddings().weight
    before = weight[token].clone()
    with torch.no_grad():
        weight[token] = float("nan")
    yield "~"
    with torch.no_grad():
        weight[token] = before


def test_scores_that_are_no_numbers_name_the_sample(model, broken_token):
    with pytest.raises(InputError, match=r"sample s\d, or one .* logits are not finite.*broken"):
        list(model.score([ask(0), ask(1, "~")]))


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_text_from_logits_that_are_no_numbers_names_the_sample(model, broken_token, temperature):
    sampling = Sampling(max_tokens=4, temperature=temperature)
    prompts = ["a", "b", "c ~", "d"]
    asked = [GenerateRequest(p, Prompt(text=p), sampling) for p in prompts]
    got = []
    with pytest.raises(InputError, match=r"sample [abc].*, or one .* logits are not finite"):
        for answer in model.generate(asked):
            got.append(answer.generation.sample_id)
    assert set(got) <= {"a", "b"}


# --- characters spread over tokens


def pieces(tokenizer, text, kind):
    ids = []
    for character in text:  # each character by itself, in as many tokens as it takes
        if kind == "bytes":
            letters = tokenizer.backend_tokenizer.pre_tokenizer.pre_tokenize_str(character)[0][0]
            ids += tokenizer.convert_tokens_to_ids(list(letters))
        else:
            ids += tokenizer.convert_tokens_to_ids([f"<0x{b:02X}>" for b in character.encode()])
    return ids


def byte_fallback_tokenizer():
    from tokenizers import AddedToken, Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    names = ["<unk>", *(f"<0x{b:02X}>" for b in range(256))]
    model = models.BPE({n: i for i, n in enumerate(names)}, [], byte_fallback=True)
    backend = Tokenizer(model)
    backend.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    fast = PreTrainedTokenizerFast(tokenizer_object=backend)
    fast.add_tokens([AddedToken("<end>", special=True)])
    return fast


KINDS_OF_BYTES = {"bytes": build_tokenizer, "fallback": byte_fallback_tokenizer}


@pytest.mark.parametrize("kind", KINDS_OF_BYTES)
@pytest.mark.parametrize("text", ["né", "x€", "a😀b😀", "\ufffd", "x\ufffd", "漢字"])
def test_a_character_that_the_limit_cut_is_left_out(kind, text):
    tokenizer = KINDS_OF_BYTES[kind]()
    reader = Detokenisation(tokenizer, frozenset())
    ids = pieces(tokenizer, text, kind)
    assert reader.text(ids, cut=True) == text == reader.text(ids, cut=False)
    for missing in range(1, len(text[-1].encode())):
        assert reader.text(ids[:-missing], cut=True) == text[:-1]
        assert "\ufffd" in reader.text(ids[:-missing], cut=False)


def test_broken_bytes_in_the_middle_stay_as_the_model_wrote_them():
    tokenizer = build_tokenizer()
    reader = Detokenisation(tokenizer, frozenset())
    ids = [*pieces(tokenizer, "a", "bytes"), *pieces(tokenizer, "€", "bytes")[:2],
           *pieces(tokenizer, "b", "bytes")]  # fmt: skip
    assert reader.text(ids, cut=True) == "a\ufffdb"


@pytest.mark.parametrize("kind", KINDS_OF_BYTES)
def test_stop_strings_are_found_although_their_characters_are_spread(kind):
    tokenizer = KINDS_OF_BYTES[kind]()
    reader = Detokenisation(tokenizer, frozenset())
    ids = pieces(tokenizer, "漢字" * 20 + "😀€" + "漢", kind)
    end = len(pieces(tokenizer, "漢字" * 20 + "😀€", kind))
    found = [n for n in range(1, len(ids) + 1) if reader.ends_with_one_of(ids[:n], ("😀€",))]
    assert found[0] == end
    assert not reader.ends_with_one_of(ids[:end], ())


def test_texts_of_whole_tokens_are_never_cut():
    tokenizer = KINDS["wordpiece"]()
    reader = Detokenisation(tokenizer, frozenset())
    ids = tokenizer("the answer", add_special_tokens=False)["input_ids"]
    assert reader.text(ids, cut=True) == reader.text(ids, cut=False) != ""
