"""MMLU as lm-evaluation-harness 0.4.13 asks and scores it."""

import pytest

from weighbridge.errors import InputError, MalformedRow, UnknownName
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK, GROUPS, SUBJECTS
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify

FIRST_ASTRONOMY_LOGPROBS = (-0.93851, -1.57601, -1.23939, -2.33375)


def load(data, subset=None, **settings):
    return BENCHMARK.asking.load(LoadRequest(data, subset, Settings(**settings)))


def test_all_57_subjects_and_14042_questions(real_data):
    samples = load(real_data / "mmlu")
    assert len(SUBJECTS) == 57 and len(samples) == 14_042
    assert len({s.id for s in samples}) == 14_042
    assert {len(GROUPS[g]) for g in GROUPS} == {19, 13, 12}


def test_the_prompt_is_the_harness_prompt_byte_for_byte(tmp_path):
    for split in ("dev", "test"):
        (tmp_path / split).mkdir()
    (tmp_path / "dev/astronomy_dev.csv").write_text('" What? ",a,b,c,"d, e",B\n')
    (tmp_path / "test/astronomy_test.csv").write_bytes(b'"Two\r\nlines",None,2,3,4,D\n')
    (sample,) = load(tmp_path, "astronomy", shots=1)
    assert BENCHMARK.asking.prompt(sample, Settings(shots=1)).text == (
        "The following are multiple choice questions (with answers) about astronomy.\n\n"
        "What?\nA. a\nB. b\nC. c\nD. d, e\nAnswer: B\n\n"
        "Two\r\nlines\nA. None\nB. 2\nC. 3\nD. 4\nAnswer:"
    )
    assert BENCHMARK.asking.continuations(sample, Settings()) == (" A", " B", " C", " D")


@pytest.mark.slow
def test_astronomy_five_shots_gives_the_published_27_of_152(smollm2, real_data, tmp_path):
    """The reference: lm-evaluation-harness 0.4.13, backend hf, fp32, batch size 8."""
    store = RunStore(tmp_path)
    place = RunContext(store, threads=2, started="2026-01-01T00:00:00+00:00")
    run = evaluate(
        smollm2, BENCHMARK, place, subset="astronomy", settings=Settings(shots=5),
        data=real_data / "mmlu",
    )  # fmt: skip
    assert (run.estimate.n, run.estimate.mean) == (152, 27 / 152)
    first = store.read(run.run_id).samples[0]
    assert first.logprobs == pytest.approx(FIRST_ASTRONOMY_LOGPROBS, abs=1e-3)
    assert run.provenance.computed_tokens < run.provenance.input_tokens / 7
    assert verify(store.folder_of(run.run_id)).ok


def test_repeats_are_refused_before_anything_runs(smollm2, real_data, tmp_path):
    place = RunContext(RunStore(tmp_path), threads=2, started="2026-01-01T00:00:00+00:00")
    with pytest.raises(InputError, match="each repeat would be the same"):
        evaluate(
            smollm2, BENCHMARK, place, subset="astronomy", settings=Settings(repeats=2),
            data=real_data / "mmlu",
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_a_misspelt_subject_gets_the_near_miss(real_data):
    with pytest.raises(UnknownName, match="did you mean astronomy"):
        load(real_data / "mmlu", "astronmy")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("only,three,columns\n", "line 1: 3 columns"),
        ("q,a,b,c,d,E\n", "column 6: 'E'"),
        ("q,a,b,c,d,A\n\xff,a,b,c,d,A\n", "line 2, column 1: a byte that is not UTF-8"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, row, message):
    (tmp_path / "test").mkdir()
    (tmp_path / "test/astronomy_test.csv").write_bytes(row.encode("latin-1"))
    with pytest.raises(MalformedRow, match=message):
        load(tmp_path, "astronomy")


def test_more_shots_than_there_are_is_refused(real_data):
    with pytest.raises(InputError, match="0 to 5"):
        load(real_data / "mmlu", "astronomy", shots=6)
