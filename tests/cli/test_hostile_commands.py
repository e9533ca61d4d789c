"""Whatever file a command is given, it ends: one line, an exit code, and what is whole is read."""

import bz2
import gzip
import json
import lzma
import os
import subprocess
import sys
from pathlib import Path

import pytest

import hostile
from commands import weighbridge
from fuzz.parsers import SEEDS, _inspect_logs
from scored_runs import sealed
from weighbridge.evidence import RunStore

ONE_AFTER_THE_OTHER = """
import contextlib, io, json, os, sys
from weighbridge.cli.main import main
found = []
for words, cwd in json.loads(sys.stdin.read()):
    os.chdir(cwd)
    out, err = io.StringIO(), io.StringIO()
    sys.argv = ["weighbridge", *words]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    found.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(found))
"""
PATIENCE_SECONDS = 900  # of all commands together: what waits for a pipe waits for ever


def make(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data) if isinstance(data, bytes) else data(path)
    return path


ANSWERS = {
    "a named pipe": hostile.NOT_REGULAR["a named pipe"],
    "a link to /dev/zero": hostile.NOT_REGULAR["a link to /dev/zero"],
    "a folder": hostile.NOT_REGULAR["a folder"],
    "a hole": hostile.TOO_LARGE["a hole of a terabyte"],
    "a gzip bomb": hostile.bomb(gzip.compress, hostile.BOMB_BYTES),
    "a bzip2 bomb": hostile.bomb(bz2.compress, hostile.BOMB_BYTES),
    "an xz bomb": hostile.bomb(lzma.compress, hostile.BOMB_BYTES),
    "deep": hostile.JSON["deep lists"],
    "digits": hostile.JSON["5,000 digits"],
    "raw surrogates": hostile.JSON["raw surrogates"],
    "wrong types": hostile.JSON["wrong types"],
    "a list": hostile.JSON["a list"],
}
WORDS = {
    "score": "score -b humaneval FILE.jsonl", "import": "import inspect FILE.eval",
    "import lm-eval": "import lm-eval FILE.json", "inspect": "inspect FILE.json",
    "evaluate": "evaluate smollm2-135m -b FILE.toml", "run": "run FILE.toml",
    "tune": "tune smollm2-135m --train FILE.jsonl --out out", "scaling": "scaling fit FILE.csv",
    "GGUF": "inspect FILE.gguf", "judge": "evaluate smollm2-135m -b mt_bench --data mt_bench=FILE",
}  # fmt: skip


@pytest.fixture(scope="module")
def answered(tmp_path_factory):
    """Every command with every file, one after the other in one child."""
    folder = tmp_path_factory.mktemp("hostile")
    asked = []
    for command, words in WORDS.items():
        for kind, data in ANSWERS.items():
            ending = words.partition("FILE")[2].split()[:1]
            home = folder / command.replace(" ", "-") / kind.replace(" ", "-").replace("/", "-")
            path = make(home / ("file" + (ending[0] if ending else "")), data)
            line = words.replace("FILE" + (ending[0] if ending else ""), str(path))
            asked.append(((command, kind), line.split(), str(home)))
    done = subprocess.run(
        [sys.executable, "-c", ONE_AFTER_THE_OTHER], capture_output=True, text=True,
        input=json.dumps([[words, home] for _, words, home in asked]), timeout=PATIENCE_SECONDS,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return {name: answer for (name, _, _), answer in zip(asked, found, strict=True)}


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("command", WORDS)
def test_a_command_answers_in_one_line(answered, command, kind):
    code, out, err = answered[command, kind]
    assert code == 2, (code, out[-500:], err[-500:])
    assert err.count("\n") == 1 and err.startswith("weighbridge: ") and "Traceback" not in err, err
    assert len(err) < 5000 and "unforeseen" not in err


BAD_MEMBERS = {
    "pipe": os.mkfifo,
    "zero": lambda path: path.symlink_to("/dev/zero"),
    "out": lambda path: path.symlink_to("/etc/passwd"),
    "deep": lambda path: path.write_bytes(b"[" * 100_000),
    "digits": lambda path: path.write_bytes(b'{"eval": ' + b"9" * 5000 + b"}"),
    "half": lambda path: path.write_bytes(b'{"eval": "\xed\xa0\xbd"}'),
    "shape": lambda path: path.write_bytes(hostile.JSON["wrong types"]),
    "cut": lambda path: path.write_bytes(b"PK\x03\x04"),
    "hole": hostile.TOO_LARGE["a hole of a terabyte"],
}


def test_a_bad_member_is_a_line_and_the_others_are_imported(tmp_path):
    log, zipped = _inspect_logs(tmp_path / "seed")
    logs = tmp_path / "logs"
    for name, make_bad in BAD_MEMBERS.items():
        make_bad(make(logs / f"{name}.json", b"") and _gone(logs / f"{name}.json"))
    hostile.zip_of(logs / "bomb.eval", {"header.json": b" " * hostile.BOMB_BYTES})
    (logs / "good.json").write_bytes(log)
    (logs / "good.eval").write_bytes(zipped)
    done = weighbridge("import", "inspect", logs, "--json", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    assert len(told["runs"]) == 2
    assert {line.partition(": ")[0] for line in told["left_out"]} == {
        "bomb.eval", *(f"{name}.json" for name in BAD_MEMBERS)
    }  # fmt: skip
    assert all("\n" not in line and len(line) < 5000 for line in told["left_out"])
    assert "root:" not in done.stdout, "what a link leads to is not repeated"
    text = weighbridge("import", "inspect", logs, cwd=tmp_path)
    assert text.returncode == 3 and text.stdout.count("left out: ") == 1 + len(BAD_MEMBERS)
    for name in ("bomb.eval", *(f"{name}.json" for name in BAD_MEMBERS)):
        (logs / name).unlink()
    assert weighbridge("import", "inspect", logs, cwd=tmp_path).returncode == 0


def _gone(path):
    path.unlink()
    return path


def test_a_bad_task_of_lm_eval_leaves_the_others(tmp_path):
    home = tmp_path / "out"
    home.mkdir()
    for seed in (SEEDS / "lm_eval").iterdir():
        (home / seed.name).write_bytes(seed.read_bytes())
    whole = weighbridge("import", "lm-eval", home, "--json", cwd=tmp_path)
    every = {run["benchmark"] for run in json.loads(whole.stdout)["runs"]}
    bad = next(iter(sorted(home.glob("samples_*.jsonl"))))
    bad.write_bytes(b'{"doc_id": ' + b"[" * 5000)
    done = weighbridge("import", "lm-eval", home, "--json", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    told = json.loads(done.stdout)
    kept = {run["benchmark"] for run in told["runs"]}
    assert kept < every and len(kept) == len(every) - 1
    assert any("nested deeper than 200 levels" in line for line in told["left_out"])


BAD_RUNS = {
    "a pipe for a seal": lambda run: (_gone(run / "seal.json"), os.mkfifo(run / "seal.json")),
    "a pipe for samples": lambda run: (
        _gone(run / "samples.jsonl"), os.mkfifo(run / "samples.jsonl")
    ),
    "/dev/zero for a document": lambda run: (
        _gone(run / "run.json"), (run / "run.json").symlink_to("/dev/zero")
    ),
    "a link out of the folder": lambda run: (
        (run / "run.json").rename(run.parent.parent / "elsewhere.json"),
        (run / "run.json").symlink_to(run.parent.parent / "elsewhere.json"),
    ),
    "a deep document": lambda run: _written(run / "run.json", b"[" * 100_000),
    "digits": lambda run: _written(run / "run.json", b'{"a": ' + b"9" * 5000 + b"}"),
    "half a character": lambda run: _written(run / "run.json", b'{"a": "\xed\xa0\xbd"}'),
    "a hole": lambda run: hostile.TOO_LARGE["a hole of a terabyte"](_gone(run / "run.json")),
    "a line without end": lambda run: hostile.TOO_LARGE["a hole of a terabyte"](
        _gone(run / "samples.jsonl")
    ),
    "progress of nothing": lambda run: (
        _gone(run / "seal.json"), _written(run / "progress.json", b"[[")
    ),
}  # fmt: skip


def _written(path, data):
    if path.exists():
        path.chmod(0o644)
    path.write_bytes(data)


@pytest.fixture(scope="module")
def bad_runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    names = {kind: sealed(folder, f"m{n}", [1.0, 0.0]) for n, kind in enumerate(BAD_RUNS)}
    good = sealed(folder, "good", [1.0, 1.0])
    for kind, name in names.items():
        BAD_RUNS[kind](folder / ".weighbridge/runs" / name)
    listed = weighbridge("runs", "list", "--json", cwd=folder)
    verified = weighbridge("verify", *names.values(), good, "--json", cwd=folder)
    return folder, names, good, listed, verified


def test_the_list_tells_every_run_that_can_be_read(bad_runs):
    folder, names, good, listed, _ = bad_runs
    assert listed.returncode == 3, listed.stderr
    told = {run["run_id"]: run for run in json.loads(listed.stdout)["runs"]}
    assert told[good]["mean"] == 1.0 and not told[good]["altered"]
    for kind, name in names.items():
        assert told[name]["altered"] and told[name]["mean"] is None, kind
        assert "\n" not in told[name]["altered"]
    text = weighbridge("runs", "list", cwd=folder)
    assert text.returncode == 3 and text.stdout.count("ALTERED") == len(names)


def test_verify_names_runs_that_are_none(bad_runs):
    _, names, good, _, verified = bad_runs
    assert verified.returncode == 1 and not verified.stderr
    found = {run["run"]: run["ok"] for run in json.loads(verified.stdout)["runs"]}
    assert found == {**dict.fromkeys(names.values(), False), good: True}


@pytest.mark.parametrize("kind", BAD_RUNS)
def test_no_reader_takes_it(bad_runs, kind):
    folder, names, good, _, _ = bad_runs
    store = RunStore(Path(folder) / ".weighbridge/runs")
    from weighbridge.errors import WeighbridgeError

    with hostile.within_seconds(60), pytest.raises(WeighbridgeError) as told:
        store.read(names[kind])
    assert "\n" not in str(told.value)
    assert store.read(good).estimate.mean == 1.0
