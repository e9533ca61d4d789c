"""A margin is in the units of the benchmark's own scale, and said in them."""

import json

import pytest

from commands import weighbridge
from scored_runs import sealed
from weighbridge.errors import InputError
from weighbridge.evidence import RunStore
from weighbridge.opening.endpoints import Endpoints
from weighbridge.project.plan import RunEnvironment, make_plan
from weighbridge.project.project_file import read_project
from weighbridge.sources.datasets import DataPlaces

WHEN = "2026-01-01T00:00:00+00:00"
MT_BENCH = (1.0, 10.0)
MARKS = (0.0, 100.0)
PROJECT = """
[project]
name = "marks"
[model]
base = "model"
[judge]
model = "model"
[[evaluate]]
benchmark = "{benchmark}"
margin = {margin}
"""
OWN = """
scorer = "judge"
data = "items.jsonl"
prompt = "{{q}}"
id = "id"
rubric = "Is it right?"
scale = [{low}, {high}]
"""


def two(folder, scale, gap):
    """Two runs over 60 items: the candidate is worse by `gap` on a third of them."""
    low, high = scale
    middle = (low + high) / 2
    reference = [middle + (i % 5) * 0.01 * (high - low) for i in range(60)]
    candidate = [v - gap * (i % 3 == 0) + 0.01 * (i % 2) for i, v in enumerate(reference)]
    return (
        sealed(folder, "candidate", candidate, scale=scale),
        sealed(folder, "reference", reference, scale=scale),
    )


@pytest.mark.parametrize(
    ("scale", "margin", "said", "gap"),
    [
        (MT_BENCH, 0.5, "0.5 on the scale from 1 to 10", 0.6),
        (MT_BENCH, 1.5, "1.5 on the scale from 1 to 10", 2.0),
        (MARKS, 5, "5 on the scale from 0 to 100", 6.0),
        ((1.0, 5.0), 0.25, "0.25 on the scale from 1 to 5", 0.3),
        ((0.0, 1.0), 0.05, "5 points", 0.06),
    ],
)
def test_compare_takes_a_margin_in_the_scale_s_units(scale, margin, said, gap, tmp_path):
    runs = two(tmp_path, scale, gap)
    done = weighbridge("compare", *runs, "--margin", margin, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"at a margin of {said} (p" in " ".join(done.stdout.split())
    tighter = weighbridge("compare", *runs, "--margin", 0.05 * margin, "--json", cwd=tmp_path)
    assert tighter.returncode in (1, 3)
    found = json.loads(tighter.stdout)
    assert found["margin"] == 0.05 * margin and found["scale"] == list(scale)


@pytest.mark.parametrize("margin", [9, 12, -0.1, "nan", "inf"])
def test_a_margin_off_the_scale_is_refused_in_its_units(margin, tmp_path):
    runs = two(tmp_path, MT_BENCH, 0.6)
    done = weighbridge("compare", *runs, f"--margin={margin}", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "a gap on the scale from 1 to 10, from 0 to below 9" in done.stderr


def test_power_speaks_the_pilot_s_units(tmp_path):
    runs = two(tmp_path, MT_BENCH, 0.6)
    done = weighbridge("power", *runs, "--margin", 0.5, "--items", 80, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["margin"] == 0.5 and found["scale"] == [1, 10] and done.returncode == 0
    assert 0 < found["smallest_margin"] < 0.5
    shown = weighbridge("power", *runs, "--margin", 0.5, "--items", 80, cwd=tmp_path).stdout
    assert "A is at most 0.5 worse than B" in shown and "on the scale from 1 to 10)" in shown
    assert "points" not in shown and max(map(len, shown.splitlines())) <= 80
    wrong = weighbridge("power", *runs, "--margin", 9.5, cwd=tmp_path)
    assert wrong.returncode == 2 and "the scale from 1 to 10" in wrong.stderr


def planned(folder, tiny_model, benchmark, margin):
    (folder / "model").symlink_to(tiny_model)
    rows = [{"id": str(i), "q": f"question {i}"} for i in range(3)]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "weighbridge.toml").write_text(PROJECT.format(benchmark=benchmark, margin=margin))
    project = read_project(folder / "weighbridge.toml")
    where = RunEnvironment(
        RunStore(folder / "runs"), folder, folder / "cache",
        DataPlaces(named={}, root=None, offline=True), "cpu", 1, True, WHEN,
        Endpoints(folder / "answers", key=lambda _: None),
    )  # fmt: skip
    return make_plan(project, where)


@pytest.mark.parametrize(
    ("low", "high", "margin", "wrong"), [(1, 10, 1.5, 9), (0, 100, 5, 100), (-1, 1, 1.2, 2)]
)
def test_a_project_takes_it_for_a_benchmark_of_one_s_own(
    low, high, margin, wrong, tiny_model, tmp_path
):
    for name, value in (("right", margin), ("wrong", wrong)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "own.toml").write_text(OWN.format(low=low, high=high))
        if name == "right":
            plan = planned(tmp_path / name, tiny_model, "own.toml", value)
            assert plan.tasks[0][0].margin == margin
            continue
        said = rf"margin {wrong} for own.toml.*on the scale from {low} to {high}"
        with pytest.raises(InputError, match=said):
            planned(tmp_path / name, tiny_model, "own.toml", value)


def test_a_project_takes_it_for_mt_bench(tmp_path):
    path = tmp_path / "weighbridge.toml"
    for margin in (0.5, 1.5, 8):
        path.write_text(PROJECT.format(benchmark="mt_bench:writing", margin=margin))
        assert read_project(path).evaluate[0].margin == margin
    for margin in ("9", "nan", "-0.5"):
        path.write_text(PROJECT.format(benchmark="mt_bench", margin=margin))
        with pytest.raises(InputError, match="from 0 to below 9"):
            read_project(path)
    path.write_text(PROJECT.format(benchmark="mt_bench", margin="true"))
    with pytest.raises(InputError, match="margin = true; expected a number"):
        read_project(path)


@pytest.mark.parametrize("margin", ['"2%"', '"0.02"', "true"])
def test_a_margin_that_is_no_number_is_told_what_it_should_be(tmp_path, margin):
    (tmp_path / "p.toml").write_text(PROJECT.format(benchmark="mt_bench", margin=margin))
    with pytest.raises(InputError, match=r"margin = .*a number") as said:
        read_project(tmp_path / "p.toml")
    assert "validat" not in str(said.value) and "\n" not in str(said.value)
