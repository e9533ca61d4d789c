"""What a template makes of prompts is found by trying it, and told before a run."""

import pytest

from tiny import build_tokenizer
from tokenizer_kinds import KINDS
from weighbridge.errors import InputError
from weighbridge.models.prompts import PromptWriter, adds_special_tokens, encode
from weighbridge.models.protocol import Prompt
from weighbridge.models.template_checks import check_prompts
from weighbridge.models.thoughts import MARKERS
from weighbridge.models.tokenisation import Tokenisation
from weighbridge.records import Message

TURN = "<{{ m.role }}>{{ m.content | trim }}</{{ m.role }}>"
KEEPS = "{% for m in messages %}" + TURN + "{% endfor %}<assistant>"
REFUSES = (
    "{% if messages[0].role == 'system' %}{{ raise_exception('No system turn, please') }}"
    "{% endif %}" + KEEPS
)
LEAVES_OUT = KEEPS.replace("messages %}", "messages if m.role != 'system' %}", 1)
MERGES = (
    "{% set ns = namespace(system='') %}{% for m in messages %}{% if m.role == 'system' %}"
    "{% set ns.system = m.content + '\n\n' %}{% else %}<{{ m.role }}>{{ ns.system }}"
    "{{ m.content }}{% set ns.system = '' %}{% endif %}{% endfor %}<assistant>"
)
ALTERNATES = (
    "{% for m in messages %}{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Roles must alternate') }}{% endif %}" + TURN + "{% endfor %}"
)
LAST_TURN = "{% set m = messages[-1] %}" + TURN
ASKED = (("user",), ("system", "user"), ("system", "user", "assistant", "user"))


def writer(template, tokenizer=None):
    tokenizer = tokenizer or build_tokenizer()
    tokenizer.chat_template = template
    return PromptWriter(tokenizer, "tiny")


def found(template, shapes=ASKED, tokenizer=None):
    findings = check_prompts(writer(template, tokenizer), shapes, MARKERS)
    return {finding.name: finding for finding in findings}


def prompt(*turns):
    return Prompt(messages=tuple(Message(role, text) for role, text in turns))


@pytest.mark.parametrize(
    ("template", "said"),
    [(REFUSES, "refuses"), (ALTERNATES, "refuses"), (LEAVES_OUT, "leaves out")],
)
def test_a_system_turn_that_a_template_does_not_write_is_kept_and_told(template, said):
    finding = found(template)["system_in_user_turn"]
    assert f"tiny's chat template {said} a system turn" in finding.sentence
    assert finding.changes_prompt
    asked = prompt(("system", "Answer in JSON. "), ("user", " My {{ order }} is late"))
    assert (
        writer(template)
        .write(asked)
        .startswith("<user>Answer in JSON. \n\n My {{ order }} is late</user>")
    )
    whole = prompt(("system", "S"), ("user", "one"), ("assistant", "two"), ("user", "three"))
    assert "<user>S\n\none</user><assistant>two</assistant><user>three</user>" in (
        writer(template).write(whole)
    )
    # Prompts without one are written as ever, and nothing is said of them.
    assert found(template, [("user",)]) == {}
    assert writer(template).write(prompt(("user", "one"))).startswith("<user>one</user>")


@pytest.mark.parametrize("template", [KEEPS, MERGES])
def test_a_template_that_writes_it_anywhere_is_left_alone(template):
    assert found(template) == {}
    text = writer(template).write(prompt(("system", "Be brief."), ("user", "one")))
    assert text.count("Be brief.") == 1


@pytest.mark.parametrize(
    ("template", "shape", "said"),
    [
        (None, ("user",), "tiny has no chat template"),
        (
            LAST_TURN,
            ("user", "assistant", "user"),
            "leaves out turn 1 (user) and turn 2 (assistant)",
        ),
        (LAST_TURN, ("system", "user", "assistant", "user"), "leaves out turn 1 (system)"),
        (ALTERNATES, ("user", "user"), "refuses the turns user, user (Roles must alternate)"),
        (REFUSES, ("system",), "refuses the turns system (No system turn, please)"),
        ("{{ messages[0].content }}{{ 1 / 0 }}", ("user",), "refuses the turns user (division"),
        ("{{ messages | nosuchfilter }}", ("user",), "refuses the turns user (No filter"),
    ],
)
def test_what_can_not_be_asked_is_one_line(template, shape, said):
    with pytest.raises(InputError) as told:
        found(template, [shape])
    assert said in str(told.value) and "\n" not in str(told.value)
    assert "--no-chat-template" in str(told.value)


def test_plain_text_needs_no_template():
    assert found(None, [()]) == {}


def test_a_template_that_fails_on_some_texts_does_not_quote_them():
    picky = "{% for m in messages %}{{ m.content }}{% if 'secret' in m.content %}" \
        "{{ raise_exception(m.content) }}{% endif %}{% endfor %}"  # fmt: skip
    assert found(picky) == {}
    with pytest.raises(InputError, match="fails on a prompt") as told:
        writer(picky).write(prompt(("user", "a secret question")))
    assert "secret" not in str(told.value)


def test_a_template_that_opens_a_thought_is_told():
    opens = KEEPS + "<think>\n"
    assert "opens a thought (<think>)" in found(opens)["thought_opened"].sentence
    assert found(KEEPS + "<think>\n\n</think>\n\n") == {}  # thinking switched off


WITH_BOS = [kind for kind in KINDS if KINDS[kind]()("x")["input_ids"][0] == 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_prompt_is_encoded_with_one_bos_however_it_is_given(kind):
    tokenizer = KINDS[kind]()
    tokenizer.chat_template = "{{ bos_token }}" + KEEPS
    writes = PromptWriter(tokenizer, "tiny")
    chat = prompt(("user", "the answer"))
    adds = kind in WITH_BOS
    asked = ((chat, 1), (Prompt("the answer"), int(adds)), (Prompt("<s>the answer"), 1))
    for one, expected in asked:
        text, rendered = writes.write(one), one.text is None
        ids = encode(tokenizer, text, rendered=rendered)
        assert ids.count(1) == expected and (not expected or ids[0] == 1)
        # Scored requests are tokenised elsewhere, by the same rule.
        ((context, _),), = Tokenisation(tokenizer).pairs(
            [text], [[" is C"]],
            lambda t, r=rendered: adds_special_tokens(tokenizer, t, rendered=r), prefix_token=1,
        )  # fmt: skip
        assert list(context).count(1) == expected
        assert writes.as_read(one).count("<s>") == expected
    assert check_prompts(writes, [("user",), ()], MARKERS) == ()


@pytest.mark.parametrize("kind", KINDS)
def test_two_bos_and_none_are_told(kind):
    def names(template):
        return set(found(template, [("user",)], KINDS[kind]()))

    assert names("{{ bos_token }}{{ bos_token }}" + KEEPS) == {"bos_twice"}
    assert names("{{ bos_token }}" + KEEPS) == set()
    # A template need not write one where the tokenizer adds none either.
    assert names(KEEPS) == ({"bos_missing"} if kind in WITH_BOS else set())


def test_the_kinds_of_tokenizers_hold_some_that_add_bos_and_some_that_do_not():
    assert 3 < len(WITH_BOS) < len(KINDS)


def test_a_tokenizer_that_adds_two_is_told():
    from tokenizers import processors

    tokenizer = KINDS["llama3"]()
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> <s> $A", special_tokens=[("<s>", 1)]
    )
    assert "more than one BOS token (<s>)" in found(None, [()], tokenizer)["bos_twice"].sentence


def test_what_the_tokenizer_adds_is_shown():
    tokenizer = KINDS["wordpiece"]()
    assert PromptWriter(tokenizer, "t").as_read(Prompt("The answer")) == "<s>The answer</s>"
