"""Safety examples and other data mixed into what is learnt: which rows, recorded, turned off."""

import csv
import json

import pytest
from typer.testing import CliRunner

from tuning_runs import write_pairs, write_rows
from weighbridge.cli.main import app
from weighbridge.errors import InputError
from weighbridge.evaluation.refusal_judges.rules import refuses
from weighbridge.project.tuning import read_tuning_files, run_folder, with_mixture
from weighbridge.statistics.text_overlap import overlap
from weighbridge.tuning import TuneSettings
from weighbridge.tuning.mixing import SHIPPED, Mix, Mixing

LETTERS = [f"say {letter} once more, please" for letter in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"]


def mixed(train, mixing=None, seed=0, measured=(), validation=None, objective="sft"):
    files = read_tuning_files(train, validation, objective, mixing=mixing or Mixing())
    return with_mixture(files, seed, measured)


def asked(row):
    return row.messages[0].content


def write_answers(path, questions, answer="Gladly."):
    rows = [
        {"messages": [{"role": "user", "content": q}, {"role": "assistant", "content": answer}]}
        for q in questions
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def train(tmp_path):
    return write_rows(tmp_path / "train.jsonl", 300)


def test_by_default_refusals_come_in_with_as_many_look_alikes_of_theirs(train):
    files = mixed(train)
    (safety,) = files.mixed
    added = files.rows[300:]
    assert files.own_rows == files.rows[:300] and len(added) == safety.rows == 20
    assert sum(safety.kinds.values()) == 20 and set(safety.kinds.values()) == {10}
    assert safety.kinds["refusals"] / len(files.rows) == pytest.approx(0.03, abs=0.002)
    refused = {row.id.split("/")[0] for row in added if refuses(row.messages[-1].content)}
    helped = {row.id.split("/")[0] for row in added if not refuses(row.messages[-1].content)}
    assert refused == helped and len(refused) == 10
    assert "10 refusals and 10 benign look-alikes" in safety.told() and "6.2%" in safety.told()


def test_which_rows_come_in_depends_on_the_seed_and_the_rows_alone(train, tmp_path):
    once = [row.id for row in mixed(train).rows[300:]]
    assert [row.id for row in mixed(train).rows[300:]] == once
    assert {row.id for row in mixed(train, seed=1).rows[300:]} != set(once)
    turned = tmp_path / "turned.jsonl"
    turned.write_text("\n".join(reversed(SHIPPED.read_text().splitlines())) + "\n")
    same = mixed(train, Mixing(safety_data=str(turned)))
    assert [row.id for row in same.rows[300:]] == once
    assert same.mixed[0].rows_digest == mixed(train).mixed[0].rows_digest
    assert same.mixed[0].digest != mixed(train).mixed[0].digest


def test_turned_off_it_is_the_run_that_it_was_before_and_the_record_says_so(train, tmp_path):
    before = read_tuning_files(train, None)
    off = mixed(train, Mixing(safety_share=0))
    on = mixed(train)
    assert off.rows == before.rows and off.mixed[0].share == 0
    assert off.mixed[0].told() == "no safety examples mixed in"
    settings = TuneSettings()
    folders = [run_folder(tmp_path, "sha256:0", settings, files) for files in (before, off, on)]
    assert folders[0] == folders[1] != folders[2]


def test_other_data_is_mixed_in_by_its_share_of_all_rows(train, tmp_path):
    general = tmp_path / "general.jsonl"
    general.write_text("".join(json.dumps({"text": f"Text {i}."}) + "\n" for i in range(500)))
    chats = write_answers(tmp_path / "chats.jsonl", LETTERS)
    mix = (Mix(str(general), 0.2), Mix(str(chats), 0.5))
    files = mixed(train, Mixing(mix=mix[:1]))
    assert [one.name for one in files.mixed] == ["safety", "general.jsonl"]
    safety, other = files.mixed
    assert other.rows / len(files.rows) == pytest.approx(0.2, abs=0.002)
    assert safety.kinds["refusals"] / len(files.rows) == pytest.approx(0.03, abs=0.002)
    assert all(row.text.startswith("Text ") for row in files.rows[-other.rows :])
    assert len({row.text for row in files.rows[-other.rows :]}) == other.rows
    short = mixed(train, Mixing(safety_share=0, mix=mix[1:]))
    assert short.mixed[1].rows == 26
    assert (
        "chats.jsonl holds 26 rows to mix in, where a share of 0.5 asks for 300" in short.notes[0]
    )


def test_what_is_measured_or_validated_on_is_never_mixed_in(train, tmp_path):
    own = write_answers(tmp_path / "own.jsonl", LETTERS)
    chats = Mixing(safety_share=0, mix=(Mix(str(own), 0.08),))
    assert len(mixed(train, chats).rows) == 326
    validation = write_answers(tmp_path / "validation.jsonl", LETTERS[:3])
    files = mixed(train, chats, measured=[LETTERS[5].upper()], validation=validation)
    left = {asked(row) for row in files.rows[300:]}
    assert left == set(LETTERS) - {*LETTERS[:3], LETTERS[5]}
    assert any("4 rows that ask what is measured" in note for note in files.notes)


def test_few_rows_get_none_and_it_is_said(tmp_path):
    files = mixed(write_rows(tmp_path / "few.jsonl", 8))
    assert len(files.rows) == 8 and files.mixed[0].rows == 0
    assert "so few rows (8) is less than one" in files.notes[-1]


def test_plain_texts_and_pairs_are_left_alone_unless_asked(tmp_path):
    texts = tmp_path / "texts.jsonl"
    texts.write_text("".join(json.dumps({"text": f"Text {i}."}) + "\n" for i in range(100)))
    files = mixed(texts)
    assert len(files.rows) == 100 and files.mixed[0].share == 0
    assert "plain texts alone" in files.notes[-1]
    assert mixed(texts, Mixing(safety_share=0.03)).mixed[0].rows == 6
    pairs = write_pairs(tmp_path / "pairs.jsonl", 100)
    assert mixed(pairs, objective="dpo").mixed == ()
    with pytest.raises(InputError, match="safety_share with objective dpo"):
        mixed(pairs, Mixing(safety_share=0.03), objective="dpo")


def test_data_of_ones_own_is_told_apart_by_its_answers(train, tmp_path):
    own = write_answers(tmp_path / "own.jsonl", LETTERS[:10], "I'm sorry, but I can't help.")
    files = mixed(train, Mixing(safety_data=str(own)))
    assert files.mixed[0].kinds == {"refusals": 9} and files.mixed[0].data == str(own)
    assert any("refusals alone" in note for note in files.notes)
    with pytest.raises(InputError, match="none that refuses"):
        mixed(train, Mixing(safety_data=str(write_answers(own, LETTERS))))


def test_a_row_of_safety_data_that_cannot_be_read_is_named_without_its_text(train, tmp_path):
    own = tmp_path / "own.jsonl"
    for turns in (["SECRET"], [{"role": "SECRET", "content": "SECRET"}]):
        own.write_text(json.dumps({"messages": turns}) + "\n")
        with pytest.raises(InputError, match=r"own.jsonl, line 1") as error:
            mixed(train, Mixing(safety_data=str(own)))
        assert "SECRET" not in str(error.value)


def test_the_shipped_set_is_pairs_that_the_rules_tell_apart():
    rows = [json.loads(line) for line in SHIPPED.read_text().splitlines()]
    assert len(rows) == 2 * len({row["id"].split("/")[0] for row in rows}) == 120
    for row in rows:
        assert refuses(row["messages"][1]["content"]) == row["id"].endswith("/refused"), row["id"]


def test_no_prompt_of_xstest_stands_in_the_shipped_set(real_data):
    rows = map(json.loads, SHIPPED.read_text().splitlines())
    ours = [row["messages"][0]["content"] for row in rows]
    with (real_data / "xstest/xstest_prompts.csv").open() as file:
        theirs = [row["prompt"] for row in csv.DictReader(file)]
    assert len(theirs) == 450 and not overlap(ours, theirs).found


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--safety-share", "0.6"], "safety_share = 0.6; expected 0 (off) to 0.25"),
        (["--safety-share", "nan"], "safety_share = nan"),
        (["--safety-data", "nowhere.jsonl"], "nowhere.jsonl"),
        (
            ["--safety-share", "0", "--safety-data", "x.jsonl"],
            "safety_data = 'x.jsonl' with safety",
        ),
        (["--mix", "general.jsonl"], "--mix general.jsonl; expected DATA=SHARE"),
        (["--mix", "t.jsonl=1.5"], "share = 1.5 of t.jsonl"),
        (["--mix", "t.jsonl=0.95"], "less than 100 %"),
        (["--objective", "dpo", "--safety-share", "0.03"], "with objective dpo"),
    ],
)
def test_what_cannot_be_mixed_in_is_one_line(words, said, tiny_model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write = write_pairs if "dpo" in words else write_rows
    train = write(tmp_path / "t.jsonl", 2)
    answer = CliRunner().invoke(app, ["tune", str(tiny_model), "--train", str(train), *words])
    assert said in str(answer.exception) and "\n" not in str(answer.exception)


def test_the_command_learns_the_mixture_and_its_record_says_what_was_in_it(
    tiny_model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "train.jsonl", 20)
    write_answers(tmp_path / "chats.jsonl", LETTERS)
    words = ["tune", str(tiny_model), "--train", "train.jsonl", "--mix", "chats.jsonl=0.1"]
    more = "--max-steps 2 --rank 2 --threads 1 --cache cache --out run --merge merged --json"
    done = CliRunner().invoke(app, [*words, *more.split()])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["data"]["rows"] == 24
    safety, chats = document["mixed"]
    assert (safety["rows"], safety["kinds"]) == (2, {"refusals": 1, "benign look-alikes": 1})
    assert (chats["name"], chats["rows"], chats["of_rows"]) == ("chats.jsonl", 2, 24)
    steps = json.loads((tmp_path / "merged/weighbridge_lineage.json").read_text())["steps"]
    (recipe,) = [step["facts"] for step in steps if step["stage"] == "recipe"]
    assert recipe["mixed"] == document["mixed"]
    kept = json.loads((tmp_path / "run/result.json").read_text())
    assert kept["mixed"] == document["mixed"]
    (tmp_path / "run/result.json").write_text(json.dumps({**kept, "mixed": []}))
    again = json.loads(CliRunner().invoke(app, [*words, *more.split()]).stdout)
    assert again["mixed"] == document["mixed"]  # of a run from before this was recorded
    shown = CliRunner().invoke(app, [*words, "--show-mask", "1", "--cache", "cache"]).stdout
    asked_of_safety = [json.loads(line)["messages"][0] for line in SHIPPED.read_text().splitlines()]
    assert "Gladly." in shown  # of other data; safety's questions may be harmful
    assert not [turn for turn in asked_of_safety if turn["content"][:20] in shown]
