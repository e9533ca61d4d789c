"""A project is a list of stages; one new file adds one, and each runs after what it needs."""

import json
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import pytest

from weighbridge.errors import InputError
from weighbridge.evidence import RunStore
from weighbridge.folder_registry import names_in
from weighbridge.opening.endpoints import Endpoints
from weighbridge.project import running
from weighbridge.project.plan import RunEnvironment, make_plan
from weighbridge.project.project_file import read_project
from weighbridge.project.running import in_order, run_stages, stages_of
from weighbridge.project.stage import COMPARISONS, Result, Stage
from weighbridge.sources.datasets import DataPlaces

COUNT: Result[int] = Result("number of comparisons")


class Collected:
    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)

    @contextmanager
    def bar(self, title):
        self.lines.append(title)
        yield lambda done, total, tokens_per_second=None, said="": None


def planned(folder):
    state = folder / ".weighbridge"
    store = RunStore(state / "runs")
    where = RunEnvironment(
        store, state, folder / "cache", DataPlaces({}, offline=True), "cpu", 1, True,
        "2026-11-30T00:00:00+00:00", Endpoints(state / "answers", lambda name: None, offline=True),
    )  # fmt: skip
    return make_plan(read_project(folder), where), where


def stage(name, needs=(), uses=()):
    return Stage(
        Result(name), lambda plan: True, lambda plan: name, lambda work: None,
        tuple(map(Result, needs)), tuple(map(Result, uses)),
    )  # fmt: skip


def test_a_stage_runs_after_those_whose_results_it_takes():
    some = [stage("c", needs=("b",)), stage("b", uses=("a", "nobody's")), stage("a")]
    assert [each.brings.name for each in in_order(some)] == ["a", "b", "c"]
    with pytest.raises(AssertionError, match="no stage brings d, which c needs"):
        in_order([stage("c", needs=("d",))])
    with pytest.raises(AssertionError, match="wait for each other"):
        in_order([stage("a", needs=("b",)), stage("b", uses=("a",))])


def test_the_stages_of_a_project_are_those_that_it_asks_for(project):
    path = Path(project) / "weighbridge.toml"
    text = path.read_text()
    plan, _ = planned(project)
    said = [each.describe(plan) for each in stages_of(plan)]
    assert said[1:] == [
        "tune it on 48 conversations of train.jsonl",
        "measure the tuned model on the same items",
        "compare it with the base item by item, and write the report",
    ]
    assert said[0].startswith("measure ") and said[0].endswith(" on 1 benchmark")
    start, end = text.index("[tune]"), text.index("[[evaluate]]")
    path.write_text(text[:start] + text[end:])
    assert len(stages_of(planned(project)[0])) == 1


def test_a_project_that_prefers_reads_pairs_and_says_so(project):
    path = Path(project) / "weighbridge.toml"
    text = path.read_text().replace('validation = "test.jsonl"\n', "")
    path.write_text(text.replace("[tune]\n", '[tune]\nobjective = "dpo"\nbeta = 0.2\n'))
    with pytest.raises(InputError, match="two answers in each row"):
        planned(project)
    rows = [{"prompt": f"say {n}", "chosen": "A", "rejected": "B"} for n in range(6)]
    (Path(project) / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    plan, _ = planned(project)
    assert plan.project.tune.settings.beta == 0.2
    said = [each.describe(plan) for each in stages_of(plan)]
    assert said[1] == "tune it on 6 preference pairs of train.jsonl"


def test_a_file_in_the_folder_is_a_stage(project, monkeypatch):
    extra = types.ModuleType("weighbridge.project.stages.count")
    extra.STAGE = Stage(
        brings=COUNT,
        applies=lambda plan: True,
        describe=lambda plan: "count",
        run=lambda work: len(work.results[COMPARISONS]),
        needs=(COMPARISONS,),
    )
    monkeypatch.setitem(sys.modules, extra.__name__, extra)
    monkeypatch.setattr(running, "names_in", lambda folder: ("count", *names_in(folder)))
    plan, where = planned(project)
    show = Collected()
    outcome = run_stages(plan, where, show)
    assert outcome.results[COUNT] == len(outcome.weighed) == 1
    assert outcome.tuned is not None and not outcome.single
    assert [line for line in show.lines if line in ("letters base", "tune", "letters tuned")] == [
        "letters base", "tune", "letters tuned",
    ]  # fmt: skip
