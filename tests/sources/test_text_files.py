"""A person's text files, as the programs on their desk write them, say the same everywhere."""

import bz2
import codecs
import gzip
import io
import json
import lzma

import pytest

from weighbridge.comparison.contamination import tuning_texts
from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.evaluation.answers import RecordedAnswers, read_answers
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks import humaneval
from weighbridge.evaluation.fastchat import rows as fastchat_rows
from weighbridge.evaluation.own.toml_keys import read_definition
from weighbridge.project.project_file import read_project
from weighbridge.sources.documents import parse_json, read_json, read_toml
from weighbridge.sources.tables import csv_rows, jsonl_rows, table_rows
from weighbridge.sources.text_files import read_text, text_lines
from weighbridge.tuning.data import read_conversations

ODD = "a\u2028b\u2029c\u0085d\u000be\u000cf\u001cg\u00a0h"
"""Every character that Python's `splitlines` ends a line at, beside LF and CR; `json` escapes some
of them unless told not to."""
ENCODINGS = {
    "plain": lambda text: text.encode(),
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "CR LF": lambda text: text.replace("\n", "\r\n").encode(),
    "CR": lambda text: text.replace("\n", "\r").encode(),
    "UTF-16 LE": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16 BE": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "UTF-16 LE without a mark": lambda text: text.encode("utf-16-le"),
    "UTF-16 BE without a mark": lambda text: text.encode("utf-16-be"),
    "UTF-32": lambda text: codecs.BOM_UTF32_LE + text.encode("utf-32-le"),
    "UTF-16 with CR LF": lambda text: text.replace("\n", "\r\n").encode("utf-16"),
    "gzip": lambda text: gzip.compress(text.encode()),
    "gzip in two members": lambda text: (
        gzip.compress(text[:9].encode()) + gzip.compress(text[9:].encode())
    ),
    "gzip of UTF-16": lambda text: gzip.compress(text.encode("utf-16")),
    "bzip2": lambda text: bz2.compress(text.encode()),
    "xz": lambda text: lzma.compress(text.encode()),
    "no end of line": lambda text: text.removesuffix("\n").encode(),
    "empty lines": lambda text: ("\n\n" + text.replace("\n", "\n\n")).encode(),
}


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


@pytest.mark.parametrize("how", ENCODINGS)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
def test_every_reader_reads_a_file_in_every_encoding(tmp_path, how, name):
    path, write = tmp_path / name, ENCODINGS[how]

    path.write_bytes(
        write(lines([{"sample_id": "1", "text": ODD}, {"sample_id": "2", "text": ""}]))
    )
    assert read_answers(path).by_sample == {"1": [ODD], "2": [""]}

    turns = [{"role": "user", "content": ODD}, {"role": "assistant", "content": "é"}]
    path.write_bytes(write(lines([{"id": "a", "messages": turns}, {"messages": turns}])))
    read = read_conversations(path)
    assert [row.messages[0].content for row in read.conversations] == [ODD, ODD]
    assert sum(ODD in text for text in tuning_texts(path)) == 2

    problem = {"task_id": "t/0", "prompt": f"def f(): '{ODD}'", "entry_point": "f",
               "canonical_solution": "", "test": ""}  # fmt: skip
    path.write_bytes(write(lines([problem])))
    (sample,) = humaneval.BENCHMARK.asking.load(
        LoadRequest(path, None, Settings(protocol="generative"))
    )
    assert sample.question == f"def f(): '{ODD}'"

    path.write_bytes(write(lines([{"question_id": 81, "turns": [ODD]}])))
    assert [row["turns"] for _, row in fastchat_rows(path)] == [[ODD]]
    assert [row["turns"] for _, row in table_rows(path)] == [[ODD]]


@pytest.mark.parametrize("how", sorted(set(ENCODINGS) - {"CR", "empty lines"}))
def test_toml_and_plain_text_too(tmp_path, how):
    path, write = tmp_path / "own.toml", ENCODINGS[how]
    path.write_bytes(write('data = "rows.jsonl"\nprompt = "{q} é"\ntarget = "a"\n'))
    definition, _ = read_definition(path)
    assert definition.common.prompt == "{q} é"
    path = tmp_path / "weighbridge.toml"
    path.write_bytes(write('[project]\nname = "é"\nquestion = "Is it?"\n'))
    assert read_toml(path)["project"]["name"] == "é"
    with pytest.raises(InputError) as told:  # keys of a project are missing, not its text
        read_project(path)
    assert "TOML" not in str(told.value)
    path.write_bytes(write("one é\ntwo"))
    assert read_text(path).replace("\r\n", "\n") == "one é\ntwo"


def test_lines_keep_their_numbers(tmp_path):
    path = tmp_path / "rows"
    path.write_bytes("a\u2028b\n\r\nc\x0b\n".encode())
    assert list(text_lines(path)) == [(1, "a\u2028b\n"), (2, "\r\n"), (3, "c\x0b\n")]
    path.write_bytes(b"a\rb\r\rc")
    assert list(text_lines(path)) == [(1, "a\r"), (2, "b\r"), (3, "\r"), (4, "c")]
    path.write_bytes(b"")
    assert list(text_lines(path)) == []
    long = "x" * (1 << 17)  # the beginning alone holds no LF
    path.write_bytes(f"{long}\r\n{long}\n".encode())
    assert [(number, len(line)) for number, line in text_lines(path)] == [
        (1, len(long) + 2), (2, len(long) + 1),
    ]  # fmt: skip


FAULTS = {
    "cp1252": (b'{"a": 1}\n{"a": "don\x92t"}\n', "line 2, column 11: a byte that is not UTF-8"),
    "Latin-1 after a wide letter": ('{"a": "é'.encode() + b'\xe9"}', "line 1, column 9: a byte"),
    "half of UTF-16": ('{"a": 1}'.encode("utf-16")[:-1], "not UTF-16-LE"),
    "surrogates as UTF-8": (b'{"a": "\xed\xa0\xbd"}', "column 8: a byte that is not UTF-8 (0xed)"),
    "zero bytes": (b'{"a": 1}\n{"a": "\0"}', "line 2, column 8: a zero byte"),
    "a hole of zeros": (b'{"a": 1}\n' + bytes(100), "line 2, column 1: a zero byte"),
    "Zstandard": (b"\x28\xb5\x2f\xfd\x04\x00", "Zstandard file; expected a JSONL file; decompress"),
    "zip": (b"PK\x03\x04abc", "zip (.xlsx is one)"),
    "Parquet": (b"PAR1abc", "is a Parquet file"),
    "half of a gzip": (gzip.compress(b'{"a": 1}\n' * 99)[:-9], "can't be decompressed"),
    "half of an xz": (lzma.compress(b'{"a": 1}\n' * 99)[:-9], "can't be decompressed"),
    "a key twice": (b'{"a": 1, "b": {"c": 1, "c": 2}}', "line 1: key 'c' twice in an object"),
    "NaN": (b'{"a": 1}\n{"a": NaN}', "line 2: NaN is not JSON"),
    "minus infinity": (b'{"a": -Infinity}', "-Infinity is not JSON"),
    "beyond a float": (b'{"a": 1e999}', "1e999, a number beyond"),
    "a long number": (b'{"a": ' + b"9" * 5000 + b"}", "line 1: a number of 5,000 digits"),
    "half a character": (b'{"m": [{"x": "\\ud83d"}]}', "line 1, column m[0].x: half a character"),
    "the other half of a character": (b'{"\\uDE00": 1}', "half a character, \\ude00"),
    "deep": (b'{"a": ' + b"[" * 100_000, "nested deeper than 200 levels"),
    "a list": (b"[1]\n", "line 1: a list; expected a JSON object"),
    "one document": (b'[\n{"a": 1},\n{"a": 2}\n]\n', "one JSON object per line; convert it"),
    "an indented object": (b'{\n  "a": 1\n}\n', "JSON that goes on over lines"),
    "a control character": (b'{"a": "b\tc"}', "line 1, column 9: Invalid control character"),
    "two objects": (b'{"a": 1} {"a": 2}', "line 1, column 10: Extra data"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_no_json_lines_is_told_in_one_line(tmp_path, fault):
    path = tmp_path / "rows.jsonl"
    data, said = FAULTS[fault]
    path.write_bytes(data)
    for read in (jsonl_rows, fastchat_rows, lambda p: [read_conversations(p)]):
        if read is fastchat_rows and "half" in fault and "character" in fault:
            continue  # what a judge or a model wrote is kept, replaced
        with pytest.raises(InputError) as told:
            list(read(path))
        if read is jsonl_rows:
            assert said in str(told.value)
        assert str(path) in str(told.value) and "\n" not in str(told.value)


def test_an_answer_with_half_a_character_is_kept_replaced(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(
        '{"sample_id": "1", "text": "good \\ud83d"}\n{"sample_id": "2", "text": "\\ud83d\\ude00"}'
    )
    assert read_answers(path).by_sample == {"1": ["good \ufffd"], "2": ["😀"]}


def test_a_harness_may_write_nan(tmp_path):
    path = tmp_path / "results.json"
    path.write_text('{"a": NaN, "b": -Infinity}')
    read = read_json(path, nan=True)
    assert read["a"] != read["a"] and read["b"] == -float("inf")
    with pytest.raises(InputError, match="NaN is not JSON"):
        read_json(path)
    path.write_text("")
    with pytest.raises(InputError, match="is empty"):
        read_json(path)
    with pytest.raises(InputError, match="line 3, column 2: Expecting"):
        parse_json(path, 2, '{"a":\n }')


TABLE = [{"id": "t1", "text": "wrong,\r\nreally; so", "n": "3"}, {"id": "t2", "text": ODD, "n": ""}]
TABLES = {
    "commas": "id,text,n\r\nt1,\"wrong,\r\nreally; so\",3\r\nt2,{},\r\n",
    "semicolons": "id;text;n\r\nt1;\"wrong,\r\nreally; so\";3\r\nt2;{};\r\n",
    "tabs": "id\ttext\tn\r\nt1\t\"wrong,\r\nreally; so\"\t3\r\nt2\t{}\t\r\n",
    "Excel's sep=": "sep=;\r\nid;text;n\r\nt1;\"wrong,\r\nreally; so\";3\r\nt2;{};\r\n",
    "sep= with a comma": "sep=,\nid,text,n\nt1,\"wrong,\r\nreally; so\",3\nt2,{},\n",
    "sep= with a tab": "sep=\t\nid\ttext\tn\nt1\t\"wrong,\r\nreally; so\"\t3\nt2\t{}\t\n",
    "empty columns": "id,text,n,,\nt1,\"wrong,\r\nreally; so\",3,,\nt2,{},,,\n,,,,\n",
    "empty cells beyond the header": "id,text,n\nt1,\"wrong,\r\nreally; so\",3,,\nt2,{},,\n",
    "pandas' index": ",id,text,n\n0,t1,\"wrong,\r\nreally; so\",3\n7,t2,{},\n",
    "spaces around names": " id, text ,n \nt1,\"wrong,\r\nreally; so\",3\nt2,{},\n",
    "empty lines first": "\n\r\nid,text,n\nt1,\"wrong,\r\nreally; so\",3\nt2,{},\n",
}  # fmt: skip


@pytest.mark.parametrize(
    "how", [how for how in ENCODINGS if not how.startswith(("CR", "empty", "UTF-16 with"))]
)
@pytest.mark.parametrize("form", TABLES)
def test_a_table_reads_alike_in_every_form(tmp_path, form, how):
    path = tmp_path / "rows.csv"
    path.write_bytes(ENCODINGS[how](TABLES[form].format(ODD)))
    assert [row for _, row in csv_rows(path)] == TABLE


def test_a_table_of_an_old_macintosh(tmp_path):
    path = tmp_path / "rows.CSV"
    path.write_bytes(b'a,b\r1,"x\ry"\r2,z\r')
    assert list(table_rows(path)) == [(2, {"a": "1", "b": "x\ry"}), (4, {"a": "2", "b": "z"})]


BAD_TABLES = {
    "a cell under no name": ("a,,b\n1,,2\n1,x,2\n", "line 3, column 2: 'x' under no name"),
    "a ragged row": ("a,b\n1,2\n1\n", "line 3: 1 cells; expected 2"),
    "a longer row": ("a,b\n1,2,3\n", "line 2: 3 cells; expected 2"),
    "a column twice": ("a,b, a\n1,2,3\n", "line 1: column 'a' twice"),
    "JSON": ('{"a": 1, "b": 2}\n', "line 1: JSON; expected a CSV header; name the file .jsonl"),
    "nothing": ("", "is empty; expected a CSV file with a header"),
    "spaces": ("\n \n\n", "is empty"),
    "two separators": ("a;b|c\n1;2|3\n", "between its columns, among others"),
    "an open quote": ('a,b\n"1,2\n', "line 2: unexpected end of data"),
    "a line after sep=": ("sep=;\na;b\n1;2\n3\n", "line 4: 1 cells"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BAD_TABLES)
def test_what_is_no_table_is_told_in_one_line(tmp_path, fault):
    path = tmp_path / "rows.csv"
    text, said = BAD_TABLES[fault]
    path.write_text(text)
    with pytest.raises(WeighbridgeError) as told:
        list(csv_rows(path))
    assert said in str(told.value) and "\n" not in str(told.value)


def test_a_table_is_known_by_its_ending(tmp_path):
    for name, said in {
        "rows.xlsx": "save the sheet as CSV UTF-8",
        "rows.json": "jq -c '.[]' rows.json > rows.jsonl",
        "rows": "one of .jsonl",
        "rows.gz": "one of .jsonl",
    }.items():
        with pytest.raises(InputError, match="has no extension of a table") as told:
            table_rows(tmp_path / name)
        assert said in str(told.value)


def test_a_file_is_never_held_whole(tmp_path):
    """A row is there before the rest of the file is: here the rest can't be read at all."""
    path = tmp_path / "rows.jsonl.gz"
    whole = io.BytesIO()
    with gzip.open(whole, "wb") as file:
        for number in range(200_000):
            file.write(b'{"a": %d, "b": "%d"}\n' % (number, hash((number, "x"))))
    path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
    rows = jsonl_rows(path)
    assert next(rows)[1]["a"] == 0
    with pytest.raises(InputError, match="can't be decompressed"):
        list(rows)


def test_answers_kept_with_half_a_character_are_said(tmp_path):
    path = tmp_path / "answers.jsonl"
    path.write_text('{"sample_id": "1", "text": "\\ud83d"}\n{"sample_id": "2", "text": "x"}')
    assert RecordedAnswers(read_answers(path)).notes[0].startswith("1 answers hold U+FFFD")
    path.write_text('{"sample_id": "1", "text": "y"}')
    assert RecordedAnswers(read_answers(path)).notes == ()
