"""GSM8K as lm-evaluation-harness asks it, with every reading of the final number."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.gsm8k import BENCHMARK, INSTRUCTION
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evaluation.scorers.final_number import read_number, score_final_number
from weighbridge.evidence import RunStore, verify
from weighbridge.models.open_weights import load as load_model
from weighbridge.opening.tasks import find_task
from weighbridge.records import Generation, Graded, Ungraded
from weighbridge.sources.datasets import DataPlaces
from weighbridge.sources.weights import find_weights

TRAIN = [
    {"question": "Two and two?", "answer": "2+2=<<2+2=4>>4\n#### 4"},
    {"question": "How much  is a ton?", "answer": "In kg.\n#### 1,000"},
]
TEST = [
    {"question": "Three less five?", "answer": "Below zero.\n#### -2"},
    {"question": "A big one?", "answer": "Long.\n#### 1,450,000"},
]


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "gsm8k"
    folder.mkdir()
    for name, rows in (("train", TRAIN), ("test", TEST)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def load(data, **settings):
    return BENCHMARK.asking.load(LoadRequest(data, None, Settings(**settings)))


def test_the_prompt_is_the_harness_prompt_byte_for_byte(data):
    first, _ = load(data, shots=2)
    assert BENCHMARK.asking.prompt(first, Settings(shots=2)).text == (
        "Question: Two and two?\nAnswer: 2+2=<<2+2=4>>4\n#### 4\n\n"
        "Question: How much  is a ton?\nAnswer: In kg.\n#### 1,000\n\n"
        "Question: Three less five?\nAnswer:"
    )


def test_the_harness_renders_the_same_prompt(data):
    """The reference: lm-evaluation-harness's own task, its sampler told to take the first ones."""
    tasks, yaml = pytest.importorskip("lm_eval.tasks"), pytest.importorskip("yaml")
    ConfigurableTask = pytest.importorskip("lm_eval.api.task").ConfigurableTask
    config = yaml.safe_load((Path(tasks.__file__).parent / "gsm8k/gsm8k.yaml").read_text())
    assert config["generation_kwargs"]["until"] == list(BENCHMARK.asking.sampling.stop)
    config |= {
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {
            "data_files": {n: str(data / f"{n}.jsonl") for n in ("train", "test")},
            "cache_dir": str(data.parent / "cache"),
        },
        "fewshot_config": {"sampler": "first_n"},
    }
    task = ConfigurableTask(config=config)
    asked = task.fewshot_context(task.test_docs()[0], 2)
    assert asked == BENCHMARK.asking.prompt(load(data, shots=2)[0], Settings(shots=2)).text


def test_a_chat_is_asked_once_after_an_instruction(data):
    (sample, _) = load(data)
    (turn,) = BENCHMARK.asking.prompt(sample, Settings(chat_template=True)).messages
    assert (turn.role, turn.content) == ("user", INSTRUCTION + "Three less five?")


def test_shots_are_eight_in_plain_text_and_none_in_a_chat(data):
    places = DataPlaces({"gsm8k": data})
    assert find_task("gsm8k", places, Settings()).settings.shots == 8
    assert find_task("gsm8k", places, Settings(chat_template=True)).settings.shots == 0
    assert find_task("gsm8k", places, Settings(shots=3), 3).settings.shots == 3


def test_all_1319_questions_with_targets_that_are_numbers(real_data):
    samples = load(real_data / "gsm8k", shots=8)
    assert len(samples) == 1319
    assert [s.target for s in samples[:3]] == ["18", "3", "70000"]
    assert all(Decimal(s.target) == Decimal(s.target) for s in samples)
    assert samples[0].metadata["prefix"].count("Question: ") == 8


def test_the_hub_s_layout_gives_the_same_items(data, tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    (tmp_path / "hub/main").mkdir(parents=True)
    for name, rows in (("train", TRAIN), ("test", TEST)):
        path = tmp_path / f"hub/main/{name}-00000-of-00001.parquet"
        parquet.write_table(pa.Table.from_pylist(rows), path)
    assert load(tmp_path / "hub", shots=1) == load(data, shots=1)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("So it is 72", "72"),
        ("72.", "72"),
        ("= 72.00", "72.00"),
        ("$1,450,000.50.", "1450000.50"),
        ("-$5", "-5"),
        ("$-5", "-5"),
        ("\u221212 degrees", "-12"),
        ("It lost -7 points", "-7"),
        ("5-3", "3"),
        ("half, .5", "0.5"),
        ("4, 5, 6", "6"),
        ("1,00,000 rupees", "100000"),
        ("50%", "50"),
        ("- 8 apples", "8"),
        ("nothing at all ...", None),
        ("", None),
    ],
)
def test_numbers_as_people_write_them(text, number):
    assert read_number(text) == (None if number is None else Decimal(number))


def score(text, target="72", stop="end"):
    return score_final_number(Generation("x", 0, text, stop, 0, 0, 0), target)


def test_both_of_the_harness_s_readings_are_reported():
    good = score("9*8=72\n#### 72")
    assert good.value == 1 and good.parts == {"flexible_extract": 1, "strict_match": 1}
    unmarked = score("The answer is $72.")
    assert unmarked.value == 1 and unmarked.parts["strict_match"] == 0
    assert "no number after ####" in unmarked.why
    after = score("#### 72\nThat took 3 steps.")
    assert (after.value, after.parts["strict_match"], after.answer) == (0, 1, "3")
    assert "after #### stands 72" in after.why


def test_without_a_number_nothing_is_graded():
    assert score("I don't know.") == Ungraded("unparsed", "no number in the text")
    assert score("", stop="error").reason == "infrastructure"


@pytest.mark.parametrize("text", ["First, 3 times", "", "#### 7"])
def test_a_number_that_the_token_limit_may_have_cut_is_not_read(text):
    cut = score(text, stop="length")
    assert isinstance(cut, Ungraded) and cut.reason == "truncated"
    assert isinstance(score("#### 72\n", stop="length"), Graded)


def test_a_run_is_sealed_with_both_readings_and_verifies(tiny_model, cache, data, tmp_path):
    model = load_model(find_weights(str(tiny_model)), cache=cache)
    store = RunStore(tmp_path / "runs")
    place = RunContext(store, 1, "2026-01-01T00:00:00+00:00")
    settings = Settings(shots=1, max_tokens=24)
    run = evaluate(model, BENCHMARK, place, settings=settings, data=data)
    assert run.estimate.n == 2 and run.protocol == "generative"
    assert verify(store.folder_of(run.run_id)).ok


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("{", "line 1"),
        ("[1]", "line 1: a list"),
        ('{"question": "q"}', "column answer"),
        ('{"question": "q", "answer": "no mark"}', "no final number"),
    ],
)
def test_a_malformed_row_is_named(data, row, said):
    (data / "test.jsonl").write_text(row + "\n")
    with pytest.raises(MalformedRow, match=said):
        load(data)


def test_what_is_not_there_is_refused(data, tmp_path):
    with pytest.raises(InputError, match="0 to 2"):
        load(data, shots=3)
    with pytest.raises(InputError, match="0 to"):
        load(data, shots=-1)
    with pytest.raises(InputError, match="no test questions in"):
        load(tmp_path)
    with pytest.raises(InputError, match="no parts"):
        BENCHMARK.asking.load(LoadRequest(data, "algebra", Settings()))
