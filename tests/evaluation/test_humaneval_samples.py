"""HumanEval with several answers a problem, and the alarm for replies that hold no code."""

import json
from dataclasses import replace

import pytest

import commands
from benchmark_data import write_humaneval
from weighbridge.errors import InputError
from weighbridge.evaluation.answers import Answers, RecordedAnswers
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.benchmarks.humaneval import BENCHMARK
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.open_weights import load
from weighbridge.opening.tasks import at_sandbox_level
from weighbridge.records import ALARM
from weighbridge.reports import wording
from weighbridge.sandbox import Level, probe
from weighbridge.sources.weights import find_weights
from weighbridge.statistics import mean_interval, pass_at_k

pytestmark = pytest.mark.skipif(
    probe().level is not Level.OUTSIDE_TESTER,
    reason=f"no such sandbox: {probe().detail}; {probe().fix}",
)
RIGHT, WRONG, PROSE = "    return x + {i}\n", "    return x - 7\n", "I'd rather not write code."


@pytest.fixture
def measure(tmp_path):
    """Returns what judges answers, given as a list of texts a problem."""
    data = write_humaneval(tmp_path)

    def measure(texts, name="answers"):
        recorded = {
            f"HumanEval/{i}": [text.format(i=i) for text in of_one]
            for i, of_one in enumerate(texts)
        }
        (tmp_path / name).write_text(json.dumps(recorded))
        model = RecordedAnswers(Answers(tmp_path / name, recorded))
        place = RunContext(RunStore(tmp_path / "runs"), 2, "2026-01-01T00:00:00+00:00")
        place = at_sandbox_level(place, allow_weaker=False)
        settings = Settings(repeats=len(texts[0]))
        run = evaluate(model, BENCHMARK, place, settings=settings, data=data)
        return run, place.store.folder_of(run.run_id)

    return measure


def test_figures_of_n_answers_are_the_unbiased_ones_and_are_recomputed_by_verify(measure):
    passed, n = (0, 1, 7, 12), 12
    run, folder = measure([[RIGHT] * c + [WRONG] * (n - c) for c in passed])
    assert run.estimate.mean == pytest.approx(sum(passed) / n / 4) and run.estimate.n == 4
    assert list(run.estimate.beside) == ["pass_at_10"]
    each = [pass_at_k(n, c, 10) for c in passed]
    figure = run.estimate.beside["pass_at_10"]
    assert (figure.mean, figure.n) == (pytest.approx(sum(each) / 4), 4)
    assert figure.interval == pytest.approx(mean_interval(each))
    checked = verify(folder)
    assert checked.ok and "figure beside" in [check.name for check in checked.checks]
    assert wording.beside(run)[0][0] == "pass@1" and wording.beside(run)[1][0] == "pass@10"
    stated = json.loads((folder / "run.json").read_bytes())
    stated["estimate"]["beside"]["pass_at_10"]["mean"] += 1e-6
    (folder / "run.json").chmod(0o644)
    (folder / "run.json").write_text(json.dumps(stated))
    failed = [check.name for check in verify(folder).checks if not check.ok]
    assert "figure beside" in failed


def test_replies_without_code_raise_an_alarm_and_wrong_code_does_not(measure):
    wrong, _ = measure([[WRONG]] * 4, "wrong")
    assert not [note for note in wrong.provenance.notes if note.startswith(ALARM)]
    assert wrong.estimate.ungraded["unparsed"] == 0 and wrong.estimate.mean_graded == 0
    few, _ = measure([[WRONG] * 10, [WRONG] * 10, [PROSE] * 4 + [RIGHT] * 6, [RIGHT] * 10], "few")
    assert few.estimate.ungraded["unparsed"] == 4 and not few.provenance.notes
    many, _ = measure([[WRONG] * 10, [WRONG] * 10, [PROSE] * 5 + [RIGHT] * 5, [RIGHT] * 10], "many")
    (alarm,) = many.provenance.notes
    assert alarm.startswith("ALARM: 5 of 40 answers hold nothing that can be graded")
    assert "does not go on from the prompt's code" in alarm and "--chat-template" in alarm
    assert wording.alarms(many) == [alarm.removeprefix(ALARM)]


def test_greedy_answers_are_not_drawn_twenty_times(tiny_model, tmp_path):
    model = load(find_weights(str(tiny_model)), cache=tmp_path / "cache", threads=1)
    place = RunContext(RunStore(tmp_path / "runs"), 1, "2026-01-01T00:00:00+00:00")
    data = write_humaneval(tmp_path)
    with pytest.raises(InputError, match=r"--repeats 20 at temperature 0.*--temperature 0\.8"):
        evaluate(model, BENCHMARK, place, settings=Settings(repeats=20), data=data)
    sampling = replace(BENCHMARK.asking.sampling, temperature=0.8, max_tokens=2)
    drawn = replace(BENCHMARK, asking=replace(BENCHMARK.asking, sampling=sampling))
    run = evaluate(model, drawn, place, settings=Settings(repeats=10, limit=1), data=data)
    assert run.estimate.beside["pass_at_10"].n == 1


def test_a_tiny_chat_model_s_samples_from_the_command_line(tiny_model, tmp_path):
    write_humaneval(tmp_path)

    def weighbridge(*words):
        done = commands.weighbridge(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    words = [
        "evaluate", tiny_model, "-b", "humaneval", "--data", "humaneval=HumanEval.jsonl",
        "--repeats", 20, "--temperature", 0.8, "--max-tokens", 4, "--chat-template", "--threads", 1,
    ]  # fmt: skip
    said = weighbridge(*words)
    assert "pass@1 0.0%" in said and "pass@10 0.0%" in said and "ALARM: " in said
    assert max(map(len, said.splitlines())) <= 80, said
    (run,) = json.loads(weighbridge(*words, "--json"))["runs"]
    assert run["beside"]["pass_at_10"]["n"] == 4 and run["n"] == 4
    assert len(run["beside"]["pass_at_10"]["interval"]) == 2
    assert weighbridge("verify", run["run"]).startswith("ok")
