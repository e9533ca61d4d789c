"""Foreign formats are named with a command that converts the file; odd rows by line and column."""

import csv
import json
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weighbridge.errors import InputError, MalformedRow
from weighbridge.tuning import read_conversations

USER, ANSWER = "What is in Zürich's “lake”?", 'Water,\n"cold" 🙂.'
ASKED = [{"role": "user", "content": USER}]
TOLD = [{"role": "assistant", "content": ANSWER}]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
PAIR = [("user", USER), ("assistant", ANSWER)]
# Name, rows, what the first becomes.
FORMATS = {
    "Alpaca": ([{"instruction": USER, "input": "", "output": ANSWER}], PAIR),
    "Alpaca, system and history": (
        [
            {"instruction": "b", "input": "c", "output": "d", "system": "s",
             "history": [["x", "y"], ["v", "w"]]},
            {"instruction": "b", "output": "d"},
        ],
        [("system", "s"), ("user", "x"), ("assistant", "y"), ("user", "v"), ("assistant", "w"),
         ("user", "b\n\nc"), ("assistant", "d")],
    ),
    "Dolly": ([{"instruction": "a", "context": "b", "response": "c", "category": "x"}],
              [("user", "a\n\nb"), ("assistant", "c")]),
    "ShareGPT": (
        [{"id": "7", "conversations": [{"from": "human", "value": USER},
                                       {"from": "gpt", "value": ANSWER}]}],
        PAIR,
    ),
    "ShareGPT, tools": (
        [{"tools": "[f]", "system": "s", "conversations": [
            {"from": "human", "value": "a"}, {"from": "function_call", "value": "f()"},
            {"from": "observation", "value": "1"}, {"from": "gpt", "value": "one"}]}],
        [("system", "s\n\n[f]"), ("user", "a"), ("assistant", "f()"), ("user", "1"),
         ("assistant", "one")],
    ),
    "ShareGPT with OpenAI's turns": ([{"conversations": [*ASKED, *TOLD]}], PAIR),
    "preference pairs": (
        [{"conversations": [{"from": "human", "value": USER}],
          "chosen": {"from": "gpt", "value": ANSWER}, "rejected": {"from": "gpt", "value": "no"}}],
        PAIR,
    ),
    "preference pairs, texts": ([{"prompt": USER, "chosen": ANSWER, "rejected": "no"}], PAIR),
    "preference pairs, lists": ([{"prompt": ASKED, "chosen": TOLD, "rejected": TOLD}], PAIR),
    "preference pairs, prompt text": ([{"prompt": USER, "chosen": TOLD, "rejected": TOLD}], PAIR),
    "preference pairs, whole": (
        [{"prompt": USER, "chosen": [*ASKED, *TOLD], "rejected": [*ASKED, *TOLD]}], PAIR,
    ),
    "preference pairs (Human and Assistant)": (
        [{"chosen": "\n\nHuman: a\n\nb\n\nAssistant: c", "rejected": "\n\nHuman: a"}],
        [("user", "a\n\nb"), ("assistant", "c")],
    ),
    "judged answers (KTO)": (
        [{"prompt": ASKED, "completion": TOLD, "label": True},
         {"prompt": "x", "completion": "y", "label": False}],
        PAIR,
    ),
    "prompt and completion": ([{"prompt": USER, "completion": ANSWER}], PAIR),
    "prompt and completion, lists": ([{"prompt": ASKED, "completion": TOLD}], PAIR),
    "question and response": (
        [{"id": "o1", "system_prompt": "s", "question": "q", "response": "r"}],
        [("system", "s"), ("user", "q"), ("assistant", "r")],
    ),
    "question and answer": ([{"question": USER, "answer": ANSWER}], PAIR),
    "OpenAI's messages with tool calls": (
        [{"messages": [*ASKED, {"role": "assistant", "content": None, "tool_calls": [CALL]},
                       {"role": "tool", "tool_call_id": "c", "content": "1"}, *TOLD], "tools": []}],
        [("user", USER), ("assistant", json.dumps([CALL])), ("user", "1"), ("assistant", ANSWER)],
    ),
    "OpenAI's messages with weights of turns": (
        [{"messages": [{"role": "user", "content": "x"},
                       {"role": "assistant", "content": "y", "weight": 0}, *ASKED,
                       {"role": "assistant", "content": ANSWER, "weight": 1}]}],
        PAIR,
    ),
    "OpenAI's messages with content in parts": (
        [{"messages": [{"role": "user", "content": [{"type": "text", "text": USER}]}, *TOLD]}],
        PAIR,
    ),
    "OpenAI's messages with turns of a developer": (
        [{"messages": [{"role": "developer", "content": "s"}, *ASKED, *TOLD]}],
        [("system", "s"), *PAIR],
    ),
    "OpenAI's messages with columns": ([{"messages": [*ASKED, *TOLD], "source": "export"}], PAIR),
    "OpenAI's messages with fields": (
        [{"messages": [{"role": "user", "content": USER, "name": "ann"}, *TOLD]}], PAIR,
    ),
    "plain text": ([{"text": ANSWER}], [("assistant", ANSWER)]),
}  # fmt: skip


def converted(path):
    """Run the command that the refusal of a file shows, and read what it wrote."""
    with pytest.raises(InputError) as refused:
        read_conversations(path)
    said = str(refused.value)
    assert "\n" not in said and str(path) in said
    command = "python3" + re.search(r"(?:convert it|make it one).*?: python3(.*)", said)[1]
    subprocess.run(["bash", "-c", command], check=True, cwd=path.parent)
    return said, read_conversations(next(path.parent.glob("*.messages.jsonl")))


def as_pairs(conversation):
    return [(turn.role, turn.content) for turn in conversation.messages]


@pytest.mark.parametrize("name", FORMATS)
def test_the_command_that_is_shown_makes_a_file_that_tune_reads(name, tmp_path):
    rows, expected = FORMATS[name]
    path = tmp_path / "my rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + "\n")
    said, read = converted(path)
    assert name.split(",")[0] in said
    assert as_pairs(read.conversations[0]) == expected


@pytest.mark.parametrize("name", ["Alpaca", "ShareGPT", "preference pairs"])
def test_a_json_array_is_named_with_what_is_in_it(name, tmp_path):
    rows, expected = FORMATS[name]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows, indent=2))
    said, read = converted(path)
    assert "one JSON array" in said and name in said
    assert as_pairs(read.conversations[0]) == expected


def test_an_array_of_conversations_a_table_and_parquet_are_named(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "rows.json").write_text(json.dumps([{"messages": [*ASKED, *TOLD]}]))
    assert as_pairs(converted(tmp_path / "a" / "rows.json")[1].conversations[0]) == PAIR
    (tmp_path / "b").mkdir()
    with (tmp_path / "b" / "rows.csv").open("w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file).writerows([["prompt", "completion"], [USER, ANSWER]])
    said, read = converted(tmp_path / "b" / "rows.csv")
    assert "a table" in said and as_pairs(read.conversations[0]) == PAIR
    import pyarrow
    from pyarrow import parquet

    path = tmp_path / "rows.parquet"
    table = pyarrow.Table.from_pylist([{"messages": [*ASKED, *TOLD], "id": None}])
    parquet.write_table(table, path)
    with pytest.raises(InputError, match="Parquet") as refused:
        read_conversations(path)
    subprocess.run(["bash", "-c", str(refused.value).partition("make it one: ")[2]], check=True)
    assert as_pairs(read_conversations(tmp_path / "rows.jsonl").conversations[0]) == PAIR


def test_the_files_that_llama_factory_ships_are_converted(real_data, tmp_path):
    """Alpaca, ShareGPT with tools, and preference pairs, as JSON arrays."""
    for name in ("alpaca_en_demo", "glaive_toolcall_en_demo", "dpo_en_demo", "identity"):
        folder = tmp_path / name
        folder.mkdir()
        text = (real_data / "tuning" / f"{name}.json").read_text(encoding="utf-8")
        (folder / "rows.json").write_text(text, encoding="utf-8")
        _, read = converted(folder / "rows.json")
        assert len(read.conversations) == len(json.loads(text)) > 50


def test_null_is_as_good_as_absent(tmp_path):
    path = tmp_path / "t.jsonl"
    extra = {"name": None, "tool_calls": None, "weight": None, "reasoning_content": None}
    rows = [
        {"id": None, "tools": None, "messages": [turn | extra for turn in (*ASKED, *TOLD)]},
        {"id": 1, "messages": [*ASKED, *TOLD]},  # meets the number of the line above
        {"messages": [*ASKED, *TOLD]},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = read_conversations(path)
    assert [row.id for row in read.conversations] == ["line 1", "1", "line 3"]
    assert read.duplicates == 2


USERS = '{"messages": [{"role": "user", "content": %s}, ANSWER]}'


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (USERS % '"a \\ud83d"', r"column messages\[0\]"),
        ('{"id": "\\ude00", "messages": [{"role": "user", "content": "a"}, ANSWER]}', "column id"),
        ('{"messages": [{"role": "user"}, ANSWER]}', r"column messages\[0\]: "),
        (USERS % "3", r"messages\[0\].content: .* int"),
        ('{"messages": ["a", ANSWER]}', r"messages\[0\]: 'a'"),
        (USERS % '"a", "thinking": "b"', "thought of the user"),
        ('{"messages": [ANSWER, {"role": "assistant", "content": " "}]}', "an empty assistant"),
    ],
)
def test_a_row_at_fault_is_told_by_line_and_column(row, said, tmp_path):
    good = json.dumps({"messages": [*ASKED, *TOLD]})
    row = row.replace("ANSWER", json.dumps(TOLD[0]))
    (tmp_path / "t.jsonl").write_text(f"{good}\n{row}\n")
    with pytest.raises(MalformedRow, match=f"t.jsonl, line 2, .*{said}") as refused:
        read_conversations(tmp_path / "t.jsonl")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_marks_separators_and_other_line_ends_are_read_over(encoding, tmp_path):
    text = f"{USER} \u2028 \u200b e\u0301"
    row = {"messages": [{"role": "user", "content": text}, *TOLD]}
    lines = json.dumps(row, ensure_ascii=False) + "\r\n"
    (tmp_path / "t.jsonl").write_bytes((lines * 2).encode(encoding))
    read = read_conversations(tmp_path / "t.jsonl").conversations
    assert [row.messages[0].content for row in read] == [text, text]


KEYS = ("messages", "conversations", "chosen", "rejected", "prompt", "completion", "instruction",
        "output", "text", "label", "history", "id", "role", "content", "from", "value", "tools",
        "weight", "tool_calls", "thinking")  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.just("assistant"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=12,
)


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4), min_size=1, max_size=3),
       st.sampled_from(["lines", "array"]))  # fmt: skip
@settings(max_examples=400, deadline=None)
def test_rows_of_any_shape_are_read_or_refused_in_one_line(tmp_path_factory, rows, form):
    path = tmp_path_factory.getbasetemp() / "fuzzed.jsonl"
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(lines if form == "lines" else json.dumps(rows, indent=1))
    try:
        read_conversations(path)
    except InputError as refused:
        assert str(path) in str(refused)
