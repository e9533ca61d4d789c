"""One matrix over the folder: a new file is tested the moment it exists."""

import importlib
import json

import pytest

from weighbridge.errors import MissingPiece, UnknownName
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.grading import grade
from weighbridge.evaluation.registry import benchmark_names, find_benchmark
from weighbridge.records import Generation, Graded, Ungraded
from weighbridge.sandbox import Level, probe
from weighbridge.sources.datasets import DataPlaces, find_data


@pytest.fixture(params=benchmark_names())
def loaded(request, real_data):
    benchmark = find_benchmark(request.param)
    data = None
    if benchmark.data is not None:
        need = benchmark.data
        places = DataPlaces({}, root=real_data, offline=True)
        try:
            data = find_data(
                need.name, places, package=need.package, package_file_name=need.package_file
            )
        except MissingPiece as error:
            pytest.skip(str(error))
    if benchmark.executes_code and probe().level is Level.NONE:
        pytest.skip(f"no sandbox: {probe().fix}")
    return benchmark, list(benchmark.load(LoadRequest(data, None, Settings(limit=3))))


def answer(sample, text, stop="end"):
    return Generation(sample.id, 0, text, stop, 0, 0, 0)


def check_judges(benchmark, item):
    """A judge that praises gives full marks, and one that says nothing gives none."""
    for protocol, method in benchmark.judges.items():
        assert protocol in benchmark.protocols
        module = importlib.import_module(f"weighbridge.evaluation.judges.{method.name}")
        assert module.JUDGE is method
        for turn in range(benchmark.turns):
            sample = benchmark.turn(item, turn)
            answers = ("An answer.",) * (turn + 1)
            baseline = answers if method.needs_baseline else ()
            prompts = method.prompts(sample, answers, baseline)
            assert all(answers[-1] in prompt.messages[-1].content for prompt in prompts)
            praise = ("[[10]] [[A]]", "[[10]] [[B]]")[: len(prompts)]
            assert method.read(praise).value == method.scale[1]
            silent = method.read([""] * len(prompts))
            assert isinstance(silent, Ungraded) and silent.reason == "unparsed"


def test_name_is_the_file_s_stem(loaded):
    assert loaded[0].name in benchmark_names()


def test_ids_are_unique_and_samples_serialise(loaded):
    _, samples = loaded
    assert len({sample.id for sample in samples}) == len(samples) > 0
    for sample in samples:
        assert sample.digest.startswith("sha256:")
        json.dumps(sample.target)


def test_limit_is_per_subset(loaded):
    benchmark, samples = loaded
    parts = len({sample.cluster for sample in samples})
    if benchmark.judges:  # clustered by question, which its turns share
        parts = len(benchmark.subsets)
    assert len(samples) == 3 * max(1, parts)


def test_gold_scores_full_marks_and_silence_scores_nothing(loaded):
    benchmark, samples = loaded
    for sample in samples[:3]:
        if benchmark.continuations is not None:
            for settings in (Settings(), Settings(chat_template=True)):
                options = benchmark.continuations(sample, settings)
                assert str(sample.target) in [option.strip() for option in options]
        if benchmark.judges:
            check_judges(benchmark, sample)
            continue
        if benchmark.grade is None:
            continue
        perfect = grade(benchmark, sample, answer(sample, benchmark.gold(sample)))
        assert isinstance(perfect, Graded) and perfect.value == 1, perfect
        silent = grade(benchmark, sample, answer(sample, ""))
        assert not (isinstance(silent, Graded) and silent.value > 0)


def test_a_lost_answer_is_ungraded_not_wrong(loaded):
    benchmark, samples = loaded
    if benchmark.grade is not None:
        score = grade(benchmark, samples[0], answer(samples[0], "", stop="error"))
        assert isinstance(score, Ungraded) and score.reason == "infrastructure"


def test_a_misspelt_benchmark_gets_the_near_miss():
    with pytest.raises(UnknownName, match="did you mean humaneval"):
        find_benchmark("human_eval")
