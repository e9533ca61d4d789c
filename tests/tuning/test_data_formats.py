"""Each format is known by its columns and read as it is; what would be a guess is refused by line.

trl's own functions, and the types of OpenAI's package, say what the formats are.
"""

import __future__

import ast
import importlib.util
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.errors import InputError, MalformedRow
from weighbridge.tuning import (
    Conversation,
    PlainText,
    PreferencePair,
    ToolCall,
    read_conversations,
    read_tuning_data,
)
from weighbridge.tuning.data_format import RawRow, data_formats, format_names, format_of

USER, ANSWER = "What is in Zürich's “lake”?", 'Water,\n"cold" 🙂.'
ASKED = [{"role": "user", "content": USER}]
TOLD = [{"role": "assistant", "content": ANSWER}]
NO = [{"role": "assistant", "content": "no"}]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
PAIR = [("user", USER), ("assistant", ANSWER)]
# A row, its format, and what it becomes.
READ = {
    "Alpaca": ({"instruction": USER, "input": "", "output": ANSWER}, "alpaca", PAIR),
    "Alpaca, system and history": (
        {"instruction": "b", "input": "c", "output": "d", "system": "s",
         "history": [["x", "y"], ["v", "w"]]},
        "alpaca",
        [("system", "s"), ("user", "x"), ("assistant", "y"), ("user", "v"), ("assistant", "w"),
         ("user", "b\n\nc"), ("assistant", "d")],
    ),
    "Dolly": ({"instruction": "a", "context": "b", "response": "c", "category": "x"}, "alpaca",
              [("user", "a\n\nb"), ("assistant", "c")]),
    "ShareGPT": (
        {"id": "7", "conversations": [{"from": "human", "value": USER},
                                      {"from": "gpt", "value": ANSWER}]},
        "sharegpt", PAIR,
    ),
    "ShareGPT, system and unlearnt turns": (
        {"system": "s", "conversations": [
            {"from": "human", "value": "a", "weight": 0},
            {"from": "gpt", "value": "b", "weight": 0},
            {"from": "human", "value": "c"}, {"from": "gpt", "value": "d", "weight": 1}]},
        "sharegpt",
        [("system", "s"), ("user", "a"), ("assistant (read only)", "b"), ("user", "c"),
         ("assistant", "d")],
    ),
    "ShareGPT with OpenAI's turns": ({"conversations": [*ASKED, *TOLD]}, "sharegpt", PAIR),
    "prompt and completion": ({"prompt": USER, "completion": ANSWER}, "prompt_completion", PAIR),
    "prompt and completion, turns": (
        {"prompt": [*ASKED, *NO, *ASKED], "completion": TOLD}, "prompt_completion",
        [("user", USER), ("assistant (read only)", "no"), *PAIR],
    ),
    "question and response": (
        {"id": "o1", "system_prompt": "s", "question": "q", "response": "r"}, "prompt_completion",
        [("system", "s"), ("user", "q"), ("assistant", "r")],
    ),
    "question and answer": ({"question": USER, "answer": ANSWER}, "prompt_completion", PAIR),
    "messages": ({"messages": [*ASKED, *TOLD], "source": "export"}, "messages", PAIR),
    "OpenAI, tools": (
        {"messages": [*ASKED, {"role": "assistant", "content": None, "tool_calls": [CALL]},
                      {"role": "tool", "tool_call_id": "c", "content": "1"}, *TOLD],
         "tools": [TOOL], "parallel_tool_calls": False},
        "openai",
        [("user", USER), ("assistant", "f {'x': 1}"), ("tool", "1"), ("assistant", ANSWER)],
    ),
    "OpenAI, functions": (
        {"messages": [*ASKED, {"role": "assistant",
                               "function_call": {"name": "f", "arguments": "{}"}},
                      {"role": "function", "name": "f", "content": "1"}, *TOLD],
         "functions": [TOOL["function"]]},
        "openai",
        [("user", USER), ("assistant", "f {}"), ("tool", "1"), ("assistant", ANSWER)],
    ),
    "OpenAI, weights": (
        {"messages": [*ASKED, {"role": "assistant", "content": "y", "weight": 0}, *ASKED,
                      {"role": "assistant", "content": ANSWER, "weight": 1}]},
        "openai",
        [("user", USER), ("assistant (read only)", "y"), *PAIR],
    ),
    "OpenAI, parts and a developer": (
        {"messages": [{"role": "developer", "content": "s"},
                      {"role": "user", "content": [{"type": "text", "text": USER}], "name": "ann"},
                      *TOLD]},
        "openai", [("system", "s"), *PAIR],
    ),
}  # fmt: skip
PREFERENCES = {
    "texts": ({"prompt": USER, "chosen": ANSWER, "rejected": "no"}, "preference"),
    "turns": ({"prompt": ASKED, "chosen": TOLD, "rejected": NO}, "preference"),
    "a prompt as text": ({"prompt": USER, "chosen": TOLD, "rejected": NO}, "preference"),
    "implicit": ({"chosen": [*ASKED, *TOLD], "rejected": [*ASKED, *NO]}, "preference"),
    "implicit, and named": (
        {"prompt": USER, "chosen": [*ASKED, *TOLD], "rejected": [*ASKED, *NO], "score_chosen": 9.5},
        "preference",
    ),
    "LLaMA-Factory": (
        {"conversations": [{"from": "human", "value": USER}],
         "chosen": {"from": "gpt", "value": ANSWER}, "rejected": {"from": "gpt", "value": "no"}},
        "preference",
    ),
    "instruction": ({"instruction": USER, "input": "", "chosen": ANSWER, "rejected": "no"},
                    "preference"),
    "Human and Assistant": (
        {"chosen": f"\n\nHuman: {USER}\n\nAssistant: {ANSWER}",
         "rejected": f"\n\nHuman: {USER}\n\nAssistant: no"},
        "preference",
    ),
    "OpenAI": (
        {"input": {"messages": ASKED, "tools": [], "parallel_tool_calls": True},
         "preferred_output": TOLD, "non_preferred_output": NO},
        "openai_preference",
    ),
}  # fmt: skip


def written(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def said(turns):
    return [
        (
            turn.role + " (read only)" * (turn.role == "assistant" and not turn.learnt),
            " ".join([turn.content, *(f"{c.name} {c.arguments}" for c in turn.tool_calls)]).strip(),
        )
        for turn in turns
    ]


# --- What is read ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READ)
def test_a_row_with_an_answer_is_read_as_it_is(name, tmp_path):
    row, form, expected = READ[name]
    data = read_tuning_data(written(tmp_path / "rows.jsonl", row))
    assert data.format.name == form
    assert said(data.rows[0].messages) == expected
    assert read_conversations(tmp_path / "rows.jsonl").conversations == data.rows


@pytest.mark.parametrize("name", PREFERENCES)
def test_a_preference_is_read_as_it_is_and_is_not_learnt_as_an_answer(name, tmp_path):
    row, form = PREFERENCES[name]
    data = read_tuning_data(written(tmp_path / "rows.jsonl", row))
    (pair,) = data.rows
    assert isinstance(pair, PreferencePair) and data.format.name == form
    assert [said(turns) for turns in (pair.prompt, pair.chosen, pair.rejected)] == [
        PAIR[:1], PAIR[1:], [("assistant", "no")],
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"holds 1 .* which is preferred; expected answers"):
        read_conversations(tmp_path / "rows.jsonl")


def test_calls_and_tools_become_what_templates_take(tmp_path):
    data = read_tuning_data(written(tmp_path / "rows.jsonl", READ["OpenAI, tools"][0]))
    (row,) = data.rows
    assert row.messages[1].tool_calls == (ToolCall("f", {"x": 1}, "c"),)
    assert row.messages[2].tool_call_id == "c" and row.tools == (TOOL,)
    written(tmp_path / "rows.jsonl", READ["OpenAI, functions"][0])
    (older,) = read_tuning_data(tmp_path / "rows.jsonl").rows
    assert older.tools == row.tools and older.messages[2].name == "f"


def test_plain_text_is_read_unless_other_columns_say_more(tmp_path):
    (row,) = read_tuning_data(written(tmp_path / "rows.jsonl", {"text": ANSWER})).rows
    assert isinstance(row, PlainText) and row.text == ANSWER
    alpaca = READ["Alpaca"][0] | {"text": "### Instruction: …"}  # as the first Alpaca has it
    data = read_tuning_data(written(tmp_path / "rows.jsonl", alpaca))
    assert data.format.name == "alpaca"
    assert data.notes == ("column 'text' is not read (1 times)",)


def test_what_is_read_over_is_noted(tmp_path):
    rows = [READ[name][0] for name in ("messages", "OpenAI, parts and a developer", "messages")]
    assert read_conversations(written(tmp_path / "rows.jsonl", *rows)).notes == (
        "column 'source' is not read (2 times)",
        "the name of a turn's speaker is not read: chat templates don't write it (1 times)",
    )


def test_null_is_as_good_as_absent(tmp_path):
    extra = {"name": None, "tool_calls": None, "weight": None, "reasoning_content": None}
    rows = [
        {"id": None, "tools": None, "messages": [turn | extra for turn in (*ASKED, *TOLD)]},
        {"id": 1, "messages": [*ASKED, *TOLD]},  # meets the number of the line above
        {"messages": [*ASKED, *TOLD]},
    ]
    read = read_conversations(written(tmp_path / "t.jsonl", *rows))
    assert [row.id for row in read.conversations] == ["line 1", "1", "line 3"]
    assert read.duplicates == 2


# --- Every file of the folder ---------------------------------------------------------------------


@pytest.mark.parametrize("form", data_formats(), ids=format_names())
def test_a_format_reads_its_own_example_and_no_other_knows_it(form, tmp_path, repository):
    assert form.name in format_names()
    data = read_tuning_data(written(tmp_path / "rows.jsonl", form.example))
    assert data.format is form and not data.notes
    (row,) = data.rows
    assert isinstance(row, Conversation | PreferencePair | PlainText)
    assert set(form.example) <= form.columns
    page = (repository / "docs/how-to/tuning-data.md").read_text(encoding="utf-8")
    assert json.dumps(form.example, ensure_ascii=False) in page


@pytest.mark.parametrize("form", data_formats(), ids=format_names())
def test_two_formats_in_one_file_are_refused_with_both_rows(form, tmp_path):
    for other in data_formats():
        path = written(tmp_path / "mixed.jsonl", form.example, form.example | {"id": 2},
                       other.example | {"id": 3})  # fmt: skip
        if other is form or other.name in form.covers or form.name in other.covers:
            assert len(read_tuning_data(path).rows) == 3
            continue
        with pytest.raises(MalformedRow) as refused:
            read_tuning_data(path)
        told = str(refused.value)
        assert f"line 3: a row of {other.title}, where line 1 is one of {form.title}" in told


# --- Against the originals ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trl():
    """trl's functions that know formats, out of their file: all of trl takes half a minute."""
    path = Path(importlib.util.find_spec("trl").origin).parent / "data_utils.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    wanted = ("is_conversational", "is_conversational_from_value", "maybe_convert_to_chatml",
              "extract_prompt")  # fmt: skip
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name in wanted]
    found = {}
    exec(compile(tree, str(path), "exec", __future__.annotations.compiler_flag), found)
    return SimpleNamespace(**{name: found[name] for name in wanted})


def as_trl(turns):
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def test_trl_finds_the_same_prompt_in_two_conversations(trl, tmp_path):
    system = [{"role": "system", "content": "s"}]
    for before in (ASKED, system + ASKED, [*ASKED, *NO, *ASKED]):
        row = {"chosen": [*before, *TOLD], "rejected": [*before, *NO]}
        (pair,) = read_tuning_data(written(tmp_path / "rows.jsonl", row)).rows
        peer = trl.extract_prompt(row)
        for name in ("prompt", "chosen", "rejected"):
            assert as_trl(getattr(pair, name)) == peer[name]


def test_trl_tells_turns_from_texts_and_from_values_alike(trl, tmp_path):
    for name in ("ShareGPT", "ShareGPT with OpenAI's turns"):
        row = READ[name][0]
        assert trl.is_conversational_from_value(row) == (name == "ShareGPT")
        (read,) = read_tuning_data(written(tmp_path / "rows.jsonl", row)).rows
        peer = trl.maybe_convert_to_chatml(json.loads(json.dumps(row)))["messages"]
        # trl keeps ShareGPT's names of the roles.
        names = {"human": "user", "gpt": "assistant"}
        assert as_trl(read.messages) == [
            m | {"role": names.get(m["role"], m["role"])} for m in peer
        ]
    for name, conversational in (("turns", True), ("texts", False)):
        assert trl.is_conversational(PREFERENCES[name][0]) == conversational


@pytest.mark.slow
def test_openai_s_package_has_these_types():
    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
    from pydantic import ConfigDict, TypeAdapter

    strict = ConfigDict(extra="ignore")
    turns = TypeAdapter(list[ChatCompletionMessageParam], config=strict)
    tools = TypeAdapter(list[ChatCompletionToolParam])
    for form in data_formats():
        if form.name.startswith("openai"):
            given = form.example.get("input", form.example)
            turns.validate_python(given["messages"])
            tools.validate_python(given.get("tools", []))


# --- What is refused ------------------------------------------------------------------------------

CHAT = '{"messages": [{"role": "user", "content": "a"}, %s]}'
REFUSED = [
    ('{"messages": [{"role": "user", "content": "a \\ud83d"}, ANSWER]}', r"column messages\[0\]"),
    ('{"id": "\\ude00", "messages": [{"role": "user", "content": "a"}, ANSWER]}', "column id"),
    ('{"messages": [{"role": "user"}, ANSWER]}', r"column messages\[0\]: "),
    ('{"messages": [{"role": "user", "content": 3}, ANSWER]}', r"messages\[0\].content: .* int"),
    ('{"messages": ["a", ANSWER]}', r"messages\[0\]: 'a'"),
    ('{"messages": [{"role": "user", "content": "a", "thinking": "b"}, ANSWER]}',
     "thought of the user"),
    ('{"messages": [ANSWER, {"role": "assistant", "content": " "}]}', "an empty assistant"),
    ('{"messages": []}', "no turns"),
    ('{"messages": "hello"}', "text that is no JSON"),
    ('{"messages": [ANSWER], "masages": 1, "tool": []}', "did you mean tools"),
    ('{"messages": [{"role": "user", "content": "a", "trainable": true}, ANSWER]}',
     "key 'trainable', which nothing reads"),
    ('{"messages": [ANSWER], "images": ["a.png"]}', "images, which can't be learnt"),
    ('{"messages": [{"role": "user", "content": [{"type": "image_url"}]}, ANSWER]}',
     "a part that is no text"),
    (CHAT % '{"role": "assistant", "content": "b", "weight": 0.5}', "weight 0.5; expected 0 or 1"),
    (CHAT % '{"role": "assistant", "content": "b", "weight": 0}', "every answer has weight 0"),
    ('{"messages": [{"role": "user", "content": "a", "weight": 1}, ANSWER]}',
     "weight 1 of a turn of the user"),
    (CHAT % '{"role": "assistant", "tool_calls": [{"type": "custom"}]}', "'type': 'custom'"),
    (CHAT % '{"role": "assistant", "function_call": {"name": "f", "arguments": "{"}}',
     r"function_call.arguments: text that is no JSON \(\{\)"),
    (CHAT % '{"role": "assistant", "function_call": {"name": "f", "arguments": "[1]"}}',
     "arguments of type list"),
    ('{"messages": [{"role": "user", "content": "a"}, ANSWER], "tools": [{"description": "f"}]}',
     r"tools\[0\]: .* expected the description of a function"),
    ('{"prompt": "a", "completion": "b", "label": true}', "judged good or bad by itself .*jq"),
    ('{"prompt": "a", "completion": "b", "label": "False"}', "judged good or bad by itself"),
    ('{"prompt": "a", "completion": ""}', "an empty assistant turn"),
    ('{"prompt": "", "completion": "b"}', "an empty prompt"),
    ('{"prompt": "a", "completion": "b", "question": "c", "answer": "d"}',
     "both prompt and completion, and question and answer"),
    ('{"instruction": "a", "output": "b", "response": "c"}', "both output and response"),
    ('{"instruction": "a", "output": "b", "history": [["c"]]}', r"history\[0\]: .* a pair"),
    ('{"conversations": [{"from": "narrator", "value": "a"}]}', "a turn from 'narrator'"),
    ('{"conversations": [{"from": "human", "value": "a"}, {"from": "function_call",'
     ' "value": "f()"}]}', "text that is no JSON"),
    ('{"conversations": [{"from": "human", "value": "a"}]}', "the last turn is the user's"),
    ('{"prompt": "a", "chosen": "b", "rejected": "b"}', "two equal answers"),
    ('{"chosen": [ANSWER], "rejected": [ANSWER]}', "answers without a prompt"),
    ('{"chosen": [{"role": "user", "content": "a"}, ANSWER],'
     ' "rejected": [{"role": "user", "content": "a"}, ANSWER]}', "two equal answers"),
    ('{"chosen": [{"role": "user", "content": "a"}, ANSWER],'
     ' "rejected": [{"role": "user", "content": "b"}, ANSWER]}', "answers to nothing"),
    ('{"prompt": "z", "chosen": [{"role": "user", "content": "a"}, ANSWER],'
     ' "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}',
     "a prompt that the answers don't begin with"),
    ('{"input": {"messages": [{"role": "user", "content": "a"}]}, "preferred_output": [ANSWER],'
     ' "non_preferred_output": [ANSWER]}', "two equal answers"),
    ('{"messages": [ANSWER], "chosen": "a", "rejected": "b"}',
     "that is messages as well as preference pairs .* jq -c"),
    ('{"instruction": "a", "output": "b", "conversations": []}', "Alpaca as well as ShareGPT"),
    ('{"text": ""}', "an empty text"),
    ('{"body": "a"}', r"no format knows \(columns: body\); expected one of: .*ShareGPT"),
    ('{}', r"no format knows \(columns: none\)"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "told"), REFUSED)
def test_a_row_at_fault_is_told_by_line_and_column(row, told, tmp_path):
    good = json.dumps({"messages": [*ASKED, *TOLD]}) if row.startswith('{"messages"') else ""
    row = row.replace("ANSWER", json.dumps(TOLD[0]))
    (tmp_path / "t.jsonl").write_text(f"{good}\n{row}\n")
    with pytest.raises(MalformedRow, match=f"t.jsonl, line 2.*{told}") as refused:
        read_tuning_data(tmp_path / "t.jsonl")
    assert "\n" not in str(refused.value)


def test_ids_that_stand_twice_are_refused(tmp_path):
    row = {"id": 7, "messages": [*ASKED, *TOLD]}
    with pytest.raises(MalformedRow, match="line 3, column id: id '7' stands on line 1"):
        read_tuning_data(written(tmp_path / "t.jsonl", row, row | {"id": 8}, row))


KEYS = ("messages", "conversations", "chosen", "rejected", "prompt", "completion", "instruction",
        "output", "text", "label", "history", "id", "role", "content", "from", "value", "tools",
        "weight", "tool_calls", "thinking", "input", "preferred_output", "non_preferred_output",
        "function_call", "name", "arguments", "function", "system")  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just("assistant"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4), min_size=1, max_size=3),
       st.sampled_from(["lines", "array"]))  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_rows_of_any_shape_are_read_or_refused_in_one_line(tmp_path_factory, rows, form):
    path = tmp_path_factory.getbasetemp() / "fuzzed.jsonl"
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(lines if form == "lines" else json.dumps(rows, indent=1))
    try:
        read_tuning_data(path)
    except InputError as refused:
        assert str(path) in str(refused)
        assert "\n" not in str(refused)


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6))
@settings(max_examples=80, deadline=None)
def test_no_row_is_of_two_formats(cells):
    raw = RawRow(Path("rows.jsonl"), 1, {k: v for k, v in cells.items() if v is not None})
    try:
        found = format_of(raw)
    except MalformedRow as refused:
        assert "as well as" in str(refused)
        return
    knowing = [form for form in data_formats() if form.recognises(raw.cells)]
    assert (found in knowing) if knowing else found is None
