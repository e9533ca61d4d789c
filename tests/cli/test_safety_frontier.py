"""`tune --safety-frontier`: several shares tuned and measured by one command, and drawn."""

import json

import pytest
from typer.testing import CliRunner

from conforming import document_faults
from tuning_runs import write_pairs, write_rows
from weighbridge.cli.main import app
from weighbridge.errors import InputError

MARK = "zebra-quartz"


@pytest.mark.slow
def test_four_shares_are_tuned_measured_and_drawn_and_the_taken_one_is_there(
    tiny_model, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    write_rows(tmp_path / "train.jsonl", 60)
    requests = [json.dumps({"prompt": f"{MARK} {i}", "id": f"r{i}"}) for i in range(4)]
    (tmp_path / "requests.jsonl").write_text("\n".join(requests))
    words = [
        "tune", str(tiny_model), "--train", "train.jsonl", "--max-steps", "1", "--rank", "2",
        "--threads", "1", "--cache", "cache",
    ]  # fmt: skip
    own = ["--data", "harmful_requests=requests.jsonl", "--data", "look_alikes=requests.jsonl"]
    command = [*words, "--safety-frontier", *own, "--chart", "frontier.svg"]
    done = CliRunner().invoke(app, [*command, "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert not document_faults(command, document)
    assert [one["share"] for one in document["points"]] == [0.0, 0.01, 0.03, 0.05]
    assert [one["mixed"]["rows"] for one in document["points"]] == [0, 2, 4, 6]
    for one in document["points"]:
        assert [rate["benchmark"] for rate in one["rates"]] == ["harmful_requests", "look_alikes"]
        assert one["rates"][0]["items"] == 4 and len(one["runs"]) == 2
    assert any(one["best"] for one in document["points"])
    picture = (tmp_path / "frontier.svg").read_text()
    assert "harmful requests complied with" in picture and ">3%<" in picture
    shown = CliRunner().invoke(app, command).stdout  # found again, not tuned again
    assert max(map(len, shown.splitlines())) <= 80 and "\n3%" in shown
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [p for p in files if MARK.encode() in p.read_bytes() and p.name != "requests.jsonl"]
    # The share that is taken is tuned already: the same weights, in the folder that is named.
    taken = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert taken["adapter"].startswith(document["points"][2]["folder"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--find-lr"], "--find-lr and --safety-frontier"),
        (["--objective", "dpo"], "--safety-frontier with objective dpo"),
        (["--data", "harmful_requests=nowhere.jsonl"], "nowhere.jsonl"),
        ([], "holds 2 rows: 5% of them is less than one"),
    ],
)
def test_what_gives_no_frontier_is_one_line(words, said, tiny_model, tmp_path):
    write = write_pairs if "dpo" in words else write_rows
    train = write(tmp_path / "t.jsonl", 2)
    command = ["tune", str(tiny_model), "--train", str(train), "--safety-frontier", *words]
    answer = CliRunner().invoke(app, command)
    assert isinstance(answer.exception, InputError)
    assert said in str(answer.exception) and "\n" not in str(answer.exception)
