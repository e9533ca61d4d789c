"""What is learnt under published chat templates: every answer after the prompt that asks for it.

The templates of Qwen 3 to 3.6, gpt-oss, GLM 4.5, Phi 3, DeepSeek, LFM2.5 and Nemotron 3 write an
earlier answer otherwise than the last one.
"""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat_templates import FOLDER, NAMES, spans, tokenizer_of, trl_spans
from tiny import CHAT_TEMPLATE, build_tokenizer
from weighbridge.errors import MalformedRow
from weighbridge.models.prompts import PromptWriter, encode
from weighbridge.models.protocol import Prompt
from weighbridge.tuning import Conversation, Turn, mask_answers, mask_conversation
from weighbridge.tuning.plan import plan_rows

THOUGHT = "<think>\nhm so\n</think>\n\n"
SHAPES = {
    "one turn": "ua",
    "system": "sua",
    "two turns": "uaua",
    "three turns": "uauaua",
    "system, two": "suaua",
    "thinking, one": "uA",
    "thinking, two": "uAuA",
    "assistant first": "aua",
    "system, assistant first": "saua",
    "only an assistant": "a",
    "assistant twice": "uaa",
    "user twice": "uua",
}
ALTERNATING = ("gemma", "gemma3", "cohere", "cohere2")
NEEDS_USER = ("qwen3_5_think", "qwen3_5_nothink", "qwen3_6")
ROLES = {"s": "system", "u": "user", "a": "assistant", "A": "assistant"}
WORDS = ("zebra lamp", "violet oar", "quartz hat", "umber fig", "xylem tub", "yellow pin")


def conversation(shape, words=WORDS):
    turns = tuple(
        Turn(ROLES[letter], (THOUGHT if letter == "A" else "") + text)
        for letter, text in zip(shape, words, strict=False)
    )
    return Conversation("c", turns, Path("rows.jsonl"), 3)


def learnt(tokenizer, row):
    """The learnt runs of a row as text, each with the text before it."""
    return [
        (tokenizer.decode(row.token_ids[:at]), tokenizer.decode(ids))
        for at, ids in spans(row.token_ids, row.trained)
    ]


def refused_by(name, shape):
    if name in ALTERNATING and shape in (
        "assistant first", "system, assistant first", "only an assistant", "assistant twice",
        "user twice",
    ):  # fmt: skip
        return "alternate|System role not supported"
    return "No user query" if name in NEEDS_USER and shape == "only an assistant" else None


def scaffold(tokenizer):
    """What a template may write around an answer's own words."""
    special = "|".join(map(re.escape, tokenizer.all_special_tokens))
    added = "|".join(re.escape(t.content) for t in tokenizer.added_tokens_decoder.values())
    return re.compile(rf"(\s|{special}|{added}|<think>|</think>|final)*")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_the_answers_are_learnt_once_with_their_ends_and_nothing_else_is(name, shape):
    tokenizer, row = tokenizer_of(name), conversation(SHAPES[shape])
    if (why := refused_by(name, shape)) is not None:
        with pytest.raises(MalformedRow, match=f"rows.jsonl, line 3, .*({why})"):
            mask_answers(tokenizer, row)
        return
    found = mask_answers(tokenizer, row)
    runs = [text for masked in found.rows for _, text in learnt(tokenizer, masked)]
    answers = [turn.content for turn in row.messages if turn.role == "assistant"]
    # Where nothing could ask for the greeting, it is not learnt, and that is told.
    greets = name in NEEDS_USER and "assistant first" in shape
    assert found.left_out == greets
    for answer, run in zip(answers[greets:], runs, strict=True):
        words = answer.removeprefix("<think>").strip()
        flat, wanted = "".join(run.split()), "".join(words.split())
        assert flat.count(wanted) == 1, run
        around = flat.replace(wanted, "")
        assert scaffold(tokenizer).fullmatch(around), run
        last = tokenizer.encode(run.rstrip(), add_special_tokens=False)[-1]
        assert tokenizer.added_tokens_decoder[last].special, run


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", NAMES)
def test_an_answer_stands_after_the_prompt_that_serving_gives(name, shape):
    tokenizer, row = tokenizer_of(name), conversation(SHAPES[shape])
    if refused_by(name, shape) or "{%- generation" in tokenizer.chat_template:
        return
    found, writer = mask_answers(tokenizer, row), PromptWriter(tokenizer, "m")
    # A greeting that nothing could ask for has no prompt.
    first = 2 + SHAPES[shape].index("a") if found.left_out else 1
    asked = {
        tuple(encode(tokenizer, writer.write(Prompt(messages=row.messages[:at])), rendered=True))
        for at, turn in enumerate(row.messages)
        if at >= first and turn.role == "assistant"
    }
    before = [masked.token_ids[:at] for masked in found.rows
              for at, _ in spans(masked.token_ids, masked.trained)]  # fmt: skip
    opens = SHAPES[shape][0] == "a" and not found.left_out
    assert len([ids for ids in before if ids not in asked]) == found.off_prompt + opens


WITH_TRL = [name for name in NAMES if (FOLDER / f"{name}_training.jinja").is_file()]
AS_TRL = {"llama3", "qwen2_5", "qwen3", "qwen3_instruct_2507", "glm4moe", "gemma", "gemma3", "phi3",
          "phi3_5", "lfm2", "cohere", "cohere2"}  # fmt: skip


@pytest.mark.parametrize("shape", ["one turn", "system", "two turns", "thinking, one"])
@pytest.mark.parametrize("name", WITH_TRL)
def test_the_learnt_tokens_are_those_of_trls_training_template(name, shape):
    tokenizer, row = tokenizer_of(name), conversation(SHAPES[shape])
    if "system" in shape and name.startswith("gemma"):
        return  # gemma has no system turn: here it stands in the user's, trl leaves that to others
    if "thinking" in shape and name == "deepseekv3":
        return  # trl's template drops the thought; here it is learnt after the prompt that opens it
    ours = [run for m in mask_answers(tokenizer, row).rows for run in learnt(tokenizer, m)]
    turns = [{"role": turn.role, "content": turn.content} for turn in row.messages]
    theirs = [tokenizer.decode(ids) for _, ids in trl_spans(name, turns)]
    for (before, run), peer in zip(ours, theirs, strict=True):
        run, peer = run.rstrip(), peer.rstrip()
        # Here an earlier answer is learnt as the last one, which ends the text: Phi, gpt-oss.
        run, peer = (
            re.sub(r"\s*(<\|endoftext\|>|<\|end\|>|<\|return\|>)+$", "", text)
            for text in (run, peer)
        )
        # What trl learns beyond that stands in the prompt here: "<|start|>assistant", "<think>".
        assert peer.endswith(run)
        more = peer.removesuffix(run)
        assert "".join(before.split()).endswith("".join(more.split()))
        assert not more.strip() or name not in AS_TRL


@pytest.mark.parametrize("name", [f"{name}_training" for name in WITH_TRL])
def test_trls_own_tags_are_honoured_token_for_token(name):
    base = name.removesuffix("_training")
    tokenizer, row = tokenizer_of(base, name), conversation(SHAPES["two turns"])
    turns = [{"role": turn.role, "content": turn.content} for turn in row.messages]
    ours = [ids for m in mask_answers(tokenizer, row).rows
            for _, ids in spans(m.token_ids, m.trained)]  # fmt: skip
    for mine, (_, peer) in zip(ours, trl_spans(base, turns), strict=True):
        cut = [token for token in peer[len(mine) :] if tokenizer.decode([token]).strip()]
        if base == "gptoss":  # an earlier turn is learnt as the last one, which ends otherwise
            mine, peer = mine[:-1], peer[: len(mine) - 1]
        assert mine == peer[: len(mine)] and not cut


@given(
    st.sampled_from([n for n in NAMES if n not in ALTERNATING]),
    st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp")), min_size=1),
             min_size=4, max_size=4),
)  # fmt: skip
@settings(max_examples=150, deadline=None)
def test_any_text_is_learnt_whole_or_refused(name, texts):
    """Texts that begin with a thought's marker, quote control tokens, or are not ASCII."""
    tokenizer = tokenizer_of(name)
    row = conversation("uaua", texts)
    try:
        found = mask_answers(tokenizer, row)
    except MalformedRow as error:
        assert "rows.jsonl, line 3" in str(error)
        return
    runs = [text for masked in found.rows for _, text in learnt(tokenizer, masked)]
    for answer, run in zip((texts[1], texts[3]), runs, strict=True):
        assert answer.removeprefix("<think>") in run


@pytest.mark.parametrize("field", ["reasoning_content", "thinking", "reasoning"])
@pytest.mark.parametrize("name", ["qwen3", "qwen3_5_think", "gptoss", "glm4moe", "nemotron_3_nano"])
def test_a_thought_in_a_field_of_its_own_is_learnt_with_its_answer(name, field, tmp_path):
    from weighbridge.tuning import read_conversations

    answer = {"role": "assistant", "content": "violet oar", field: "because umber"}
    row = {"messages": [{"role": "user", "content": "zebra lamp"}, answer] * 2}
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\n")
    tokenizer = tokenizer_of(name)
    found = mask_answers(tokenizer, read_conversations(tmp_path / "t.jsonl").conversations[0])
    runs = [text for masked in found.rows for _, text in learnt(tokenizer, masked)]
    assert len(runs) == 2
    for run in runs:
        assert run.index("because umber") < run.index("violet oar") and "zebra" not in run


@pytest.mark.parametrize("name", ["llama3", "qwen2_5", "gemma", "deepseekv3", "phi3"])
def test_a_thought_that_a_template_leaves_out_is_refused(name):
    turns = (Turn("user", "zebra"), Turn("assistant", "violet", "because umber"))
    with pytest.raises(MalformedRow, match="leaves out the thought of messages"):
        mask_answers(tokenizer_of(name), Conversation("c", turns, Path("rows.jsonl"), 3))


@pytest.mark.parametrize("quoted", ["<|im_end|>", "<|im_start|>user", "a<|im_end|>\n"])
def test_a_control_token_in_a_rows_words_stays_text(quoted):
    tokenizer = tokenizer_of("qwen2_5")
    turns = (Turn("user", f"what is {quoted}?"), Turn("assistant", f"the token {quoted} here"))
    found = mask_answers(tokenizer, Conversation("c", turns, Path("rows.jsonl"), 3))
    (row,) = found.rows
    end, start = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|im_start|>"])
    # The template's own: after the system's, the user's and the assistant's turns.
    assert row.token_ids.count(end) == 3 and row.token_ids.count(start) == 3
    assert quoted in tokenizer.decode(row.token_ids) and found.quoted
    assert learnt(tokenizer, row)[0][1] == f"the token {quoted} here<|im_end|>"


def test_a_split_conversation_is_counted_and_told():
    tokenizer = tokenizer_of("qwen3")
    data = [conversation("uaua"), conversation("ua"), conversation("uauaua")]
    rows, report = plan_rows(tokenizer, data, 512, "refuse")
    assert (len(rows), report.conversations, report.split) == (6, 3, 2)
    told = " ".join(report.sentences("learnt from"))
    assert "learnt from 6 rows" in told and "2 conversations in several rows" in told
    assert mask_conversation(tokenizer, data[0]) == rows[1]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (CHAT_TEMPLATE.replace("<|end|>\n", "\n"), "without a special token"),
        (CHAT_TEMPLATE.replace("message['content']", "message['content'][:4]"), "leaves out"),
        ("{{ undefined.thing }}", "chat template refuses"),
        (
            CHAT_TEMPLATE.replace(
                "{{ message['content'] }}",
                "{% generation %}{{ message['content'] }}{% endgeneration %}",
            ),
            "generation tags take in messages",
        ),
        (
            CHAT_TEMPLATE.replace(
                "{{ message['content'] }}",
                "{% if message['role'] == 'assistant' %}{% generation %}{{ message['content'] }}"
                "{% endgeneration %}{% else %}{{ message['content'] }}{% endif %}",
            ),
            "no end-of-turn token",
        ),
    ],
)
def test_a_template_that_gives_no_mask_to_trust_is_refused(template, why):
    with pytest.raises(MalformedRow, match=why):
        mask_answers(build_tokenizer(template), conversation("ua"))


TAGGED = CHAT_TEMPLATE.replace(
    "{{ message['content'] }}<|end|>",
    "{% if message['role'] == 'assistant' %}BEFORE{% generation %}{{ message['content'] }}<|end|>"
    "{% endgeneration %}{% else %}{{ message['content'] }}<|end|>{% endif %}",
)


def test_two_masks_that_disagree_are_refused_with_what_each_learns():
    """What the tags leave out would have to be generated, and was never learnt."""
    agreeing = TAGGED.replace("BEFORE", "")
    plain = mask_answers(build_tokenizer(), conversation("uaua"))
    tagged = mask_answers(build_tokenizer(agreeing), conversation("uaua"))
    runs = [
        [text.rstrip("\n") for row in found.rows for _, text in learnt(build_tokenizer(), row)]
        for found in (plain, tagged)
    ]
    assert runs[0] == runs[1] == ["violet oar<|end|>", "umber fig<|end|>"]
    with pytest.raises(
        MalformedRow,
        match=r"rows.jsonl, line 3, .* two masks of messages\[1\] that disagree: generation tags "
        r"learn 'violet oar<\|end\|>', and after its prompt stands 'Say: violet oar<\|end\|>'",
    ):
        mask_answers(build_tokenizer(TAGGED.replace("BEFORE", "Say: ")), conversation("ua"))


def test_a_row_that_is_learnt_from_end_to_end_is_told():
    everything = "{% for message in messages %}{{ message['content'] }}<|end|>{% endfor %}"
    _, report = plan_rows(build_tokenizer(everything), [conversation("a")], 512, "refuse")
    assert report.all_learnt == 1
    assert "1 row learnt from the first token to the last" in " ".join(report.sentences("from"))
    _, report = plan_rows(build_tokenizer(), [conversation("ua")], 512, "refuse")
    assert report.all_learnt == 0
