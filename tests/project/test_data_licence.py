"""The licence of training data: known, unknown or missing, and what it does to a release."""

import pytest

from weighbridge.catalog.licences import commercial_use
from weighbridge.errors import InputError
from weighbridge.project import data_licence
from weighbridge.project.data_licence import licence_of, require_releasable
from weighbridge.project.project_file import read_project


@pytest.mark.parametrize(
    ("licence", "allowed"),
    [
        ("MIT", True), ("cc-by-4.0", True), ("CC BY-SA 4.0", True), ("own", True),
        ("CC-BY-NC-4.0", False), ("cc-by-nc-sa-3.0", False), ("NonCommercial", False),
        ("non-commercial use only", False), ("research-only", False),
        ("llama2", None), ("other", None), ("ncsa", None), ("launch", None),
    ],
)  # fmt: skip
def test_what_a_licence_says_of_commercial_use(licence, allowed):
    assert commercial_use(licence) is allowed


def test_a_release_is_refused_for_data_that_forbids_commercial_use(tmp_path):
    train = tmp_path / "train.jsonl"
    with pytest.raises(InputError, match=r"release.* under CC-BY-NC-4\.0"):
        require_releasable(train, "CC-BY-NC-4.0", "release")
    assert require_releasable(train, "CC-BY-NC-4.0", "in house") == ()
    assert require_releasable(train, "MIT", "release") == ()
    (said,) = require_releasable(train, "", "release")
    assert "licence is not stated" in said


def test_a_licence_that_is_not_known_is_said(tmp_path):
    licence, (said,) = licence_of(tmp_path / "train.jsonl", "llama2")
    assert licence == "llama2" and "not known" in said
    assert licence_of(tmp_path / "train.jsonl", "MIT") == ("MIT", ())
    assert licence_of(tmp_path / "train.jsonl", "") == ("", ())


def test_the_card_of_a_data_set_on_the_hub_states_it(tmp_path, monkeypatch):
    from pathlib import Path

    from weighbridge.sources import hub_data

    (tmp_path / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n# A card\n")
    monkeypatch.setattr(hub_data, "hub_snapshot", lambda *a, **k: tmp_path)
    name = Path("org/name:train")
    assert licence_of(name, "") == ("cc-by-nc-4.0", ())
    licence, (said,) = licence_of(name, "MIT")
    assert licence == "MIT" and "says licence cc-by-nc-4.0" in said
    assert data_licence.NOT_STATED == "not stated"


def test_a_project_states_it_and_is_refused_before_anything_is_loaded(project):
    from test_stages import planned

    path = project / "weighbridge.toml"
    text = path.read_text()
    path.write_text(text.replace("[tune]", '[tune]\nlicence = "CC-BY-NC-4.0"'))
    assert read_project(path).tune.licence == "CC-BY-NC-4.0"
    plan, _ = planned(project)
    assert plan.files.licence == "CC-BY-NC-4.0"
    path.write_text(path.read_text().replace("[project]", '[project]\nuse = "release"'))
    with pytest.raises(InputError, match="training data under CC-BY-NC"):
        planned(project)
    path.write_text(text.replace("[tune]", '[tune]\nlicense = "MIT"'))
    with pytest.raises(InputError, match="did you mean licence"):
        read_project(path)
