"""Every run says at which level of the sandbox it was judged; the weaker one must be allowed."""

import json

import pytest

from weighbridge import sandbox
from weighbridge.errors import InputError, SandboxUnavailable
from weighbridge.evaluation.answers import RecordedAnswers, read_answers
from weighbridge.evaluation.benchmarks.humaneval import BENCHMARK
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore
from weighbridge.opening.tasks import at_sandbox_level
from weighbridge.sandbox import Level, Probe, probe

jailed = pytest.mark.skipif(
    probe().level is not Level.OUTSIDE_TESTER,
    reason=f"no such sandbox: {probe().detail}; {probe().fix}",
)
FORGED = "    class E:\n        __eq__ = lambda *_: True\n    return E()\n"
RIGHT = "    return helper(x)\n"
PROMPT = "def helper(x):\n    return x + 1\n\n\ndef f(x):\n"
ROWS = [
    ("own/0", "def check(candidate):\n    assert candidate(1) == helper(1)\n"),
    ("own/1", "def check(candidate):\n    assert candidate(1) == of_the_model\n"),
]


@pytest.fixture
def run_of(tmp_path):
    data = tmp_path / "HumanEval.jsonl"
    rows = [
        {
            "task_id": name,
            "prompt": PROMPT,
            "entry_point": "f",
            "canonical_solution": RIGHT,
            "test": test,
        }
        for name, test in ROWS
    ]
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run_of(completion, **level):
        answers = tmp_path / f"{abs(hash(completion))}.jsonl"
        answers.write_text(
            "".join(json.dumps({"task_id": n, "completion": completion}) + "\n" for n, _ in ROWS)
        )
        place = RunContext(RunStore(tmp_path / "runs"), 1, "2026-01-01T00:00:00+00:00")
        allowed = at_sandbox_level(place, level.get("allow_weaker", False))
        run = evaluate(RecordedAnswers(read_answers(answers)), BENCHMARK, allowed, data=data)
        return place.store.read(run.run_id)

    return run_of


def weaker_machine(monkeypatch):
    found = Probe(Level.BUBBLEWRAP, "bwrap works, but not with seccomp", "use another kernel")
    monkeypatch.setattr(sandbox, "probe", lambda: found)


@jailed
def test_a_run_states_its_level_and_names_what_could_not_be_driven_from_outside(run_of):
    with pytest.raises(InputError, match=r"1 items whose tests need names .*own/1") as refused:
        run_of(FORGED)
    assert "--allow-weaker-sandbox" in refused.value.do
    forged = run_of(FORGED, allow_weaker=True)
    right = run_of(RIGHT + "of_the_model = 2\n", allow_weaker=True)
    for run in (forged, right):
        assert run.provenance.sandbox == "bubblewrap for 1 items, else bubblewrap+outside-tester"
        [note] = run.provenance.notes
        assert note.startswith("1 of 2 items were judged at the weaker") and "own/1" in note
        assert [("weaker" in s.score.why) for s in run.samples] == [False, True]
    assert [s.score.value for s in forged.samples] == [0.0, 0.0]
    assert [s.score.value for s in right.samples] == [1.0, 1.0]


@jailed
def test_where_only_the_weaker_level_works_nothing_runs_unless_a_person_allows_it(
    run_of, monkeypatch
):
    full = run_of(FORGED, allow_weaker=True)
    weaker_machine(monkeypatch)
    with pytest.raises(SandboxUnavailable, match="--allow-weaker-sandbox"):
        run_of(FORGED)
    weaker = run_of(FORGED, allow_weaker=True)
    assert weaker.provenance.sandbox == "bubblewrap"
    assert "--allow-weaker-sandbox" in weaker.provenance.notes[0]
    assert weaker.identity != full.identity
    # which is why it has to be allowed: here the forged answer passes
    assert [s.score.value for s in weaker.samples] == [1.0, 0.0]


def test_without_a_jail_no_word_helps(monkeypatch, tmp_path):
    found = Probe(Level.NONE, "bwrap is not on the PATH", "install it")
    monkeypatch.setattr(sandbox, "probe", lambda: found)
    with pytest.raises(SandboxUnavailable, match="install it"):
        at_sandbox_level(RunContext(RunStore(tmp_path), 1, "now"), allow_weaker=True)
