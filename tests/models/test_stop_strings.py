"""Stop strings count in an answer, never in the thought before it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scripted import scripted_model, tokenizer_with
from tokenizer_kinds import KINDS
from weighbridge.models.detokenisation import Detokenisation
from weighbridge.models.engine import generation
from weighbridge.models.protocol import GenerateRequest, Prompt, Sampling
from weighbridge.models.stopping import StopStrings
from weighbridge.models.thoughts import MARKERS, own_markers
from weighbridge.records import Message

CLASS = Sampling(max_tokens=200, stop=("\nclass", "\n\n"))
CHAT = Prompt(messages=(Message("user", "question"),))


def ask(tokenizer, says, sampling=CLASS, prompt=CHAT):
    """Have a model say something, with its own markers found in the tokenizer."""
    probe = scripted_model(tokenizer, {})
    length = len(tokenizer(probe.prompts.write(prompt), add_special_tokens=False)["input_ids"])
    model = scripted_model(tokenizer, {length: says})
    (generated,) = model.generate([GenerateRequest("a", prompt, sampling)])
    return generated


def tokens(tokenizer, text):
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


def pieces(pair):
    """A pair's own tokens, as models have them: harmony's markers are of several."""
    if "<|message|>" in pair.opening:
        return ("<|channel|>", "<|message|>", "<|return|>")
    return (*pair,)


@pytest.mark.parametrize("kind", ["special", "plain", "none"])
@pytest.mark.parametrize("pair", MARKERS)
def test_a_thought_full_of_stop_strings_is_thought_to_its_end(pair, kind):
    """Markers that are special tokens, added ones, or letters like any other."""
    added = {kind: pieces(pair)} if kind != "none" else {}
    tokenizer = tokenizer_with(**added)
    thought = f"{pair.opening}\nclass A:\n\nno\nclass B"
    answer = "def f():\n    return 7"
    generated = ask(tokenizer, f"{thought}{pair.closing}\n\n{answer}\nclass C:\n\nmore")
    written = generated.generation
    assert written.text == f"{thought}{pair.closing}\n\n{answer}"
    assert written.stop == "stop_string" and generated.answer == answer
    # It stops with the token that brings the stop string, no later.
    whole = f"{written.text}\nclass C:"
    assert written.output_tokens < tokens(tokenizer, whole)


@pytest.mark.parametrize("pair", MARKERS)
def test_a_thought_that_the_prompt_opens(pair):
    template = "{% for m in messages %}{{ m.content }}\n{% endfor %}" + pair.opening + "{{ '\\n' }}"
    tokenizer = tokenizer_with(special=pieces(pair), template=template)
    generated = ask(tokenizer, f"First\n\nsecond\nclass{pair.closing}\n\n7\n\nand")
    assert generated.prompt_text.endswith(f"{pair.opening}\n")
    assert generated.generation.text == f"First\n\nsecond\nclass{pair.closing}\n\n7"
    assert generated.answer == "7"


@pytest.mark.parametrize("added", [{"special": ("<think>", "</think>")}, {}])
def test_a_thought_that_never_ends_runs_to_the_limit(added):
    generated = ask(
        tokenizer_with(**added), "<think>one\n\ntwo\nclass" + "\n\nthree" * 20,
        Sampling(max_tokens=30, stop=CLASS.stop),
    )  # fmt: skip
    assert generated.generation.stop == "length" and generated.generation.output_tokens == 30
    assert generated.answer is None


@pytest.mark.parametrize("says", ["\n\n<think>a\n\nb</think>\n 7\n\n8", "\n\n7"])
def test_white_space_before_a_thought_stops_only_models_that_do_not_think(says):
    thinking = ask(tokenizer_with(special=("<think>", "</think>")), says)
    other = ask(tokenizer_with(), says)
    assert other.generation.text == "" and other.generation.output_tokens <= 2
    assert thinking.answer == ("7" if "<think>" in says else "")


def test_a_stop_string_inside_a_marker_does_not_cut_it():
    sampling = Sampling(max_tokens=99, stop=("<", "8"))
    generated = ask(tokenizer_with(), "<think>1 < 8</think>7 < 8", sampling)
    assert generated.answer == "7 " and generated.generation.stop == "stop_string"
    plain = ask(tokenizer_with(), "<thus>7", sampling)
    assert plain.generation.text == ""


def test_markers_in_an_answer_open_no_thought():
    generated = ask(tokenizer_with(special=("<think>", "</think>")), "print('<think>')\n\n</think>")
    assert generated.generation.text == generated.answer == "print('<think>')"


def test_what_stands_around_an_answer_is_no_part_of_it():
    special = ("<|START_THINKING|>", "<|END_THINKING|>")
    plain = ("<|START_RESPONSE|>", "<|END_RESPONSE|>")
    tokenizer = tokenizer_with(special, plain)
    thought = "<|START_THINKING|>a\n\nb<|END_THINKING|>"
    for before in (thought, ""):
        says = f"{before}<|START_RESPONSE|>\n\n7<|END_RESPONSE|>"
        if before:
            assert ask(tokenizer, says).answer == "7"
        assert ask(tokenizer, says, Sampling(max_tokens=99)).answer == "7"


def test_text_does_not_depend_on_what_is_written_beside_it(monkeypatch):
    tokenizer = tokenizer_with(special=("<think>", "</think>"))
    says = {
        20: "<think>a\n\nb\nclass</think>\n\n7\n\n8",
        150: "plain\nclass X",
        300: "<think>never" + "\n\nending" * 15,
        500: "\n<think>\n\n</think>\n\nno thought\n\nmore",
    }
    model = scripted_model(tokenizer, says)
    prompts = {n: Prompt(text=tokenizer.decode([5] * n)) for n in says}
    assert {n: tokens(tokenizer, prompts[n].text) for n in says} == {n: n for n in says}
    sampling = Sampling(max_tokens=40, stop=CLASS.stop)
    requests = [GenerateRequest(str(n), prompts[n], sampling) for n in says]

    def written(asked):
        return [(g.generation.text, g.generation.stop, g.generation.output_tokens)
                for g in model.generate(asked)]  # fmt: skip

    together = written(requests)
    assert together == [one for request in requests for one in written([request])]
    assert list(reversed(together)) == written(list(reversed(requests)))
    monkeypatch.setattr(generation, "SLOTS", 1)
    assert together == written(requests) == written(requests)
    assert [stop for _, stop, _ in together] == [
        "stop_string", "stop_string", "length", "stop_string",
    ]  # fmt: skip


PIECES = (
    "<think>", "</think>", "[THINK]", "[/THINK]", "\n", "\n\n\n", " ", "stop", "st", "op", "x",
    "été", "漢字", "😀", "<", "<th", "ink>", "</think", "answer " * 9,
)  # fmt: skip
STRINGS = ("\n\n", "stop", "漢")


@pytest.mark.parametrize("kind", ["gpt2", "qwen", "llama2", "gemma", "unigram-whole"])
@pytest.mark.parametrize("special", [True, False])
def test_stopping_early_never_changes_the_text(kind, special):
    """At the first stop string, and as if all had been written and then cut."""
    from tokenizers import AddedToken

    tokenizer = KINDS[kind]()
    if special:
        tokenizer.add_tokens([AddedToken(text, special=True) for text in PIECES[:4]])
    own = own_markers(tokenizer)
    shown = frozenset(tokenizer.convert_tokens_to_ids(t) for pair in own for t in pair)
    detokenisation = Detokenisation(tokenizer, frozenset({2}), shown)

    @settings(max_examples=60, deadline=None)
    @example(["<think>", "\n\n\n", "</think>", "\n\n\n", "answer " * 9, "stop", "x"], "")
    @given(st.lists(st.sampled_from(PIECES), max_size=12), st.sampled_from(["", "q<think>\n"]))
    def check(written, prompt_text):
        ids = tokenizer("".join(written), add_special_tokens=False)["input_ids"]
        stopping = StopStrings(detokenisation, STRINGS, prompt_text, MARKERS, bool(own))
        until = next((n for n in range(1, len(ids) + 1) if stopping.reached(ids[:n])), len(ids))
        whole = detokenisation.text(ids, cut=False)
        assert stopping.cut(detokenisation.text(ids[:until], cut=False)) == stopping.cut(whole)
        if stopping.cut(whole) is None:
            assert until == len(ids)

    check()
