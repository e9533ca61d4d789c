"""MMLU by likelihood, by a reply's first letter and by a written line; micro and macro averages."""

import json

import pytest

from weighbridge.cli.output import document_of, run_text
from weighbridge.documents import as_json
from weighbridge.errors import InputError
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.benchmarks.mmlu import BENCHMARK, GROUPS, SUBJECTS
from weighbridge.evaluation.runner import RunContext, evaluate
from weighbridge.evidence import RunStore, verify
from weighbridge.models.open_weights import load as load_model
from weighbridge.models.protocol import Prompt, ScoreRequest
from weighbridge.records import Message
from weighbridge.sources.weights import find_weights
from weighbridge.statistics import estimate, group_means

HEADER = "The following are multiple choice questions (with answers) about astronomy.\n\n"


@pytest.fixture
def data(tmp_path):
    for split in ("dev", "test"):
        (tmp_path / split).mkdir()
    (tmp_path / "dev/astronomy_dev.csv").write_text("What?,a,b,c,d,B\n")
    rows = "".join(f"Which {i}?,w,x,y,z,{'ABCD'[i % 4]}\n" for i in range(4))
    (tmp_path / "test/astronomy_test.csv").write_text(rows)
    return tmp_path


@pytest.fixture
def measure(tiny_model, cache, data, tmp_path):
    model = load_model(find_weights(str(tiny_model)), cache=cache)
    store = RunStore(tmp_path / "runs")

    def run(protocol, **settings):
        place = RunContext(store, 1, "2026-01-01T00:00:00+00:00")
        chosen = Settings(protocol=protocol, **settings)
        found = evaluate(model, BENCHMARK, place, subset="astronomy", settings=chosen, data=data)
        return model, store, found

    return run


def test_letters_are_the_likelihoods_of_a_reply_s_first_token(measure):
    model, store, run = measure("letter")
    assert run.settings["chat_template"] is True and run.protocol == "letter"
    first = store.read(run.run_id).samples[0]
    asked = HEADER + "Which 0?\nA. w\nB. x\nC. y\nD. z\nAnswer:"
    prompt = Prompt(messages=(Message("user", asked),))
    (expected,) = model.score([ScoreRequest("x", prompt, ("A", "B", "C", "D"))])
    assert first.logprobs == pytest.approx(expected.logprobs)
    assert expected.input_tokens == len(model.tokenizer(expected.prompt_text)["input_ids"]) + 1
    assert verify(store.folder_of(run.run_id)).ok


def test_a_written_line_follows_the_same_prompt_and_stops_at_its_end(measure, data):
    _, store, run = measure("generative", max_tokens=6)
    assert run.estimate.n == 4 and verify(store.folder_of(run.run_id)).ok
    (sample, *_) = BENCHMARK.asking.load(LoadRequest(data, "astronomy", Settings(shots=1)))
    by_likelihood = BENCHMARK.asking.prompt(sample, Settings(shots=1, protocol="loglikelihood"))
    assert (
        BENCHMARK.asking.prompt(sample, Settings(shots=1, protocol="generative")) == by_likelihood
    )
    assert by_likelihood.text.startswith(HEADER + "What?\nA. a\nB. b\nC. c\nD. d\nAnswer: B\n\n")
    assert (
        BENCHMARK.asking.sampling.stop == ("</s>", "\n")
        and BENCHMARK.asking.sampling.temperature == 0
    )


def test_the_identity_of_runs_by_likelihood_is_what_it_was_before_there_were_others(measure):
    _, store, run = measure("loglikelihood")
    document = json.loads((store.folder_of(run.run_id) / "run.json").read_text())
    fields = document["identity_fields"]
    assert fields["benchmark_version"] == "4" and fields["sampling"] == {
        "temperature": 0, "top_p": 1, "max_tokens": 256, "stop": [], "seed": 0,
    }  # fmt: skip
    assert fields["settings"] == {
        "protocol": "loglikelihood", "shots": 0, "limit": None, "repeats": 1, "seed": 0,
        "temperature": None, "max_tokens": None, "chat_template": None,
    }  # fmt: skip


def test_letters_of_plain_text_are_refused(measure):
    with pytest.raises(InputError, match="first token of a reply"):
        measure("letter", chat_template=False)


def test_both_averages_of_the_whole_and_of_the_groups_are_reported(measure):
    _, store, run = measure("loglikelihood")
    (sample, *_) = store.read(run.run_id).samples
    scored = []
    for number, subject in enumerate(SUBJECTS):
        for item in range(1 + number % 3):
            right = float(subject in GROUPS["stem"] and item == 0)
            new = {"sample_id": f"{subject}/{item}", "cluster": subject}
            score = type(sample.score)(right, "A")
            scored.append(type(sample)(**{**vars(sample), **new, "score": score}))
    figures = estimate(scored)
    groups = group_means(figures, GROUPS)
    assert groups.keys() == GROUPS.keys()
    stem = [s for s in scored if s.cluster in GROUPS["stem"]]
    assert groups["stem"].n == len(stem)
    assert groups["stem"].micro_mean == pytest.approx(19 / len(stem))
    assert groups["stem"].macro_mean == pytest.approx(
        sum(figures.clusters[s] for s in GROUPS["stem"]) / 19
    )
    assert groups["humanities"].micro_mean == groups["humanities"].macro_mean == 0
    whole = type(run)(**{**vars(run), "estimate": figures, "subset": None})
    document = as_json(document_of(whole))
    assert document["micro_mean"] == document["mean"] == figures.mean
    assert document["macro_mean"] == figures.macro_mean != figures.mean
    assert document["groups"]["stem"]["macro_mean"] == groups["stem"].macro_mean
    text = run_text(whole)
    assert "micro mean" in text and "macro mean" in text and "social_sciences" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "groups" not in as_json(document_of(run))


def test_runs_sealed_before_cluster_sizes_were_stated_still_verify(measure):
    from weighbridge.evidence.payloads.evaluation import _figures

    _, store, run = measure("loglikelihood")
    again = estimate(store.read(run.run_id).samples)
    older = type(again)(**{**vars(again), "cluster_sizes": {}})
    named = vars(again).keys() - {"cluster_sizes"}
    assert all(check.ok for check in _figures(older, again, named))
    assert not all(check.ok for check in _figures(older, again, vars(again).keys()))
