"""Files of every usual kind hold rows to tune on, and each row keeps its line."""

import csv
import gzip
import json
import sys

import pytest
from transformers import AutoTokenizer
from typer.testing import CliRunner

from commands import weighbridge
from weighbridge.cli.main import app
from weighbridge.errors import InputError, MalformedRow, MissingPiece
from weighbridge.project.tuning import read_tuning_files
from weighbridge.sources.data_files import data_rows
from weighbridge.tuning import PreferencePair, read_conversations, read_tuning_data
from weighbridge.tuning.data_format import data_formats

USER, ANSWER = "What is in Zürich's “lake”?", 'Water,\n"cold" 🙂.'
TURNS = [{"role": "user", "content": USER}, {"role": "assistant", "content": ANSWER}]
PAIR = [("user", USER), ("assistant", ANSWER)]


def pairs(path):
    (row,) = read_conversations(path).conversations
    return [(turn.role, turn.content) for turn in row.messages]


def test_a_json_array_a_table_and_parquet_are_read(tmp_path):
    (tmp_path / "rows.json").write_text(json.dumps([{"messages": TURNS}], indent=2))
    assert pairs(tmp_path / "rows.json") == PAIR
    (tmp_path / "lines.json").write_text(json.dumps({"messages": TURNS}) + "\n")
    assert pairs(tmp_path / "lines.json") == PAIR
    (tmp_path / "rows.jsonl.gz").write_bytes(
        gzip.compress(json.dumps([{"messages": TURNS}]).encode())
    )
    assert pairs(tmp_path / "rows.jsonl.gz") == PAIR
    for cells in (["prompt", "completion"], [USER, ANSWER]), (["messages"], [json.dumps(TURNS)]):
        with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8-sig") as file:
            csv.writer(file).writerows(cells)
        assert pairs(tmp_path / "rows.csv") == PAIR
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist([{"messages": TURNS, "id": None}])
    for name in ("rows.parquet", "unnamed"):
        parquet.write_table(table, tmp_path / name)
        assert pairs(tmp_path / name) == PAIR


def test_a_parquet_file_without_pyarrow_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingPiece, match=r"pyarrow is not installed.*pip install"):
        read_tuning_data(tmp_path / "rows.parquet")


def test_rows_of_an_array_keep_their_lines(tmp_path):
    path = tmp_path / "rows.json"
    path.write_text('\n[\n {"a": "x\\n]"}, {"a": [1,\n 2]}\n ,\n\n {"a": {}}\n]\n')
    assert [line for line, _ in data_rows(path)] == [3, 3, 7]
    path.write_text('[{"prompt": "a", "completion": "b"},\n {"prompt": "a", "completion": 3}]')
    with pytest.raises(MalformedRow, match=r"rows.json, line 2, column completion"):
        read_tuning_data(path)
    path.write_text('[{"prompt": "a", "completion": "b"},\n 7]')
    with pytest.raises(MalformedRow, match=r"line 2: a int; expected a JSON object"):
        read_tuning_data(path)
    path.write_text('[{"prompt": "a"},\n oops]')
    with pytest.raises(MalformedRow, match=r"line 2, column 2"):
        read_tuning_data(path)
    for text in ("", " \n", "[]"):
        path.write_text(text)
        with pytest.raises(InputError, match="no rows to tune on"):
            read_tuning_data(path)


def test_the_files_that_llama_factory_ships_are_read_whole(real_data):
    """Alpaca, ShareGPT with tools, and preference pairs, as JSON arrays."""
    for name, form in {"alpaca_en_demo": "alpaca", "identity": "alpaca",
                       "glaive_toolcall_en_demo": "sharegpt"}.items():  # fmt: skip
        path = real_data / "tuning" / f"{name}.json"
        rows = json.loads(path.read_text(encoding="utf-8"))
        data = read_tuning_data(path)
        assert data.format.name == form and not data.notes
        assert len(data.rows) == len(rows) > 50
        for row, read in zip(rows, data.rows, strict=True):
            wanted = row.get("output") or row["conversations"][-1]["value"]
            assert read.messages[-1].content == wanted
            called = [t for t in row.get("conversations", []) if t["from"] == "function_call"]
            calls = [call for turn in read.messages for call in turn.tool_calls]
            assert [call.name for call in calls] == [json.loads(c["value"])["name"] for c in called]
            assert len(read.tools) == len(json.loads(row.get("tools") or "[]"))
    data = read_tuning_data(real_data / "tuning" / "dpo_en_demo.json")
    assert len(data.rows) == 300
    assert all(isinstance(row, PreferencePair) for row in data.rows)


@pytest.mark.slow
def test_rows_left_out_and_repeated_of_a_published_file_are_counted(
    tiny_model, real_data, tmp_path
):
    path = real_data / "tuning" / "alpaca_en_demo.json"
    rows = json.loads(path.read_text(encoding="utf-8"))
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    kept = []
    for row in rows:
        asked = "\n\n".join(part for part in (row["instruction"], row["input"]) if part)
        turns = [{"role": "user", "content": asked},
                 {"role": "assistant", "content": row["output"]}]  # fmt: skip
        if len(tokenizer.apply_chat_template(turns)["input_ids"]) <= 512:
            kept.append(json.dumps(row, sort_keys=True))
    left_out, again = len(rows) - len(kept), len(kept) - len(set(kept))
    assert left_out and again
    command = [
        "tune", str(tiny_model), "--train", str(path), "--out", str(tmp_path / "run"),
        "--cache", str(tmp_path), "--max-steps", "1", "--batch-size", "1", "--max-tokens", "512",
        "--overflow", "drop", "--threads", "1", "--safety-share", "0", "--json",
    ]  # fmt: skip
    data = json.loads(CliRunner().invoke(app, command).stdout)["data"]
    assert (data["conversations"], data["rows"]) == (len(rows), len(kept))
    assert (data["dropped"], data["duplicates"]) == (left_out, again)


ROWS = {
    "two formats": (['{"prompt": "a", "completion": "b"}', '{"instruction": "a", "output": "b"}'],
                    "rows.jsonl, line 2: a row of Alpaca, where line 1 is one of prompt and compl"),
    "preferences": (['{"prompt": "a", "chosen": "b", "rejected": "c"}'],
                    "holds 1 row of preference pairs: of two answers, which is preferred"),
    "equal answers": (['{"prompt": "a", "chosen": "b", "rejected": "b"}'], "two equal answers"),
    "two readings": (['{"instruction": "a", "output": "b", "conversations": []}'],
                     "a row that is Alpaca as well as ShareGPT"),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_the_command_refuses_data_in_one_line_before_it_loads_a_model(name, tiny_model, tmp_path):
    lines, told = ROWS[name]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines) + "\n")
    done = weighbridge("tune", tiny_model, "--train", "rows.jsonl", cwd=tmp_path)
    assert done.returncode == 2 and not done.stdout
    assert len(done.stderr.splitlines()) == 1 and told in done.stderr


def test_a_template_that_writes_no_tools_is_refused_by_the_command(tiny_model, tmp_path):
    form = next(form for form in data_formats() if form.name == "openai")
    (tmp_path / "rows.jsonl").write_text(json.dumps(form.example) + "\n")
    done = weighbridge("tune", tiny_model, "--train", "rows.jsonl", cwd=tmp_path)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1
    assert "line 1, column messages: the chat template leaves out the tool 'find_" in done.stderr


def test_validation_rows_that_were_trained_on_are_counted(tmp_path):
    rows = [f"alder birch cedar elm fir {n} hazel juniper larch maple oak" for n in range(6)]
    files = []
    for name, chosen in (("train", rows[:4]), ("validation", [*rows[3:], rows[0] + " pine rowan"])):
        files.append(tmp_path / f"{name}.jsonl")
        files[-1].write_text(
            "".join(json.dumps({"prompt": text, "completion": "A"}) + "\n" for text in chosen)
        )
    (note,) = read_tuning_files(*files).notes
    assert note.startswith("of 4 validation rows 1 repeat a training row and 1 more ask nearly")
    assert read_tuning_files(files[0], None).notes == ()
    other = tmp_path / "other.jsonl"
    other.write_text(json.dumps({"prompt": "willow yew", "completion": "B"}))
    assert read_tuning_files(files[0], other).notes == ()


def test_the_demo_s_validation_rows_are_not_its_training_rows(repository):
    """They share an instruction and the form of the answers, which tells nothing."""
    data = repository / "examples" / "service_desk" / "data"
    assert read_tuning_files(data / "train.jsonl", data / "validation.jsonl").notes == ()


def test_gsm8k_is_read_whole(real_data):
    data = read_conversations(real_data / "gsm8k" / "train.jsonl")
    assert len(data.conversations) == 7473
    first = data.conversations[0].messages
    assert [turn.role for turn in first] == ["user", "assistant"]
    assert first[1].content.endswith("#### 72")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-8"])
def test_marks_separators_and_other_line_ends_are_read_over(encoding, tmp_path):
    text = f"{USER} \u2028 \u200b e\u0301"
    row = {"messages": [{"role": "user", "content": text}, TURNS[1]]}
    lines = json.dumps(row, ensure_ascii=False) + "\r\n"
    (tmp_path / "t.jsonl").write_bytes((lines * 2).encode(encoding))
    read = read_conversations(tmp_path / "t.jsonl").conversations
    assert [row.messages[0].content for row in read] == [text, text]


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([{"text": "the answer is A B C D"}] * 2, "2 texts without turns: every token is learnt"),
        (
            [{"messages": [TURNS[0], TURNS[1] | {"weight": 0}, *TURNS]}] * 2,
            "2 answers read and not learnt, as the data says",
        ),
        (
            [{"question": "a", "answer": "b", "grade": 3}] * 2,
            "column 'grade' is not read (2 times)",
        ),
    ],
)
def test_the_command_learns_from_them_and_says_what_it_read(rows, told, tiny_model, tmp_path):
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    done = weighbridge(
        "tune", tiny_model, "--train", "rows.json", "--epochs", "1", "--rank", "2", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert told in done.stdout
