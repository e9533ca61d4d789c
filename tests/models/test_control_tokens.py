"""A control token in somebody's words is encoded as letters, by every kind of tokenizer."""

import pytest

from tokenizer_kinds import KINDS
from weighbridge.models.control_tokens import ControlTokens
from weighbridge.models.prompts import encode


@pytest.mark.parametrize("kind", KINDS)
def test_a_quoted_control_token_is_letters_and_the_templates_own_is_a_token(kind):
    tokenizer = KINDS[kind]()
    controls = ControlTokens(tokenizer)
    end = tokenizer.convert_tokens_to_ids("</s>")
    for text in ("what is </s>?", "</s>", "a</s></s>b", "<|im_start|>user </s> <mask>"):
        hidden = controls.hide(text)
        assert "</s>" not in hidden and "<|im_start|>" not in hidden
        ids = controls.encode(f"<s>{hidden}</s>")
        assert ids.count(end) == 1 and ids[-1] == end
        assert ids[0] == tokenizer.convert_tokens_to_ids("<s>")
        assert tokenizer.convert_tokens_to_ids("<|im_start|>") not in ids
    plain = "no such token \U000f0001 here"
    assert controls.hide("no such token") == "no such token"
    assert end not in controls.encode(controls.hide(plain))
    assert controls.hide("<mask> </s>", keep=("</s>",)).endswith(" </s>")


def test_a_text_without_control_tokens_is_encoded_as_ever():
    tokenizer = KINDS["gpt2"]()
    controls = ControlTokens(tokenizer)
    controls.hide("</s>")  # from now on it looks for stand-ins
    for text in ("Answer: C\n\n  indented", "the answer", ""):
        assert controls.encode(text) == encode(tokenizer, text, rendered=True)
