"""Benchmarks of a user's own: the documented ones run, and what is wrong is one line."""

import json
import sys
from dataclasses import replace

import pytest

import commands
from documented import own_benchmarks
from tiny import build_tiny_model
from weighbridge.errors import InputError, MissingPiece, WeighbridgeError
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.grading import grade
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.own.kind import kind_names
from weighbridge.records import Generation, Graded, Ungraded
from weighbridge.sandbox import Level, probe

jailed = pytest.mark.skipif(
    probe().level is not Level.OUTSIDE_TESTER,
    reason=f"no such sandbox: {probe().detail}; {probe().fix}",
)


@pytest.fixture(scope="module")
def long_model(tmp_path_factory):
    """A tiny model with room for a judge's prompt."""
    folder = tmp_path_factory.mktemp("model") / "tiny"
    return build_tiny_model(folder, max_position_embeddings=8192)


@pytest.fixture
def documented(repository, tmp_path):
    return own_benchmarks(repository, tmp_path)


def load(path, **settings):
    return list(read_own_benchmark(path).asking.load(LoadRequest(None, None, Settings(**settings))))


def reply(text, stop="end"):
    return Generation("x", 0, text, stop, 0, 0, 0)


def test_every_kind_is_documented_in_ten_lines(documented):
    assert sorted(documented) == sorted(kind_names())
    for path in documented.values():
        assert len(path.read_text().splitlines()) <= 10


@pytest.mark.slow
@jailed
def test_the_documented_benchmarks_run_from_the_command_line(documented, long_model, tmp_path):
    asked = [word for path in documented.values() for word in ("-b", path.name)]
    words = ["evaluate", str(long_model), *asked, "--judge", str(long_model), "--threads", "1"]

    def weighbridge(*words):
        done = commands.weighbridge(*words, "--json", cwd=tmp_path)
        # 3: in one of them nothing could be graded, which a model of random weights may bring.
        assert done.returncode in (0, 3), done.stderr
        return json.loads(done.stdout)

    runs = {run["benchmark"]: run for run in weighbridge(*words)["runs"]}
    assert {name: run["n"] for name, run in runs.items()} == {
        "tickets": 3, "totals": 2, "orders": 2, "capitals": 3, "functions": 3, "letters": 2,
        "house_style": 2,
    }  # fmt: skip
    assert runs["capitals"]["protocol"] == "loglikelihood"
    assert runs["functions"]["sandbox"] == "bubblewrap+outside-tester"
    assert runs["letters"]["scale"] == [1.0, 5.0] and runs["letters"]["mean"] in (None, 1.0)
    assert set(runs["tickets"]["clusters"]) == {"acme", "globex"}
    assert weighbridge("verify", *(run["run"] for run in runs.values()))["ok"]


@jailed
@pytest.mark.parametrize("kind", kind_names())
def test_gold_scores_full_marks_and_a_wrong_answer_none(documented, kind):
    benchmark = read_own_benchmark(documented[kind])
    wrong = {
        "exact": "access or billing", "regex": "Total: 99", "json_object": '{"item": "x"}',
        "choice": "D", "code": "```python\ndef double(x): return 7\n```",
    }  # fmt: skip
    for sample in load(documented[kind]):
        if benchmark.grading.grade is None:  # a judge grades it, or the text's own probability
            continue
        gold = reply(benchmark.grading.gold(sample))
        assert grade(benchmark, sample, gold).value == 1, (kind, sample)
        score = grade(benchmark, sample, reply(wrong[kind]))
        assert not (isinstance(score, Graded) and score.value > 0)
        assert isinstance(grade(benchmark, sample, reply("")), Ungraded)


def test_a_judge_s_rating_is_read_on_the_user_s_scale(documented):
    benchmark = read_own_benchmark(documented["judge"])
    method = benchmark.grading.judges["generative"]
    sample = load(documented["judge"])[0]
    (prompt,) = method.prompts(sample, ["Sorry about A17!"], ())
    text = prompt.messages[-1].content
    for part in ("names the order A17", "has not come", "late. It will", "Sorry about A17!"):
        assert part in text
    assert "from 1 (worst) to 5 (best)" in text
    assert method.read(["Not [[1]] but: [[ 4.5 ]]"]) == Graded(
        4.5, "4.5", "Not [[1]] but: [[ 4.5 ]]"
    )
    for words in ("No rating.", "[[6]]", "[[-1]]"):
        assert method.read([words]).reason == "unparsed"


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv", "parquet"])
def test_the_same_rows_in_any_format_are_the_same_items(tmp_path, ending):
    rows = [
        {"id": "a", "q": 'x, "y"\nz', "first": "ä", "second": "b", "a": "B"},
        {"id": "b", "q": "{brace}", "first": "c", "second": "d", "a": "A"},
    ]
    path = tmp_path / f"rows.{ending}"
    if ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    elif ending == "parquet":
        pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
        parquet.write_table(pa.Table.from_pylist(rows), path)
    else:
        import csv

        with path.open("w", encoding="utf-8-sig", newline="") as file:  # with a byte order mark
            writer = csv.DictWriter(file, list(rows[0]), delimiter="," if ending == "csv" else "\t")
            writer.writeheader()
            writer.writerows(rows)
    toml = tmp_path / "own.toml"
    toml.write_text(
        f'data = "{path.name}"\nprompt = "{{q}}"\nchoices = ["first", "second"]\ntarget="a"'
    )
    first, second = load(toml)
    assert (first.id, first.question) == ("a", 'x, "y"\nz\nA. ä\nB. b\nAnswer:')
    assert (first.target, first.choices) == ("B", ("ä", "b"))
    assert second.question.startswith("{brace}\n")


def test_a_parquet_file_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    (tmp_path / "rows.parquet").write_bytes(b"PAR1")
    (tmp_path / "own.toml").write_text('data = "rows.parquet"\nprompt = "{q}"\ntarget = "a"')
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingPiece, match=r"pip install 'weighbridge\[parquet\]'"):
        load(tmp_path / "own.toml")


@pytest.mark.parametrize(
    ("answer", "told", "letter"),
    [
        ("B", "", "B"), ("b)", "", "B"), (0, "", "A"), ("3", "", "C"), ("Oslo", "", "B"),
        (2, "number", "B"), ("A", "letter", "A"), (0, "index", "A"), (3.0, "", "C"),
    ],
)  # fmt: skip
def test_a_choice_is_named_by_letter_index_number_or_text(tmp_path, answer, told, letter):
    row = {"q": "?", "options": ["Rome", "Oslo", "Bern"], "a": answer}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row))
    (tmp_path / "own.toml").write_text(
        'data = "rows.jsonl"\nprompt = "{q}"\nchoices = "options"\ntarget = "a"\n'
        + (f'answer_is = "{told}"' if told else "")
    )
    assert load(tmp_path / "own.toml")[0].target == letter


def test_protocols_of_a_choice_ask_in_their_own_way(documented):
    benchmark = read_own_benchmark(documented["choice"])
    sample = load(documented["choice"])[0]
    assert benchmark.asking.protocols == ("loglikelihood", "letter", "generative")
    plain = benchmark.asking.prompt(sample, Settings(protocol="loglikelihood"))
    assert plain.text == "What is the capital of Norway?\nA. Bergen\nB. Oslo\nC. Rome\nAnswer:"
    assert benchmark.asking.continuations(sample, Settings()) == (" A", " B", " C")
    chat = Settings(protocol="letter", chat_template=True)
    assert benchmark.asking.prompt(sample, chat).messages[-1].content == plain.text
    assert benchmark.asking.continuations(sample, chat) == ("A", "B", "C")
    assert benchmark.asking.prompt(sample, Settings(protocol="generative")).messages
    said = grade(benchmark, sample, reply("\nB. Oslo"))
    assert said == Graded(1.0, "B", parts={"exact_match": 0.0})


def test_worked_examples_stand_before_the_question(documented):
    benchmark = read_own_benchmark(documented["exact"])
    assert benchmark.asking.default_shots == benchmark.asking.default_chat_shots == 1
    sample = load(documented["exact"], shots=1)[0]
    turns = benchmark.asking.prompt(sample, Settings()).messages
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user"]
    assert turns[2].content == "billing" and "You charged me twice." in turns[1].content
    text = benchmark.asking.prompt(sample, Settings(chat_template=False)).text
    assert "You charged me twice. billing\n\nWhich team" in text
    assert load(documented["exact"])[0].digest != sample.digest
    with pytest.raises(InputError, match="--shots 2; expected 0 to 1"):
        load(documented["exact"], shots=2)


def test_several_right_answers_and_fields_in_csv_columns(tmp_path):
    (tmp_path / "rows.jsonl").write_text('{"q": "?", "a": ["Oslo", "Christiania"]}')
    (tmp_path / "own.toml").write_text('data = "rows.jsonl"\nprompt = "{q}"\ntarget = "a"')
    benchmark, (sample,) = read_own_benchmark(tmp_path / "own.toml"), load(tmp_path / "own.toml")
    assert grade(benchmark, sample, reply("christiania.")).value == 1
    assert grade(benchmark, sample, reply("Bergen")).why == "expected Oslo or Christiania"
    assert benchmark.grading.gold(sample) == "Oslo"
    (tmp_path / "rows.csv").write_text("q,item,count\n?,lamp,3\n")
    (tmp_path / "own.toml").write_text(
        'data = "rows.csv"\nprompt = "{q}"\nfields = ["item", "count"]'
    )
    benchmark, (sample,) = read_own_benchmark(tmp_path / "own.toml"), load(tmp_path / "own.toml")
    assert sample.target == {"item": "lamp", "count": 3}
    more = grade(benchmark, sample, reply('{"item": "Lamp", "count": 3, "note": "x"}'))
    assert more.value == 1 and more.parts == {"item": 1, "count": 1}


def test_conversations_end_in_the_right_answer(tmp_path):
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    (tmp_path / "rows.jsonl").write_text(json.dumps({"messages": turns}))
    (tmp_path / "own.toml").write_text('data = "rows.jsonl"\nmessages = "messages"')
    (sample,) = load(tmp_path / "own.toml")
    assert (sample.question, sample.target) == ("Hi", "Hello")


TOML = 'data = "rows.jsonl"\nprompt = "{q}"\ntarget = "a"\n'
ROW = (
    '{"q": "?", "a": "x", "list": ["x", "y"], "f": "def g(): pass", "name": "g", '
    '"t": "assert g()"}\n'
)
CHOICE, CODE = 'choices = "list"\n', 'entry_point = "name"\ntests = "t"\n'
CSV = TOML.replace("jsonl", "csv")
FAULTS = {
    # the TOML
    "unknown key": (TOML + "promt = 'x'", ROW, "did you mean prompt"),
    "another kind's key": (TOML + "scorer = 'exact'\npattern = 'x'", ROW, 'scorer = "regex"'),
    "two kinds": (TOML + "pattern = 'x'\n" + CHOICE, ROW, "pattern is of kind regex, choices"),
    "unknown kind": (TOML + "scorer = 'regexp'", ROW, "did you mean regex"),
    "wrong type": (TOML + "max_tokens = '9'", ROW, "max_tokens = '9'"),
    "no data": ('prompt = "{q}"\ntarget = "a"', ROW, "names no data"),
    "no such file": (TOML.replace("rows", "row"), ROW, "data = 'row.jsonl'"),
    "no table": (TOML.replace("jsonl", "xlsx"), None, "has no extension of a table"),
    "no target": ('data = "rows.jsonl"\nprompt = "{q}"', ROW, "names no target"),
    "both asked": (TOML + 'messages = "m"', ROW, "both or neither of prompt and messages"),
    "no TOML": ("data = ", ROW, "expected TOML"),
    "a loose brace": (TOML.replace("{q}", "{q"), ROW, "write a brace itself twice"),
    "a brace with more": (TOML.replace("{q}", "{q!r}"), ROW, "a column's name alone"),
    "invalid regex": (TOML + "pattern = '('", ROW, "pattern = '('"),
    "an answer that isn't found": (
        TOML + "pattern = 'Total: (.*)'\nanswer = 'Sum: {a}'", ROW, "finds 'x'",
    ),
    "examples without an answer": (
        TOML + "pattern = 'x'\nexamples = 'rows.jsonl'", ROW, "this row is a worked example",
    ),
    "no pattern": (TOML + "scorer = 'regex'", ROW, "names no pattern"),
    "shots alone": (TOML + "shots = 2", ROW, "shots = 2"),
    "scale": (TOML + "rubric = 'x'\nscale = [5, 1]", ROW, "scale = [5"),
    "rubric's column": (TOML + "rubric = 'is it {gud}?'", ROW, "unknown column"),
    "two names": (TOML + CODE + 'function = "g"', ROW, "both or neither of entry_point"),
    "protocol": (TOML + CHOICE + 'protocol = "leter"', ROW, "did you mean letter"),
    # the rows
    "misspelt column": (TOML.replace('"a"', '"lst"'), ROW, "did you mean list"),
    "misspelt in the prompt": (TOML.replace("{q}", "{nam}"), ROW, "did you mean name"),
    "misspelt cluster": (TOML + 'cluster = "nme"', ROW, "did you mean name"),
    "column gone later": (TOML, ROW + '{"q": "?"}', "line 2, column a: no such field"),
    "the same id twice": (TOML + 'id = "name"', ROW + ROW, "line 2, column name: id 'g' again"),
    "empty answer": (TOML, ROW + '{"q": "?", "a": " "}', "line 2, column a: nothing there"),
    "null answer": (TOML, '{"q": "?", "a": null}', "line 1, column a: nothing there"),
    "broken JSON": (TOML, ROW + '\n{"q": "?", "a": }', "line 3, column 17"),
    "no object": (TOML, "[1]", "line 1: a list"),
    "not a number": (TOML, '{"q": "?", "a": NaN}', "NaN is not JSON"),
    "half a character": (TOML, '{"q": "\\ud800", "a": "x"}', "half a character"),
    "a huge number": (TOML, '{"q": "?", "a": 99999999999999999999}', "below 2**53"),
    "not UTF-8": (TOML, ROW.encode() + b'{"q": "\xff"}', "line 2, column 8: a byte that"),
    "no rows": (TOML, "\n\n", "holds no rows"),
    "answer among no choices": (
        TOML + CHOICE, ROW.replace('"x"', '"z"', 1), "'z'; expected the letter or text or",
    ),
    "answer beyond the choices": (
        TOML + CHOICE + 'answer_is = "index"', ROW.replace('"x"', "2", 1), "index from 0 of one of",
    ),
    "answer in two ways": (
        TOML + CHOICE, '{"q": "?", "a": "1", "list": ["1", "2"]}', "could hold indices from 0 or",
    ),
    "one choice": (TOML + CHOICE, '{"q": "?", "a": "x", "list": ["x"]}', "expected 2 to 26"),
    "choices no list": (TOML + CHOICE.replace("list", "q"), ROW, "column q: '?'; expected JSON"),
    "no object to compare": (TOML + 'scorer = "json_object"', ROW, "column a: 'x'; expected JSON"),
    "no such field": (
        TOML + 'fields = ["z"]', '{"q": "?", "a": {"y": 1}}', "no field 'z'; expected fields z",
    ),
    "a case without a result": (
        TOML.replace('target = "a"', CODE), ROW.replace('"assert g()"', '[{"args": [1]}]'),
        'cases such as {"args": [2]',
    ),
    "a test with another's name": (
        TOML.replace('target = "a"', CODE), ROW.replace("g()", "h()"), "only the model's code may",
    ),
    "a test that is no Python": (
        TOML.replace('target = "a"', CODE), ROW.replace("assert g()", "assert ("), "column t: ",
    ),
    "a solution of another name": (
        TOML.replace('"a"', '"f"') + CODE,
        ROW.replace('"g"', '"k"').replace("assert g", "assert k"),
        "a solution without k",
    ),
    "CSV with a cell too many": (CSV, "q,a\n?,x\n?,x,y\n", "line 3: 3 cells; expected 2"),
    "CSV with a cell missing": (CSV, 'q,a\n"?\n?",x\n?\n', "line 4: 1 cells; expected 2"),
    "CSV with a column twice": (CSV, "q,a,a\n", "column 'a' twice"),
    "CSV with two separators": (CSV, "q;a|b\n?;x|y\n", "';' between its columns"),
    "CSV with an open quote": (CSV, 'q,a\n"?,x\n', "unexpected end of data"),
    "CSV not UTF-8": (CSV, b"q,a\n?,x\n\xff,y\n", "line 3, column 1: a byte that is not UTF-8"),
    "CSV with an empty answer": (CSV, "q,a\n?,\n", "line 2, column a: nothing there"),
    "broken Parquet": (CSV.replace("csv", "parquet"), b"PAR1", "can't be read"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_wrong_is_one_line(tmp_path, fault):
    toml, rows, said = FAULTS[fault]
    (tmp_path / "own.toml").write_text(toml)
    ending = next((e for e in ("csv", "parquet", "xlsx") if f".{e}" in toml), "jsonl")
    data = rows if isinstance(rows, bytes) else (rows or "").encode()
    (tmp_path / f"rows.{ending}").write_bytes(data)
    with pytest.raises(WeighbridgeError) as told:
        load(tmp_path / "own.toml", shots=1 if "examples =" in toml else 0)
    assert said in str(told.value) and "\n" not in str(told.value), told.value
    assert told.value.exit_code == 2


@jailed
def test_hostile_and_failing_code_is_judged_from_outside(documented):
    benchmark = read_own_benchmark(documented["code"])
    double, first, positive = load(documented["code"])

    def score(sample, code):
        return grade(benchmark, sample, reply(f"Here:\n```python\n{code}\n```"))

    always = "class E:\n    __eq__ = lambda *_: True\ndef double(x):\n    return E()"
    assert score(double, always).value == 0
    assert "returned 5, expected 4" in score(double, "def double(x): return 5").why
    assert score(first, "def first(x): return list(x)[0]").value == 1
    assert (
        "raised KeyError, not ValueError" in score(positive, "def positive(x): raise KeyError").why
    )
    assert score(double, "import os\nos._exit(0)\ndef double(x): pass").value == 0
    assert score(double, "def triple(x): return 3 * x").reason == "unparsed"


def test_floats_tuples_and_flags_are_compared_as_json_means_them():
    from weighbridge.sandbox.inside.cases import same

    assert same([1, [2.0]], (1, (2.0000000001,))) and same(2.0, 2)
    assert not same(1, True) and not same(0, None) and not same("1", 1) and not same([1], [1, 2])
    assert same({"a": [1]}, {"a": (1,)}) and not same({"a": 1}, {"a": 1, "b": 2})


def test_versions_follow_the_files_and_data_can_be_replaced(documented, tmp_path):
    path = documented["exact"]
    before = read_own_benchmark(path).version
    (tmp_path / "worked.csv").write_text("text,team\nNo way in.,access\n")
    assert read_own_benchmark(path).version != before
    other = tmp_path / "other.csv"
    other.write_text("id,text,team,customer\nz,Hm,other,c\n")
    benchmark = read_own_benchmark(path)
    (sample,) = benchmark.asking.load(LoadRequest(other, None, replace(Settings(), limit=3)))
    assert sample.id == "z"
