"""A project that has other data mixed into what it tunes on."""

import json
from pathlib import Path

import pytest
from test_stages import planned

from weighbridge.errors import InputError
from weighbridge.project.project_file import read_project
from weighbridge.project.running import stages_of

MIX = '[[tune.mix]]\ndata = "general.jsonl"\nshare = 0.2\n'


def changed(folder, old, new):
    path = Path(folder) / "weighbridge.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


def test_it_says_what_it_will_mix_in_and_never_what_it_measures(project):
    asked = [
        json.loads(line)["messages"][0]
        for line in (project / "test.jsonl").read_text().splitlines()
    ]
    answer = {"role": "assistant", "content": "Gladly."}
    others = [{"role": "user", "content": f"tell me of number {i}"} for i in range(40)]
    (project / "general.jsonl").write_text(
        "".join(json.dumps({"messages": [turn, answer]}) + "\n" for turn in [*asked, *others])
    )
    changed(project, "safety_share = 0\n", "")
    changed(project, "[[evaluate]]", f"{MIX}[[evaluate]]")
    plan, _ = planned(project)
    said = [stage.describe(plan) for stage in stages_of(plan)]
    assert said[1] == (
        "tune it on 48 conversations of train.jsonl, with 4 rows of safety and 13 rows of "
        "general.jsonl mixed in"
    )
    assert [one.data for one in plan.files.mixed] == ["the shipped set", "general.jsonl"]
    drawn = {row.messages[0].content for row in plan.files.rows[52:]}
    assert drawn <= {turn["content"] for turn in others} and len(drawn) == 13
    assert any("rows that ask what is measured" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("mix", "said"),
    [
        ('[[tune.mix]]\ndata = "general.jsonl"\nshares = 0.2\n', "did you mean share"),
        ('[[tune.mix]]\ndata = "general.jsonl"\nshare = 2\n', "share = 2 of general.jsonl"),
        ('[[tune.mix]]\ndata = "general.jsonl"\n', r"tune\.mix\.0\.share"),
        ('[tune.mix]\ndata = "general.jsonl"\nshare = 0.2\n', r"tables \[\[tune.mix\]\]"),
        ("safety_share = 0.6\n", "safety_share = 0.6"),
        ('safety_share = "much"\n', "tune.safety_share"),
    ],
)
def test_a_mix_that_is_written_wrongly_is_one_line(mix, said, project):
    changed(project, "safety_share = 0\n", mix if mix.startswith("safety") else "")
    if not mix.startswith("safety"):
        changed(project, "[[evaluate]]", f"{mix}[[evaluate]]")
    with pytest.raises(InputError, match=said) as error:
        read_project(project)
    assert "\n" not in str(error.value)
