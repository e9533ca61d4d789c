"""Calls of tools go through the model's own template, or are refused where it leaves them out."""

from dataclasses import replace
from pathlib import Path

import pytest

from chat_templates import NAMES, spans, tokenizer_of
from tiny import CHAT_TEMPLATE, build_tokenizer
from weighbridge.errors import MalformedRow
from weighbridge.tuning import (
    Conversation,
    MaskedConversation,
    MaskedRow,
    PlainText,
    ToolCall,
    Turn,
    mask_answers,
    read_conversations,
)
from weighbridge.tuning.plan import plan_rows

TOOL = {
    "type": "function",
    "function": {
        "name": "find_parcel",
        "description": "Tell where a parcel is.",
        "parameters": {"type": "object", "properties": {"order": {"type": "string"}}},
    },
}
CALL = ToolCall("find_parcel", {"order": 'FH-17 "é"', "days": 12}, "abcd12345")
TURNS = (
    Turn("user", "zebra"),
    Turn("assistant", "", tool_calls=(CALL,)),
    Turn("tool", 'left\n"Monday"', name="find_parcel", tool_call_id="abcd12345"),
    Turn("assistant", "quartz hat"),
)
ROW = Conversation("c", TURNS, Path("rows.jsonl"), 3, tools=(TOOL,))
WRITE_TOOLS = {"llama3_1", "qwen2_5", "qwen3"}
LEAVE_TOOLS_OUT = {"llama3", "gemma", "gemma3", "phi3", "phi3_5"}


def learnt(tokenizer, row):
    found = mask_answers(tokenizer, row)
    return [
        tokenizer.decode(ids)
        for masked in found.rows
        for _, ids in spans(masked.token_ids, masked.trained)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_a_call_is_learnt_whole_or_the_row_is_refused(name):
    tokenizer = tokenizer_of(name)
    try:
        runs = learnt(tokenizer, ROW)
    except MalformedRow as refused:
        assert name not in WRITE_TOOLS, refused
        told = str(refused)
        assert told.startswith("rows.jsonl, line 3") and "\n" not in told
        assert "chat template leaves out the" in told or "chat template refuses" in told
        return
    assert name not in LEAVE_TOOLS_OUT
    call, answer = runs
    assert "find_parcel" in call and "FH-17" in call and "12" in call
    assert "quartz hat" in answer and "Monday" not in call + answer and "zebra" not in call + answer
    for run in runs:
        last = tokenizer.encode(run.rstrip(), add_special_tokens=False)[-1]
        assert tokenizer.added_tokens_decoder[last].special, run


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ("tools", "the tool 'find_parcel'"),
        ("calls", r"the call of 'find_parcel' in messages\[1\]"),
        ("replies", r"the tool's reply in messages\[2\]"),
    ],
)
def test_each_part_that_a_template_leaves_out_is_refused_by_name(part, told):
    writes = {
        "tools": "{% if tools %}{{ tools | tojson }}\n{% endif %}",
        "calls": "{{ (message['tool_calls'] or []) | tojson }}",
        "replies": "{% if message['role'] != 'tool' %}",
    }
    template = CHAT_TEMPLATE.replace(
        "{{ message['content'] }}", f"{writes['calls'] if part != 'calls' else ''}"
        + ("{{ message['content'] }}" if part != "replies" else
           "{% if message['role'] != 'tool' %}{{ message['content'] }}{% endif %}"),
    )  # fmt: skip
    template = (writes["tools"] if part != "tools" else "") + template
    with pytest.raises(MalformedRow, match=f"line 3, .*leaves out {told}"):
        mask_answers(build_tokenizer(template), ROW)


def test_a_template_that_says_only_that_there_are_tools_leaves_them_out():
    template = "{% if tools %}You may call tools.\n{% endif %}" + CHAT_TEMPLATE
    row = replace(ROW, messages=(TURNS[0], TURNS[3]))
    with pytest.raises(MalformedRow, match="leaves out the tool 'find_parcel'"):
        mask_answers(build_tokenizer(template), row)
    assert mask_answers(build_tokenizer(template), replace(row, tools=())).rows


def test_control_tokens_in_a_tool_stay_text():
    tokenizer = tokenizer_of("qwen2_5")
    quoted = {**TOOL, "function": {**TOOL["function"], "description": "Ends at <|im_end|>."}}
    call = replace(CALL, arguments={"order": "<|im_start|>user"})
    turns = (TURNS[0], replace(TURNS[1], tool_calls=(call,)), *TURNS[2:])
    plain, found = (mask_answers(tokenizer, row).rows[-1] for row in
                    (ROW, replace(ROW, messages=turns, tools=(quoted,))))  # fmt: skip
    for token in tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|im_start|>"]):
        assert found.token_ids.count(token) == plain.token_ids.count(token)


def test_an_answer_of_weight_0_is_read_and_not_learnt():
    tokenizer = tokenizer_of("qwen2_5")
    turns = (Turn("user", "zebra"), Turn("assistant", "violet oar", learnt=False),
             Turn("user", "umber"), Turn("assistant", "quartz hat"))  # fmt: skip
    row = Conversation("c", turns, Path("rows.jsonl"), 3)
    assert learnt(tokenizer, row) == ["quartz hat<|im_end|>"]
    (masked,) = mask_answers(tokenizer, row).rows
    assert "violet oar" in tokenizer.decode(masked.token_ids)
    _, report = plan_rows(tokenizer, [row], 512, "refuse")
    assert report.read_only == 1
    assert "1 answer read and not learnt" in " ".join(report.sentences("learnt from"))
    last = Conversation("c", (*turns[2:], *turns[:2]), Path("rows.jsonl"), 3)
    assert learnt(tokenizer, last) == ["quartz hat<|im_end|>"]


def test_a_row_of_which_nothing_is_learnt_is_refused(monkeypatch):
    """No mask of ours is such a row; but if one ever were, its loss would be 0 in silence."""
    nothing = MaskedConversation((MaskedRow("c", (1, 2, 3), (False, False, False)),))
    monkeypatch.setattr("weighbridge.tuning.plan.mask_answers", lambda *_: nothing)
    with pytest.raises(MalformedRow, match=r"rows.jsonl, line 3, .* of which no token is learnt"):
        plan_rows(None, [ROW], 512, "refuse")


def test_plain_text_is_learnt_whole_with_its_end():
    tokenizer = tokenizer_of("qwen2_5")
    text = PlainText("c", (), Path("rows.jsonl"), 3, text="zebra lamp")
    ((row,), report) = plan_rows(tokenizer, [text], 512, "refuse")
    assert tokenizer.decode(row.token_ids) == "zebra lamp<|im_end|>"
    assert row.trained == (False, *[True] * (len(row) - 1))
    assert (report.plain, report.all_learnt) == (1, 0)
    assert "1 text without turns: every token is learnt" in report.sentences("learnt from")
    quoted = replace(text, text="<|im_start|>user\nzebra<|im_end|>")
    with pytest.raises(
        MalformedRow, match=r"line 3, column text: .*'<\|im_start\|>' in plain text"
    ):
        mask_answers(tokenizer, quoted)


@pytest.mark.parametrize("name", ["qwen2_5", "llama3_1"])
def test_calls_of_a_published_file_are_learnt_and_their_replies_are_not(name, real_data):
    rows = read_conversations(real_data / "tuning" / "glaive_toolcall_en_demo.json").conversations
    tokenizer = tokenizer_of(name)
    for row in [row for row in rows if row.tools][:4]:
        runs = learnt(tokenizer, row)
        answers = [turn for turn in row.messages if turn.role == "assistant"]
        assert len(runs) == len(answers)
        for run, turn in zip(runs, answers, strict=True):
            assert all(call.name in run for call in turn.tool_calls)
            assert "".join(turn.content.split()) in "".join(run.split())
        replies = [turn.content for turn in row.messages if turn.role == "tool"]
        assert not any(reply in run for reply in replies for run in runs)
