"""An unfinished run's journal is held against its items before anything is asked or sealed."""

import json

import pytest

from weighbridge.errors import EvidenceError
from weighbridge.evaluation.answers import RecordedAnswers, read_answers
from weighbridge.evaluation.own import read_own_benchmark
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify

ITEMS = 300


@pytest.fixture
def bench(tmp_path):
    rows = [
        {"id": f"i{i}", "q": f"question {i}", "a": "yes", "s": f"s{i // 4}"} for i in range(ITEMS)
    ]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "own.toml").write_text(
        'data = "test.jsonl"\nprompt = "{q}"\ntarget = "a"\nid = "id"\ncluster = "s"\n'
    )
    answers = [{"sample_id": row["id"], "text": "yes"} for row in rows]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    return read_own_benchmark(tmp_path / "own.toml")


class Tired(RecordedAnswers):
    """Answers some questions, then the machine dies."""

    left = ITEMS - 1

    def generate(self, requests):
        for answer in super().generate(requests):
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            yield answer


@pytest.fixture
def unfinished(bench, tmp_path):
    place = RunContext(RunStore(tmp_path / "runs"), 1, "2026-01-01T00:00:00+00:00")
    with pytest.raises(KeyboardInterrupt):
        evaluate(Tired(read_answers(tmp_path / "answers.jsonl")), bench, place)
    (journal,) = (tmp_path / "runs").glob("*/samples.jsonl")
    assert journal.read_bytes()

    def go_on():
        return evaluate(RecordedAnswers(read_answers(tmp_path / "answers.jsonl")), bench, place)

    return journal, go_on


def test_an_untouched_one_is_gone_on_with(unfinished):
    journal, go_on = unfinished
    assert go_on().estimate.n == ITEMS
    assert verify(journal.parent).ok


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sample_id", "i299"), ("sample_id", "i1"), ("repeat", 1), ("sample_digest", "sha256:0"),
        ("cluster", "s9"), ("cluster", None), ("question", "another"), ("question", None),
        ("target", "no"),
    ],
)  # fmt: skip
def test_a_line_of_no_item_is_refused_before_anything_is_asked(unfinished, field, value):
    journal, go_on = unfinished
    lines = journal.read_text().splitlines()
    lines[0] = json.dumps(json.loads(lines[0]) | {field: value})
    journal.write_text("\n".join(lines) + "\n")
    with pytest.raises(EvidenceError, match="other lines than the run's items"):
        go_on()
    assert not (journal.parent / "seal.json").exists()


def test_units_that_change_their_numbers_are_refused(unfinished):
    journal, go_on = unfinished
    text = journal.read_text()
    last = max(json.loads(line)["unit"] for line in text.splitlines())
    journal.write_text(text.replace('{"unit": 0,', f'{{"unit": {last + 1},'))
    with pytest.raises(EvidenceError, match="other lines than the run's items"):
        go_on()
