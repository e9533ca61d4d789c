"""A whole project on a tiny model: both verdicts' paths, the report, and its verification."""

import json

import pytest

from commands import weighbridge
from weighbridge.errors import InputError, UnknownName
from weighbridge.project.project_file import read_project


@pytest.mark.slow
def test_a_project_runs_to_a_verdict_and_its_report_is_verified(project):
    done = weighbridge("run", "--offline", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["verdict"] == "paid", outcome
    (skipped,) = outcome["skipped"]
    assert skipped["benchmark"] == "mmlu" and skipped["get_it"].startswith("hf download")
    assert "skipped mmlu" in done.stderr

    page = (project / outcome["report"]).read_text()
    assert "paid" in page.lower() and "letters" in page and "mmlu" in page
    folder = project / ".weighbridge/reports/letters"
    items = (folder / "items-1.html").read_text()
    assert "items-1.html" in page and "letters" in items and "What became of the answers" in items
    checked = weighbridge("verify", str(folder), cwd=project)
    assert checked.returncode == 0, checked.stdout

    again = weighbridge("run", "--offline", "--json", cwd=project)
    assert json.loads(again.stdout)["runs"] == outcome["runs"]

    (folder / "items-1.html").write_text(items.replace("What became", "What came", 1))
    altered = weighbridge("verify", str(folder), cwd=project)
    assert altered.returncode == 1 and "items-1.html" in altered.stdout
    (folder / "items-1.html").write_text(items)
    (folder / "report.html").write_text(page.replace("paid", "lost", 1))
    assert weighbridge("verify", str(folder), cwd=project).returncode == 1


@pytest.mark.slow
def test_required_verdicts_map_to_exit_codes(project):
    path = project / "weighbridge.toml"
    path.write_text(path.read_text() + "required = true\n")
    done = weighbridge("run", "--offline", "--require", "paid", "--json", cwd=project)
    assert done.returncode == 3, done.stdout
    assert json.loads(done.stdout)["verdict"] == "insufficient evidence"


def test_dry_run_starts_nothing(project):
    done = weighbridge("run", "--offline", "--dry-run", "--json", cwd=project)
    assert [row["n"] for row in json.loads(done.stdout)["would_run"]] == [24]
    assert not (project / ".weighbridge").exists()


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (("epochs", "epoch"), UnknownName, "did you mean epochs"),
        (("[tune]", "[tuning]"), UnknownName, "did you mean tune"),
        (('"guard"', '"gard"'), UnknownName, "did you mean guard"),
        (("epochs = 6", 'epochs = "six"'), InputError, "tune.epochs"),
        (("[model]", "[model"), InputError, "line"),
        (('role = "guard"', 'role = "guard"\nmargin = 5'), InputError, "2 points are 0.02"),
    ],
)
def test_a_wrong_project_file_is_one_clear_error(project, change, error, said):
    path = project / "weighbridge.toml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(error, match=said):
        read_project(path)


def test_the_shipped_example_and_the_template_are_valid(repository, tmp_path):
    shipped = read_project(repository / "examples/service_desk/weighbridge.toml")
    names = [w.benchmark for w in shipped.evaluate]
    assert names[0] == "service_desk"
    assert set(names[1:]) == {"general_text", "humaneval", "harmful_requests", "look_alikes"}
    done = weighbridge("init", str(tmp_path / "mine"), cwd=tmp_path)
    assert done.returncode == 0
    assert read_project(tmp_path / "mine").model.base == "smollm2-135m"
    assert weighbridge("init", str(tmp_path / "mine"), cwd=tmp_path).returncode == 2


@pytest.mark.slow
def test_a_fully_tuned_model_is_measured_as_the_folder_that_came_out(project):
    path = project / "weighbridge.toml"
    text = path.read_text().replace("rank = 8", 'method = "full"').replace("1e-2", "2e-3")
    path.write_text(text)
    done = weighbridge("run", "--offline", "--json", cwd=project)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["verdict"] == "paid" and outcome["adapter"] is None
    assert (project / outcome["model"] / "model.safetensors").is_file()
    before, after = (
        json.loads((project / ".weighbridge/runs" / run / "run.json").read_text())["model"]
        for run in outcome["runs"]
    )
    assert before["weights_digest"] != after["weights_digest"]
    assert after["adapter_digest"] is None
    page = (project / outcome["report"]).read_text()
    assert "Full fine-tuning" in page and "Tuned weights" in page
    assert weighbridge("verify", ".weighbridge/reports/letters", cwd=project).returncode == 0
    alone = weighbridge(
        "evaluate", outcome["model"], "-b", "letters.toml", "--offline", "--json", cwd=project
    )
    assert json.loads(alone.stdout)["runs"][0]["run"] == outcome["runs"][1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("rank = 8", "ranks = 8"), "did you mean rank"),
        (("rank = 8", 'method = "ful"'), "did you mean full"),
        (("rank = 8", 'rank = 8\nmethod = "full"'), "rank = 8 with method full"),
        (("rank = 8", "rank = 0"), "weighbridge.toml: tuning setting rank = 0"),
        (("rank = 8", "settings = 8"), "unknown key in .tune."),
        (("rank = 8", 'schedule = "cosin"'), "tune.schedule = 'cosin'"),
    ],
)
def test_a_wrong_tuning_setting_is_one_clear_error(project, change, said):
    path = project / "weighbridge.toml"
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(InputError, match=said) as error:
        read_project(path)
    assert "\n" not in str(error.value)
