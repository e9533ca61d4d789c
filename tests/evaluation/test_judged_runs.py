"""Two-turn runs with a judge, on a tiny model: asked, judged, killed and resumed, told so."""

import json
from dataclasses import replace

import pytest

from tiny import build_tiny_model
from weighbridge.errors import InputError
from weighbridge.evaluation.answers import RecordedAnswers, read_answers
from weighbridge.evaluation.benchmark import Settings
from weighbridge.evaluation.benchmarks.mt_bench import BENCHMARK
from weighbridge.evaluation.judging import Judge
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.open_weights import load
from weighbridge.models.protocol import Generated
from weighbridge.records import Generation, Graded
from weighbridge.sources.weights import find_weights

SMALL = replace(BENCHMARK, asking=replace(BENCHMARK.asking, unit_size=2))
SETTINGS = Settings(limit=4, max_tokens=6)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = build_tiny_model(tmp_path_factory.mktemp("m") / "tiny", max_position_embeddings=8192)
    return load(find_weights(str(folder)), cache=folder.parent / "cache", threads=1)


class Watched:
    """A real model whose requests are kept; it fails where told to."""

    def __init__(self, model, fails=lambda request: None, says=None):
        self.model, self.fails, self.says, self.asked = model, fails, says, []

    def __getattr__(self, name):
        return getattr(self.model, name)

    def generate(self, requests):
        requests = list(requests)
        self.asked.append(requests)
        for request in requests:
            if error := self.fails(request):
                raise error
        if self.says is None:
            yield from self.model.generate(requests)
            return
        for request in requests:
            text = self.says(request)
            made = Generation(request.sample_id, request.repeat, text, "end", 1, 1, 0)
            yield Generated(made, request.prompt.messages[-1].content)


def run(model, judge, data, root, settings=SETTINGS, benchmark=SMALL, subset="math"):
    place = RunContext(RunStore(root), threads=1, started="2026-01-01T00:00:00+00:00")
    return evaluate(
        model, benchmark, place, subset=subset, settings=settings,
        data=data / "mt_bench", judge=judge,
    )  # fmt: skip


def test_the_second_turn_is_asked_with_the_first_answer_in_it(model, real_data, tmp_path):
    asked = Watched(model)
    done = run(asked, Judge(model, max_tokens=4), real_data, tmp_path)
    samples = RunStore(tmp_path).read(done.run_id).samples
    assert [s.sample_id for s in samples] == [f"{q}/{t}" for q in range(111, 115) for t in (1, 2)]
    assert [len(call) for call in asked.asked] == [2, 2, 2, 2]  # turn by turn, a unit at a time
    output = {s.sample_id: s.output for s in samples}
    for first, second in zip(asked.asked[::2], asked.asked[1::2], strict=True):
        for one, two in zip(first, second, strict=True):
            assert [m.role for m in two.prompt.messages] == ["user", "assistant", "user"]
            assert two.prompt.messages[0] == one.prompt.messages[0]
            assert two.prompt.messages[1].content == output[one.sample_id].strip()
    assert {s.cluster for s in samples} == {"111", "112", "113", "114"}
    assert {t: one.n for t, one in done.estimate.slices["turn"].items()} == {"1": 4, "2": 4}
    assert done.slicing["category"] == {"math": tuple(output)}
    assert len({s.sample_digest for s in samples}) == 8


def test_a_judge_that_can_t_rate_is_seen(model, real_data, tmp_path):
    """A random model writes no ratings: all is unparsed, counted as 1, and said in words."""
    done = run(model, Judge(model, max_tokens=4), real_data, tmp_path)
    estimate = done.estimate
    silent = sum(s.score.why == "no text" for s in RunStore(tmp_path).read(done.run_id).samples)
    assert estimate.ungraded["unparsed"] + estimate.ungraded["truncated"] == 8
    assert (estimate.mean, estimate.mean_graded, estimate.scale) == (1.0, None, (1.0, 10.0))
    assert f"{8 - silent} of {8 - silent} judgements can't be read" in " ".join(
        done.provenance.notes
    )
    assert "Judged by tiny (single_answer)." in done.provenance.notes
    assert verify(RunStore(tmp_path).folder_of(done.run_id)).ok


def test_killed_in_the_middle_and_resumed_it_has_the_same_digest(model, real_data, tmp_path):
    judge = Judge(model, max_tokens=4)

    def dies(request):
        return KeyboardInterrupt() if request.sample_id == "113/2" else None

    with pytest.raises(KeyboardInterrupt):
        run(Watched(model, dies), judge, real_data, tmp_path / "killed")
    (journal,) = (tmp_path / "killed").glob("*/samples.jsonl")
    assert journal.read_bytes().count(b"\n") == 4  # the first unit, both turns
    rest = Watched(model)
    resumed = run(rest, judge, real_data, tmp_path / "killed")
    whole = run(model, judge, real_data, tmp_path / "whole")
    assert resumed.samples_digest == whole.samples_digest
    assert resumed.identity == whole.identity
    assert resumed.provenance.judge_tokens == whole.provenance.judge_tokens > 0
    assert [r.sample_id for r in rest.asked[0]] == ["113/1", "114/1"]
    # What is finished is never asked again.
    unused = Watched(model)
    assert run(unused, judge, real_data, tmp_path / "whole") == whole and not unused.asked


def rates(text):
    return lambda request: f"{text} [[{3 + len(request.prompt.messages[-1].content) % 7}]]"


def test_each_judgement_of_an_answer_is_a_sample(model, real_data, tmp_path):
    def says(request):
        return "no idea" if request.repeat == 2 else f"Rating: [[{4 + 2 * request.repeat}]]"

    answers = Watched(model, says=lambda r: f" answer {r.sample_id} {r.repeat}\n")
    judge = Judge(Watched(model, says=says), repeats=3)
    done = run(answers, judge, real_data, tmp_path)
    samples = RunStore(tmp_path).read(done.run_id).samples
    assert len(samples) == 24 and done.estimate.ungraded["unparsed"] == 8
    first = [s for s in samples if s.sample_id == "111/2"]
    assert [s.repeat for s in first] == [0, 1, 2]
    assert [getattr(s.score, "value", None) for s in first] == [4.0, 6.0, None]
    assert [s.output_tokens for s in first] == [1, 0, 0]  # written once
    assert done.estimate.mean_graded == 5.0 and done.estimate.mean == pytest.approx(11 / 3)
    notes = " ".join(done.provenance.notes)
    assert "8 of 24 judgements can't be read" in notes
    # The two readable judgements of each answer are 4 and 6: a variance of 2, and all of it.
    assert "a standard deviation of 1.414, 100.0% of all variance (16 judgements of 8" in notes
    assert (done.provenance.judge, done.provenance.judge_tokens) == ("tiny", 48)
    assert (done.provenance.input_tokens, done.provenance.output_tokens) == (8, 8)
    where = done.provenance
    assert 0 < where.judge_seconds < where.wall_seconds and where.judge_cost_usd == 0
    assert where.model_seconds == where.wall_seconds - where.judge_seconds
    shown = judge.model.asked[0]
    assert len(shown) == 12 and {r.sampling.temperature for r in shown} == {0.0}
    assert {r.sampling.max_tokens for r in shown} == {2048}
    assert "answer 111/1 0\n[The End" in shown[0].prompt.messages[1].content  # stripped
    assert verify(RunStore(tmp_path).folder_of(done.run_id)).ok


def test_a_crashed_judge_is_infrastructure_and_costs_the_model_nothing(model, real_data, tmp_path):
    def fails(request):
        return RuntimeError("out of memory") if request.sample_id == "112/2" else None

    judge = Judge(Watched(model, fails, says=lambda request: "[[7]]"))
    answers = Watched(model, says=lambda r: "answer")
    done = run(answers, judge, real_data, tmp_path)
    lost = [s for s in RunStore(tmp_path).read(done.run_id).samples if s.score.kind == "ungraded"]
    assert [(s.sample_id, s.score.reason) for s in lost] == [("112/2", "infrastructure")]
    assert "the judge failed: RuntimeError: out of memory" in lost[0].score.why
    assert (done.estimate.mean, done.estimate.n) == (7.0, 7)
    assert done.estimate.bounds == ((7 * 7 + 1) / 8, (7 * 7 + 10) / 8)


def test_silence_is_not_shown_to_the_judge_and_earns_nothing(model, real_data, tmp_path):
    judge = Judge(Watched(model, says=lambda request: "[[10]]"))
    answers = Watched(model, says=lambda r: " \n" if r.sample_id == "111/1" else "answer")
    done = run(answers, judge, real_data, tmp_path)
    shown = {request.sample_id for call in judge.model.asked for request in call}
    assert len(shown) == 7 and "111/1" not in shown
    assert done.estimate.ungraded["unparsed"] == 1
    assert done.estimate.mean == (7 * 10 + 1) / 8


def test_thoughts_are_shown_to_nobody_and_ratings_in_them_are_not_read(model, real_data, tmp_path):
    def thinks(request):
        ending = "" if request.sample_id == "112/1" else "</think>"
        return f"<think>secret {request.sample_id}{ending}\n\nthe answer"

    asked = Watched(model, says=thinks)
    judge = Watched(model, says=lambda request: "<think>maybe [[2]]</think>It is [[7]]")
    done = run(asked, Judge(judge), real_data, tmp_path, replace(SETTINGS, limit=2))
    score = {s.sample_id: s.score for s in RunStore(tmp_path).read(done.run_id).samples}
    assert score["112/1"].reason == "truncated"
    assert {score[turn].value for turn in ("111/1", "111/2", "112/2")} == {7.0}
    shown = [m.content for call in [*judge.asked, asked.asked[1]] for r in call
             for m in r.prompt.messages]  # fmt: skip
    assert shown and not any("secret" in text for text in shown)


def test_a_lost_first_answer_loses_the_second_too(model, real_data, tmp_path):
    class Loses(Watched):
        def generate(self, requests):
            for one in super().generate(requests):
                lost = one.generation.sample_id == "111/1"
                made = replace(one.generation, text="", stop="error") if lost else one.generation
                yield replace(one, generation=made)

    judge = Judge(Watched(model, says=lambda request: "[[10]]"))
    answers = Loses(model, says=lambda r: "answer")
    done = run(answers, judge, real_data, tmp_path)
    assert done.estimate.ungraded["infrastructure"] == 2 and done.estimate.n == 6
    assert "111/2" not in {r.sample_id for call in answers.asked for r in call}


def test_the_judge_is_part_of_a_run_s_identity(model, real_data, tmp_path):
    answers = Watched(model, says=lambda r: "answer")
    rating = Watched(model, says=lambda request: "[[5]]")
    kinds = [Judge(rating), Judge(rating, repeats=2), Judge(rating, max_tokens=9)]
    runs = [run(answers, judge, real_data, tmp_path) for judge in kinds]
    assert len({done.identity for done in runs}) == 3
    with pytest.raises(InputError, match="add --judge MODEL"):
        run(model, None, real_data, tmp_path)


def test_temperatures_go_with_the_category(model, real_data, tmp_path):
    judge = Judge(Watched(model, says=lambda request: "[[5]]"))
    for subset, temperature in (("writing", 0.7), ("stem", 0.1), ("math", 0.0)):
        answers = Watched(model, says=lambda r: "answer")
        run(answers, judge, real_data, tmp_path, Settings(limit=1), subset=subset)
        sampled = [request.sampling for call in answers.asked for request in call]
        assert {(s.temperature, s.max_tokens) for s in sampled} == {(temperature, 1024)}
        assert len({s.seed for s in sampled}) == 2


def prefers(word):
    """A judge that prefers the answer with a word in it, wherever it stands; else A."""

    def says(request):
        text = request.prompt.messages[1].content
        a, _, b = text.partition("Assistant A's Answer]\n")[2].partition("Assistant B's Answer]\n")
        if not b:  # multi-turn
            a, _, b = text.partition("Start of Assistant B's")
        return "[[A]]" if word in a.split("[The End")[0] or word not in b else "[[B]]"

    return says


def test_pairwise_swaps_positions_and_counts_what_both_orders_say(model, real_data, tmp_path):
    turns = [f"{q}/{t}" for q in range(111, 115) for t in (1, 2)]
    good = {"111/1": "best", "112/1": "best"}
    answers = Watched(model, says=lambda r: good.get(r.sample_id, "plain"))
    baseline = dict.fromkeys(turns, "plain") | {"113/1": "best"}
    judge = Judge(
        Watched(model, says=prefers("best")), baseline=baseline, baseline_name="incumbent"
    )
    done = run(answers, judge, real_data, tmp_path, replace(SETTINGS, protocol="pairwise"))
    samples = {s.sample_id: s.score for s in RunStore(tmp_path).read(done.run_id).samples}
    value = {turn: samples[turn].value for turn in turns}
    # Conversations carry their first answer along, so the second turn is judged alike.
    assert value == {
        "111/1": 1, "111/2": 1, "112/1": 1, "112/2": 1, "113/1": 0, "113/2": 0,
        "114/1": 0.5, "114/2": 0.5,
    }  # fmt: skip
    assert samples["114/1"].answer == "win, swapped loss"  # it always says A
    assert samples["114/1"].parts == {"position_consistent": 0.0}
    notes = " ".join(done.provenance.notes)
    assert "4 won, 2 tied, 2 lost" in notes and "62.5% over 8 of 8 pairs" in notes
    assert "agree on 6 of 8 pairs (75.0%)" in notes and "against incumbent" in notes
    assert (done.estimate.mean, done.estimate.scale) == (5 / 8, (0.0, 1.0))
    assert done.estimate.parts == {"position_consistent": 0.75}
    assert done.protocol == "pairwise" and verify(RunStore(tmp_path).folder_of(done.run_id)).ok
    with pytest.raises(InputError, match="no baseline answer to 111/1 and 7 more"):
        pairwise = replace(SETTINGS, protocol="pairwise")
        run(answers, Judge(judge.model), real_data, tmp_path, pairwise)


def test_answers_made_with_fastchat_are_judged(model, real_data, tmp_path):
    file = real_data / "mt_bench/published/model_answer/mistral-orpo-mix.jsonl"
    recorded = RecordedAnswers(read_answers(file))
    judge = Judge(Watched(model, says=rates("So")))
    done = run(recorded, judge, real_data, tmp_path, Settings(limit=2))
    samples = RunStore(tmp_path).read(done.run_id).samples
    rows = map(json.loads, file.read_text(encoding="utf-8").splitlines())
    row = next(row for row in rows if row["question_id"] == 111)
    assert [s.output for s in samples[:2]] == row["choices"][0]["turns"]
    assert all(isinstance(s.score, Graded) for s in samples) and done.estimate.n == 4
