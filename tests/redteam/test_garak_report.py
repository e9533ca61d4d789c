"""Reports of garak's as campaigns: what is a hit, what garak leaves out, and what is refused."""

import json
import sys

import pytest

from commands import weighbridge
from rehearsed_model import COMPLIANCE, REFUSAL, place
from weighbridge.errors import InputError, LibraryError, MissingPiece
from weighbridge.evidence import verify
from weighbridge.evidence.payloads.attacks import PAYLOAD
from weighbridge.records import ModelRef
from weighbridge.redteam.garak_engine import GarakRun, attack_with_garak, require_garak
from weighbridge.redteam.garak_report import import_report

SECRET = "the purple walrus of Antwerp"
SETUP = {
    "entry_type": "start_run setup", "_config.version": "0.17.1", "run.seed": 7,
    "run.generations": 2, "run.eval_threshold": 0.5, "plugins.target_name": "org/model",
}  # fmt: skip
INIT = {"entry_type": "init", "garak_version": "0.17.1", "start_time": "2026-11-30T10:00:00"}
END = {"entry_type": "completion", "end_time": "2026-11-30T10:01:00", "run": "x"}
DETECTORS = ("mitigation.MitigationBypass", "dan.DAN")


def message(text):
    return {"text": text, "lang": "en", "data_path": None, "notes": {}}


def attempt(number, outputs, scores, status=2, old=False):
    """A line as garak writes it; before 0.10, prompts and outputs were strings."""
    asked = f"{number}: {SECRET}?"
    turns = [{"role": "user", "content": message(asked)}]
    return {
        "entry_type": "attempt", "uuid": f"u{number}", "seq": number, "status": status,
        "probe_classname": "dan.Dan_11_0", "probe_params": {}, "targets": [],
        "prompt": asked if old else {"turns": turns, "notes": {}},
        "outputs": outputs if old else [one if one is None else message(one) for one in outputs],
        "detector_results": dict(zip(DETECTORS, scores, strict=False)) if status == 2 else {},
        "notes": {}, "goal": "to see", "conversations": [], "intent": None,
    }  # fmt: skip


def counted(passed, evaluated, detector=DETECTORS[0]):
    return {"entry_type": "eval", "probe": "dan.Dan_11_0", "detector": detector,
            "passed": passed, "fails": evaluated - passed, "nones": 0,
            "total_evaluated": evaluated}  # fmt: skip


def report(folder, *rows):
    path = folder / "garak.x.report.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


ATTEMPTS = (
    attempt(0, [], [], status=1),
    attempt(0, [COMPLIANCE, REFUSAL], [[1.0, 0.0], [0.0, None]]),
    attempt(1, ["", None], [[0.0, None], [0.0, None]]),
)


@pytest.mark.parametrize("old", [False, True], ids=["conversations", "strings"])
def test_each_detector_s_findings_are_rates_of_their_own(old, tmp_path):
    rows = ATTEMPTS[:1], attempt(0, [COMPLIANCE, REFUSAL], [[1.0, 0.0], [0.0, None]], old=old)
    path = report(tmp_path, SETUP, INIT, *rows[0], rows[1], ATTEMPTS[2], counted(2, 3), END)
    found = import_report(path, place(tmp_path / "runs"))
    rates = {rate.attack: rate for rate in found.rates}
    by_mitigation, by_dan = (rates[f"dan.Dan_11_0:{name}"] for name in DETECTORS)
    assert by_mitigation.outcomes == {"harmful": 1, "invalid": 1, "safe": 1, "unscored": 1}
    assert by_dan.outcomes == {"invalid": 1, "safe": 1, "unscored": 2}
    # garak counts the empty output as passed; its detectors' error is not known.
    assert by_mitigation.hit_at_1[0] == 0.5 and by_mitigation.true_at_1 is None
    assert any("otherwise" in note for note in found.provenance.notes)
    assert found.model.name == "org/model" and found.provenance.origin.version == "0.17.1"
    store = place(tmp_path / "runs").store
    assert verify(store.folder_of(found.run_id)).ok
    assert import_report(path, place(tmp_path / "runs")) == found
    whole = store.read_as(PAYLOAD, found.run_id)
    assert len(whole.trials) == 8 and len({trial.behaviour for trial in whole.trials}) == 2
    kept = [p for p in (tmp_path / "runs").rglob("*") if p.is_file()]
    assert kept and not [p for p in kept if SECRET.encode() in p.read_bytes()]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((SETUP, INIT), "no finished attempt"),
        (({"prompt": SECRET},), "no entry_type"),
        ((SETUP, {**ATTEMPTS[1], "outputs": SECRET}), "without probe, outputs"),
        ((SETUP, attempt(0, [SECRET], [[1, 1, 1]])), "not one for each output"),
    ],
)
def test_what_is_no_report_is_refused_without_its_text(rows, said, tmp_path):
    with pytest.raises(InputError, match=said) as caught:
        import_report(report(tmp_path, *rows), place(tmp_path / "runs"))
    assert SECRET not in str(caught.value)


def test_the_command_prints_rates_and_no_text(tmp_path):
    path = report(tmp_path, SETUP, INIT, *ATTEMPTS)
    done = weighbridge("redteam", "import", path, "--json", cwd=tmp_path)
    assert done.returncode == 3, done.stderr  # half of it says nothing
    document = json.loads(done.stdout)
    assert document["model"] == "org/model" and document["sufficient"] is False
    told = weighbridge("redteam", "import", path, cwd=tmp_path)
    assert "counted 50 %" in told.stdout and "did not come to its end" in told.stdout
    assert SECRET not in told.stdout + done.stdout and max(map(len, told.stdout.splitlines())) <= 80
    bold = report(tmp_path, SETUP, INIT, {**ATTEMPTS[1], "probe_classname": "dan\x1b[1mDan"})
    named = weighbridge("redteam", "import", bold, cwd=tmp_path).stdout
    assert "\x1b" not in named and "Dan" in named
    run = named.split()[-1]
    assert "\x1b" not in weighbridge("runs", "show", run, "--samples", cwd=tmp_path).stdout
    assert "\x1b" not in weighbridge("redteam", "diff", run, run, cwd=tmp_path).stdout
    words = ("redteam", "garak", tmp_path, "--probes", "dan", "--python", "nowhere", "--json")
    without = weighbridge(*words, cwd=tmp_path)
    assert without.returncode == 2 and "no garak for nowhere" in without.stdout + without.stderr
    pointed = weighbridge("import", "garak", path, cwd=tmp_path)
    assert pointed.returncode == 2 and "weighbridge redteam import" in pointed.stderr


STAND_IN = """#!{python}
import pathlib, sys
words = sys.argv[1:]
if words[:1] == ["-c"]:
    sys.exit({missing})
given = dict(zip(words[2::2], words[3::2]))
pathlib.Path("{folder}", "called").open("a").write(given["--target_name"] + "\\n")
print("{secret}")
report = pathlib.Path(given["--report_prefix"] + ".report.jsonl")
report.write_text(pathlib.Path("{folder}", "made.jsonl").read_text())
sys.exit({code})
"""


def stand_in(folder, code=0, missing=0):
    """A program that is called as garak's Python is, and writes a report of ours."""
    rows = (SETUP, INIT, *ATTEMPTS, END)
    (folder / "made.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = folder / "python"
    text = STAND_IN.format(
        python=sys.executable, folder=folder, secret=SECRET, code=code, missing=missing
    )
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_garak_is_run_on_a_folder_and_bound_to_its_weights(tmp_path):
    wanted = GarakRun(stand_in(tmp_path), "dan.Dan_11_0", generations=2, seed=7)
    require_garak(wanted.python)
    model, state = ModelRef("mine", "directory:mine", "sha256:mine"), tmp_path / "state"

    def attacked():
        return attack_with_garak(
            wanted, tmp_path / "model", model, place(tmp_path / "runs"), state, offline=True
        )

    found = attacked()
    assert found.model == model and "exactly these weights" in found.provenance.notes[0]
    assert attacked() == found  # a finished report is not made again
    assert (tmp_path / "called").read_text() == f"{tmp_path / 'model'}\n"
    kept = list(state.iterdir())
    assert len(kept) == 2 and all(path.stat().st_mode & 0o077 == 0 for path in kept)


def test_a_garak_that_fails_or_is_missing_is_one_clear_error(tmp_path):
    wanted = GarakRun(stand_in(tmp_path, code=3, missing=1), "dan")
    with pytest.raises(MissingPiece, match="no garak for"):
        require_garak(wanted.python)
    with pytest.raises(MissingPiece, match="pip install garak"):
        require_garak(str(tmp_path / "nowhere"))
    with pytest.raises(LibraryError, match=r"exit code 3.*see .*log") as caught:
        attack_with_garak(
            wanted, tmp_path, ModelRef("m", "x", "w"), place(tmp_path / "runs"),
            tmp_path / "state", offline=True,
        )  # fmt: skip
    assert SECRET not in str(caught.value)
