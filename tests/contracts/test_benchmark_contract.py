"""One matrix over the folder of benchmarks, its protocols, and the backends.

A new file in `evaluation/benchmarks/` or `own/kinds/` is tested the moment it exists, on every
backend in `tests/backends.py`.
"""

import importlib
import json
import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from backends import BACKENDS
from benchmark_data import data_for
from documented import own_benchmarks
from tiny import build_tiny_model
from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.grading import grade
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.own.kind import kind_names
from weighbridge.evaluation.own.kinds import choice
from weighbridge.evaluation.protocols import BY_LIKELIHOOD, NEEDS
from weighbridge.evaluation.registry import benchmark_names, find_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.opening.tasks import at_sandbox_level
from weighbridge.records import Generation, Graded, Ungraded
from weighbridge.sandbox import Level, probe

OWN = tuple(f"own/{kind}" for kind in kind_names())
NAMES = (*benchmark_names(), *OWN)
LIMIT = 2
needs_jail = pytest.mark.skipif(
    probe().level is not Level.OUTSIDE_TESTER,
    reason=f"no such sandbox: {probe().detail}; {probe().fix}",
)


def found(name, repository, folder, originals):
    """A benchmark and where its data lies; a user's own are the documented ones."""
    if name in OWN:
        return read_own_benchmark(
            own_benchmarks(repository, folder)[name.removeprefix("own/")]
        ), None
    benchmark = find_benchmark(name)
    return benchmark, data_for(benchmark, folder / name, originals)


@pytest.fixture(scope="module")
def originals(repository):
    """Data sets in their original form, where this machine has them."""
    folder = Path(os.environ.get("WEIGHBRIDGE_TEST_DATA", repository.parent / "shared" / "data"))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="module", params=NAMES)
def loaded(request, repository, originals, tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    benchmark, data = found(request.param, repository, folder, originals)
    return (
        request.param,
        benchmark,
        list(benchmark.asking.load(LoadRequest(data, None, Settings(limit=3)))),
    )


def answer(sample, text, stop="end"):
    return Generation(sample.id, 0, text, stop, 0, 0, 0)


# What holds without a model


def test_name_is_the_file_s_stem(loaded):
    name, benchmark, _ = loaded
    if name in OWN:
        assert importlib.import_module(
            f"weighbridge.evaluation.own.kinds.{name.removeprefix('own/')}"
        ).KIND.name == name.removeprefix("own/")
    else:
        assert benchmark.name == name


def test_ids_are_unique_and_samples_serialise(loaded):
    _, _, samples = loaded
    assert len({sample.id for sample in samples}) == len(samples) > 0
    for sample in samples:
        assert sample.digest.startswith("sha256:")
        json.dumps(sample.target)


def test_limit_is_per_subset(loaded):
    name, benchmark, samples = loaded
    if name in OWN:
        assert 1 <= len(samples) <= 3
        return
    parts = len({sample.cluster for sample in samples})
    if benchmark.grading.judges:  # clustered by question, which its turns share
        parts = len(benchmark.asking.subsets)
    assert len(samples) == 3 * max(1, parts)


@needs_jail
def test_gold_scores_full_marks_and_silence_scores_nothing(loaded):
    _, benchmark, samples = loaded
    for sample in samples[:3]:
        if benchmark.asking.continuations is not None:
            for settings in (Settings(), Settings(chat_template=True)):
                options = benchmark.asking.continuations(sample, settings)
                assert str(sample.target).strip() in [option.strip() for option in options]
        if benchmark.grading.judges:
            check_judges(benchmark, sample)
            continue
        if benchmark.grading.grade is None:
            continue
        gold = answer(sample, benchmark.grading.gold(sample))
        perfect = grade(benchmark, sample, gold)
        assert isinstance(perfect, Graded) and perfect.value == 1, perfect
        of_chat = grade(benchmark.reading_chats(), sample, gold)
        assert isinstance(of_chat, Graded) and of_chat.value == 1, of_chat
        silent = grade(benchmark, sample, answer(sample, ""))
        assert not (isinstance(silent, Graded) and silent.value > 0)


def check_judges(benchmark, item):
    """A judge that praises gives full marks, and one that says nothing gives none."""
    for protocol, method in benchmark.grading.judges.items():
        assert protocol in benchmark.asking.protocols
        module = importlib.import_module(f"weighbridge.evaluation.judges.{method.name}")
        assert module.JUDGE.name == method.name
        best = f"{method.scale[1]:g}"
        for number, sample in enumerate(benchmark.asking.turns_of(item), start=1):
            answers = ("An answer.",) * number
            baseline = answers if method.needs_baseline else ()
            prompts = method.prompts(sample, answers, baseline)
            assert all(answers[-1] in prompt.messages[-1].content for prompt in prompts)
            praise = (f"[[{best}]] [[A]]", f"[[{best}]] [[B]]")[: len(prompts)]
            assert method.read(praise).value == method.scale[1]
            silent = method.read([""] * len(prompts))
            assert isinstance(silent, Ungraded) and silent.reason == "unparsed"


def test_a_lost_answer_is_ungraded_not_wrong(loaded):
    _, benchmark, samples = loaded
    if benchmark.grading.grade is not None:
        score = grade(benchmark, samples[0], answer(samples[0], "", stop="error"))
        assert isinstance(score, Ungraded) and score.reason == "infrastructure"


def test_a_misspelt_benchmark_gets_the_near_miss():
    with pytest.raises(UnknownName, match="did you mean humaneval"):
        find_benchmark("human_eval")


# What holds on every backend


def _protocols(name):
    if name in OWN:
        measured = {"own/choice": choice.PROTOCOLS, "own/bits_per_byte": ("bits_per_byte",)}
        return measured.get(name, ("generative",))
    return find_benchmark(name).asking.protocols


CASES = [(name, protocol) for name in NAMES for protocol in _protocols(name)]
WRITTEN = [case for case in CASES if case[1] not in BY_LIKELIHOOD]


@pytest.fixture(scope="module", params=BACKENDS)
def model(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("weights") / "tiny"
    build_tiny_model(folder, max_position_embeddings=16384)
    with BACKENDS[request.param](folder) as opened:
        yield opened


class Losing:
    """A real model whose every answer is lost on the way."""

    def __init__(self, model):
        self.model = model

    def __getattr__(self, name):
        return getattr(self.model, name)

    def generate(self, requests):
        for one in self.model.generate(requests):
            yield replace(one, generation=replace(one.generation, text="", stop="error"))


@pytest.fixture(params=CASES, ids="-".join)
def task(request, model, repository, originals, tmp_path):
    """Returns what runs the benchmark by the protocol, on the model or another one."""
    name, protocol = request.param
    benchmark, data = found(name, repository, tmp_path, originals)
    assert protocol in benchmark.asking.protocols
    if benchmark.grading.executes_code and probe().level is not Level.OUTSIDE_TESTER:
        pytest.skip(f"no such sandbox: {probe().detail}; {probe().fix}")
    subset = benchmark.asking.subsets[0] if benchmark.asking.subsets else None
    settings = Settings(protocol=protocol, limit=LIMIT, max_tokens=4)
    items = list(benchmark.asking.load(LoadRequest(data, subset, settings)))
    turns = [turn.id for item in items for turn in benchmark.asking.turns_of(item)]
    baseline = dict.fromkeys(turns, "An answer.")

    def run(who, root, judge=None, **grading):
        place = RunContext(RunStore(tmp_path / root), 1, "2026-01-01T00:00:00+00:00")
        if benchmark.grading.executes_code:
            place = at_sandbox_level(place, allow_weaker=False)
        judging = Judge(judge or model, max_tokens=4, baseline=baseline)
        done = evaluate(
            who, replace(benchmark, grading=replace(benchmark.grading, **grading)), place,
            subset=subset, settings=settings, data=data,
            judge=judging if benchmark.grading.judges else None,
        )  # fmt: skip
        return place.store.read(done.run_id), place.store.folder_of(done.run_id)

    run.benchmark, run.planned, run.protocol = benchmark, len(turns), protocol
    return run


def test_a_protocol_beyond_the_model_is_refused_and_all_others_run(task, model):
    if NEEDS[task.protocol] not in model.capabilities:
        with pytest.raises(InputError, match="a model that can"):
            task(model, "first")
        return
    run, folder = task(model, "first")
    again, _ = task(model, "second")
    assert len(run.samples) == task.planned == LIMIT * task.benchmark.asking.turns
    assert again.samples_digest == run.samples_digest and again.identity == run.identity
    counted = Counter(s.score.reason for s in run.samples if isinstance(s.score, Ungraded))
    assert run.estimate.ungraded == dict.fromkeys(run.estimate.ungraded, 0) | counted
    assert set(run.estimate.ungraded) == {"refused", "unparsed", "truncated", "infrastructure"}
    turns = task.benchmark.asking.turns
    assert run.estimate.n == task.planned - counted["infrastructure"] or turns > 1
    low, high = sorted(run.estimate.scale)
    assert low <= run.estimate.interval[0] <= run.estimate.mean <= run.estimate.interval[1] <= high
    assert verify(folder).ok


@pytest.mark.parametrize("task", WRITTEN, ids="-".join, indirect=True)
def test_a_crash_is_infrastructure_and_never_a_wrong_answer(task, model):
    if NEEDS[task.protocol] not in model.capabilities:
        pytest.skip("refused, as the test above shows")

    def crash(*_):
        raise RuntimeError("the grader is broken")

    class Crashing(Losing):
        def generate(self, requests):
            crash()

    lost = [task(Losing(model), "lost")[0]]
    if task.benchmark.grading.judges:
        # Silence is never shown to a judge, so only answers with text need one.
        crashed, _ = task(model, "crashed", judge=Crashing(model))
        shown = [s for s in crashed.samples if s.score.why != "no text"]
        assert shown and all(s.score.reason == "infrastructure" for s in shown)
    else:
        lost.append(task(model, "crashed", grade=crash, grade_chat=crash)[0])
    for run in lost:
        assert {s.score.reason for s in run.samples} == {"infrastructure"}
        assert (run.estimate.n, run.estimate.mean_graded) == (0, None)
        assert run.estimate.bounds == run.estimate.scale == run.estimate.interval
        assert run.estimate.ungraded["infrastructure"] == len(run.samples) == task.planned
