"""HELM's answers of ten models on MMLU: the published means come out of the single answers."""

import csv

import pytest

from weighbridge.errors import InputError, MalformedRow
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.evidence import RunStore, verify
from weighbridge.evidence.importing import ImportRequest, import_runs
from weighbridge.records import Graded, Message, Sample, Ungraded

WHEN = "2026-01-01T00:00:00+00:00"
PUBLISHED = {
    "anthropic_claude-3-opus-20240229": 0.8458,
    "openai_gpt-4o-2024-05-13": 0.8415,
    "openai_gpt-4-0613": 0.8242,
    "openai_gpt-4-1106-preview": 0.7954,
    "meta_llama-3-70b": 0.7930,
    "mistralai_mixtral-8x22b": 0.7774,
}


@pytest.fixture(scope="module")
def answers(real_data, tmp_path_factory):
    """Ten runs of 14,015 answers each, sealed."""
    store = RunStore(tmp_path_factory.mktemp("runs"))
    mmlu = find_benchmark("mmlu")
    request = ImportRequest(
        real_data / "mmlu_helm_predictions" / "outputs" / "original_helm_combined",
        gold=lambda: mmlu.asking.load(LoadRequest(real_data / "mmlu", None, Settings())),
        benchmark="mmlu",
    )
    runs, left_out = import_runs("helm", request, store, WHEN)
    assert left_out == ()
    return store, {run.model.name: run for run in runs}


@pytest.mark.slow
def test_the_published_means_come_out(answers):
    """HELM MMLU, mean over 57 subjects, as published (aryopg/mmlu-redux @ 4563cfa79b65)."""
    _, runs = answers
    assert len(runs) == 10
    for model, published in PUBLISHED.items():
        assert runs[model].estimate.macro_mean == pytest.approx(published, abs=5e-5), model
        assert runs[model].estimate.n == 14015
        assert len(runs[model].estimate.clusters) == 57


@pytest.mark.slow
def test_answers_that_are_no_letter_are_unparsed_and_both_means_are_there(answers):
    """gpt-4-1106 began to reason in 744 answers: HELM counts them wrong."""
    _, runs = answers
    estimate = runs["openai_gpt-4-1106-preview"].estimate
    assert estimate.ungraded["unparsed"] == 744
    assert estimate.mean_graded == pytest.approx(estimate.mean * 14015 / (14015 - 744))
    assert estimate.mean_graded > 0.85 > estimate.mean


@pytest.mark.slow
def test_every_question_finds_its_answer_and_the_run_verifies(answers):
    store, runs = answers
    run = runs["meta_llama-3-70b"]
    assert "14015 of 14015 questions were joined to their right answers." in run.provenance.notes
    assert "27 gold items have no answer here." in run.provenance.notes
    assert len(run.provenance.origin.files) == 57
    assert verify(store.folder_of(run.run_id)).ok


def gold(*items):
    return lambda: (
        Sample(
            id=f"s/{n}",
            messages=(Message("user", f"{question}\nA. {a}\nB. {b}\nAnswer:"),),
            target=target,
            cluster="s",
            choices=(a, b),
        )
        for n, (question, a, b, target) in enumerate(items)
    )


def table(folder, rows, name="s.csv"):
    folder.mkdir(exist_ok=True)
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["question", "choices", "m"], *rows])
    return folder


def read(folder, items, tmp_path):
    store = RunStore(tmp_path / "runs")
    request = ImportRequest(folder, gold=gold(*items), benchmark="own")
    (run,), _ = import_runs("helm", request, store, WHEN)
    return store.read(run.run_id)


def test_ambiguous_and_unmatched_questions_are_left_out_counted_and_said(tmp_path):
    folder = table(
        tmp_path / "helm",
        [["One?", "['x', 'y']", "A"], ["Two?", "['x', 'y']", " B"], ["None?", "['x', 'y']", "A"],
         ["One? And more?", "['x', 'y']", "B"], ["Twice?", "['x', 'y']", "Well"]],
    )  # fmt: skip
    items = [
        ("One?", "x", "y", "A"), ("One? And more?", "x", "y", "B"), ("Two?", "x", "y", "A"),
        ("Two?", "x", "y", "B"), ("Twice?", "x", "y", "A"), ("Twice?", "x", "y", "A"),
    ]  # fmt: skip
    run = read(folder, items, tmp_path)
    assert {s.sample_id: s.score for s in run.samples} == {
        "s/0": Graded(1.0, "A"),
        "s/1": Graded(1.0, "B"),
        "s/4": Ungraded("unparsed", "no letter from A to B"),
    }
    said = " ".join(run.provenance.notes)
    assert "3 of 5 questions were joined" in said
    assert "1 stand there with different answers and were left out" in said
    assert "1 do not stand there and were left out" in said
    assert "1 of them stand in the gold items more than once, with one answer" in said


def test_white_space_and_case_of_an_answer(tmp_path):
    folder = table(
        tmp_path / "helm", [["Q  one\n?", "['x ', 'y']", " A\n"], ["Two", "['x', 'y']", "a"]]
    )
    run = read(folder, [("Q one ?", "x", "y", "A"), ("Two", "x", "y", "A")], tmp_path)
    assert [s.score.kind for s in run.samples] == ["graded", "ungraded"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (["One?", "__import__('os').getcwd()", "A"], "a list of texts"),
        (["One?", "['x'", "A"], "a list of texts"),
        (["One?", "['x', 'y']"], "2 columns"),
    ],
)
def test_a_row_that_is_wrong_is_named(tmp_path, row, said):
    folder = table(tmp_path / "helm", [["One?", "['x', 'y']", "A"], row])
    gold = [("One?", "x", "y", "A")]
    with pytest.raises(InputError, match="line 3") as error:
        read(folder, gold, tmp_path)
    assert said in str(error.value)
    (table_itself,) = folder.iterdir()
    with pytest.raises(MalformedRow, match="line 3"):  # where the table itself is named
        read(table_itself, gold, tmp_path)


def test_without_gold_or_with_another_benchmark_s_nothing_is_guessed(tmp_path):
    folder = table(tmp_path / "helm", [["One?", "['x', 'y']", "A"]])
    with pytest.raises(InputError, match="--gold PATH"):
        import_runs("helm", ImportRequest(folder), RunStore(tmp_path / "runs"), WHEN)
    with pytest.raises(InputError, match="none of 1 questions"):
        read(folder, [("Other?", "x", "y", "A")], tmp_path)
