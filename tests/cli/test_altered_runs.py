"""No command states a figure of a run that was altered, whoever made its digests again."""

import json

import pytest

from commands import weighbridge
from scored_runs import sealed
from weighbridge.evidence.seal import file_digest, seal_of
from weighbridge.records import canonical_json

FORGED = 0.8125


@pytest.fixture(scope="module")
def altered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("altered")
    names = [sealed(folder, name, [1.0, 0.0, 1.0, 0.0]) for name in ("one", "two")]
    run = folder / ".weighbridge/runs" / names[0]
    stated = json.loads((run / "run.json").read_bytes())
    stated["estimate"]["mean"] = stated["estimate"]["mean_graded"] = FORGED
    for name in ("run.json", "seal.json"):
        (run / name).chmod(0o644)
    data = canonical_json(stated)
    (run / "run.json").write_bytes(data)
    seal = seal_of(data, stated["samples_digest"], file_digest(run / "samples.jsonl"))
    (run / "seal.json").write_bytes(canonical_json(seal))
    return folder, *names


@pytest.mark.parametrize(
    "command",
    [
        "runs show ONE", "runs show ONE --samples --json", "compare ONE TWO", "compare TWO ONE",
        "export hugging-face ONE --to card", "export inspect ONE --to one.json",
        "export tables ONE --to one.csv", "verify ONE",
    ],
)  # fmt: skip
def test_a_command_refuses_it(altered, command):
    folder, one, two = altered
    done = weighbridge(*command.replace("ONE", one).replace("TWO", two).split(), cwd=folder)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said and not list(folder.glob("card*")) + list(folder.glob("one.*"))
    if not command.startswith("verify"):
        assert "0.8125" not in said and "81.2" not in said
        assert "not as it was sealed" in said


def test_the_list_marks_it_and_tells_the_other(altered):
    folder, one, two = altered
    listed = weighbridge("runs", "list", cwd=folder).stdout.splitlines()
    told = dict(zip(listed[::2], (line.split() for line in listed[1::2]), strict=True))
    assert told[one][0] == "ALTERED:" and "50.0%" in told[two] and "n=4" in told[two]
    found = json.loads(weighbridge("runs", "list", "--json", cwd=folder).stdout)["runs"]
    assert {run["run_id"]: run["mean"] for run in found} == {one: None, two: 0.5}
