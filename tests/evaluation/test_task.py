"""A task is handed to another process by name, and is the same there."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest

from benchmark_data import data_for
from documented import own_benchmarks
from handed_over import digests
from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.registry import benchmark_names, find_benchmark
from weighbridge.evaluation.task import as_graded, open_task, read_ref
from weighbridge.opening.tasks import find_task
from weighbridge.sandbox import Level, probe
from weighbridge.sources.datasets import DataPlaces

jailed = pytest.mark.skipif(
    probe().level is not Level.OUTSIDE_TESTER,
    reason=f"no such sandbox: {probe().detail}; {probe().fix}",
)

SETTINGS = {
    "mmlu": Settings(protocol="generative", chat_template=True, limit=2),
    "gsm8k": Settings(limit=2, temperature=0.8),
    "mt_bench": Settings(protocol="pairwise", limit=1),
}


def task_of(name, folder, settings=None):
    """A benchmark of the folder over small data of our own."""
    benchmark = find_benchmark(name)
    data = data_for(benchmark, folder / name, None)
    places = DataPlaces({name: data} if data else {})
    asked = settings or SETTINGS.get(name, Settings(limit=2))
    subset = benchmark.asking.subsets[0] if benchmark.asking.subsets else None
    return find_task(f"{name}:{subset}" if subset else name, places, asked)


def handed_over(tasks, repository):
    """What a fresh process makes of tasks whose names it reads as JSON."""
    paths = [str(repository / "src"), str(repository / "tests"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, repository / "tests" / "handed_over.py"],
        input="\n".join(json.dumps(task.ref.as_json()) for task in tasks),
        capture_output=True, text=True, timeout=120, cwd=repository.parent,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def tasks(repository, tmp_path):
    """All benchmarks of the folder, and a user's own of every kind."""
    found = [task_of(name, tmp_path) for name in benchmark_names()]
    own = own_benchmarks(repository, tmp_path)
    return found + [
        find_task(str(path), DataPlaces({}), Settings(limit=2)) for path in own.values()
    ]


def test_a_fresh_process_opens_the_same_items_prompts_and_grades_from_json(tasks, repository):
    graded_here = [task for task in tasks if not task.benchmark.grading.executes_code]
    there = handed_over(graded_here, repository)
    assert there == [digests(task) for task in graded_here] and len(there) == 14


@jailed
@pytest.mark.slow
def test_programs_are_graded_alike_there_as_completions_and_as_replies(tasks, repository):
    programs = [task for task in tasks if task.benchmark.grading.executes_code]
    programs += [task.reading_chats() for task in programs]
    there = handed_over(programs, repository)
    assert there == [digests(task) for task in programs]
    whole, _, chats, _ = there
    assert whole["items"] == chats["items"] and whole["grades"] != chats["grades"]


def test_a_name_is_read_back_as_it_was(tmp_path):
    ref = task_of("gsm8k", tmp_path).ref
    assert read_ref(json.dumps(ref.as_json())) == ref
    assert open_task(ref).ref == ref


def test_other_settings_are_another_name(tmp_path):
    task = task_of("mmlu", tmp_path)
    other = replace(task, settings=replace(task.settings, shots=3))
    assert other.ref != task.ref
    assert digests(open_task(other.ref))["items"] != digests(open_task(task.ref))["items"]


def test_a_user_s_own_that_changed_since_is_not_opened(repository, tmp_path):
    path = own_benchmarks(repository, tmp_path)["exact"]
    ref = find_task(str(path), DataPlaces({}), Settings()).ref
    path.write_text(path.read_text() + "# changed\n")
    with pytest.raises(InputError, match=f"version {ref.version}, with which the work began"):
        open_task(ref)


@pytest.mark.parametrize("text", ["", "{}", '{"benchmark": 3}', "[1]"])
def test_what_is_no_name_is_refused(text):
    with pytest.raises(InputError, match="a task's name"):
        read_ref(text)


def test_answers_are_graded_as_the_settings_and_the_sandbox_say():
    benchmark = find_benchmark("humaneval")
    grading = benchmark.grading
    chat = as_graded(benchmark, Settings(chat_template=True), weaker_sandbox=False).grading
    weaker = as_graded(benchmark, Settings(), weaker_sandbox=True)
    assert chat.grade is grading.grade_chat and weaker.grading.grade is grading.grade_weaker
    assert "hostile code" in weaker.about.notes([])[0]
    assert as_graded(benchmark, Settings(), weaker_sandbox=False) == benchmark
