"""Markers of thoughts are read from tokenizers and templates; special ones stay in the text."""

import pytest

from scripted import tokenizer_with
from tokenizer_kinds import KINDS
from weighbridge.models.detokenisation import Detokenisation
from weighbridge.models.thoughts import MARKERS, Markers, marker_tokens, own_markers, with_known

HARMONY = (
    "{% for m in messages %}<|start|>{{ m.role }}<|message|>{{ m.content }}<|end|>{% endfor %}"
    "<|start|>assistant"
)


@pytest.mark.parametrize(
    "pair",
    [
        ("<think>", "</think>"), ("<inner:reasoning>", "</inner:reasoning>"),
        ("<Thought>", "</Thought>"), ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷"),
        ("<|START_THINKING|>", "<|END_THINKING|>"), ("<|think|>", "<|/think|>"),
        ("<|begin_of_thought|>", "<|end_of_thought|>"), ("<|think_start|>", "<|think_end|>"),
    ],
)  # fmt: skip
def test_markers_are_found_in_added_tokens_and_in_templates(pair):
    by_tokens = tokenizer_with(special=pair)
    # A template that takes thoughts off earlier turns names the closing marker alone.
    cuts = "{% for m in messages %}{{ m.content.split('" + pair[1] + "')[-1] }}{% endfor %}"
    by_template = tokenizer_with(template=cuts)
    for tokenizer in (by_tokens, by_template):
        assert own_markers(tokenizer) == (pair,)
        assert with_known(own_markers(tokenizer))[0] == pair
    assert len(marker_tokens(by_tokens, [Markers(*pair)])) == 2
    assert marker_tokens(by_template, [Markers(*pair)]) == frozenset()


@pytest.mark.parametrize("names", ["<|thinking_effort|>", "<think_tag>", "<answer>", "</thinker>"])
def test_other_tokens_are_no_markers(names):
    assert own_markers(tokenizer_with(special=(names, names.replace("<", "</")))) == ()
    assert own_markers(tokenizer_with()) == ()


def test_harmony_is_known_by_its_tokens_or_its_template():
    tokenizer = tokenizer_with(("<|channel|>", "<|message|>"), template=HARMONY)
    analysis, commentary = MARKERS[-2:]
    assert own_markers(tokenizer) == (analysis, commentary)
    shown = marker_tokens(tokenizer, own_markers(tokenizer))
    assert tokenizer.convert_ids_to_tokens(sorted(shown)) == ["<|channel|>", "<|message|>"]
    by_template = tokenizer_with(template=HARMONY.replace("assistant", analysis.closing))
    assert own_markers(by_template) == (analysis, commentary)
    assert own_markers(tokenizer_with(("<|message|>",))) == ()  # as some ChatML variants have it


@pytest.mark.parametrize("kind", KINDS)
def test_only_markers_stay_in_the_text(kind):
    """And without markers, text is decoded as it always was."""
    from tokenizers import AddedToken

    tokenizer = KINDS[kind]()
    tokenizer.add_tokens([AddedToken(t, special=True) for t in ("[THINK]", "[/THINK]", "<|x|>")])
    shown = marker_tokens(tokenizer, own_markers(tokenizer))
    text = "the answer is C. 12345 units\n\n  A. yes"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    special = tokenizer.convert_tokens_to_ids(["[THINK]", "<|x|>", "<s>", "[/THINK]"])
    plain, marked = (Detokenisation(tokenizer, frozenset({2}), s) for s in (frozenset(), shown))
    assert marked.text(ids, cut=False) == plain.text(ids, cut=False)
    written = [*special[:2], *ids, *special[2:], *ids, 2]
    assert "THINK" not in plain.text(written, cut=False)
    read = marked.text(written, cut=False)
    assert read.lstrip().startswith("[THINK]") and read.count("[/THINK]") == 1
    assert "<|x|>" not in read and "<s>" not in read and "</s>" not in read
