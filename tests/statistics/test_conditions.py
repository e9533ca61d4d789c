"""Two runs are compared to learn what a model is worth: what else differs is refused, or said."""

import json
from dataclasses import replace

import pytest

from commands import weighbridge
from scored_runs import run, sealed
from weighbridge.comparison.before_after import BenchmarkComparison
from weighbridge.errors import InputError
from weighbridge.evidence import RunStore
from weighbridge.records import BenchmarkSpec, ModelRef, Origin
from weighbridge.statistics import compare
from weighbridge.statistics.conditions import (
    ANYTHING,
    Accepted,
    confounders,
    differences,
    refuse_confounders,
)
from weighbridge.verdict.paid import judge

SCORES = [1.0, 0.0, 1.0, 1.0] * 20
GREEDY = {"temperature": 0.0, "top_p": 1.0, "max_tokens": 64, "stop": ["\n"]}
MODEL = ModelRef("m", "directory:m", "sha256:w", None, None, "sha256:t", "sha256:c", "float32")


def asked(name="a", protocol="generative", model=MODEL, sampling=GREEDY, conditions=(), **settings):
    return replace(
        run(name, SCORES), protocol=protocol, model=model, settings={"shots": 0} | settings,
        conditions={"sampling": sampling, "sandbox": None, "replies": 2} | dict(conditions),
    )  # fmt: skip


PLAIN = asked("b")
CONFOUNDED = {
    "temperature": asked(temperature=0.7),
    "temperature ": asked(sampling=GREEDY | {"temperature": 0.3}),
    "max_tokens": asked(max_tokens=16),
    "max_tokens ": asked(sampling=GREEDY | {"max_tokens": 65}),
    "top_p": asked(sampling=GREEDY | {"top_p": 0.9}),
    "stop": asked(sampling=GREEDY | {"stop": []}),
    "chat_template": asked(chat_template=True),
    "shots": asked(shots=5),
    "system_prompt": asked(system_prompt="You are terse."),
    "reasoning_effort": asked(reasoning_effort="high"),
    "a setting of next year": asked(**{"a setting of next year": 1}),
    "sandbox": asked(conditions={"sandbox": "one process"}),
    "reading of thoughts": asked(conditions={"replies": 3}),
    "tokenizer": asked(model=replace(MODEL, tokenizer_digest="sha256:other")),
}


@pytest.mark.parametrize("name", CONFOUNDED)
def test_what_bears_on_answers_is_refused_by_its_name_and_may_be_accepted(name):
    one, what = CONFOUNDED[name], name.strip()
    assert [found.what for found in confounders(one, PLAIN)] == [what]
    for first, second in ((one, PLAIN), (PLAIN, one)):
        with pytest.raises(InputError, match=f"differ in {what} .*--accept {what}"):
            compare(first, second)
    found = compare(one, PLAIN, accepted=Accepted((what,)))
    assert [d.what for d in found.differences if d.confounds] == [what]
    with pytest.raises(InputError, match="differ in"):
        compare(one, PLAIN, accepted=Accepted(("something else",)))
    assert compare(one, PLAIN, accepted=ANYTHING).differences == found.differences


def test_a_template_s_text_confounds_one_model_and_belongs_to_two():
    chat = asked("b", chat_template=True)
    other_text = asked(chat_template=True, model=replace(MODEL, chat_template_digest="sha256:d"))
    tuned = replace(other_text, model=replace(other_text.model, adapter_digest="sha256:a"))
    for one in (other_text, tuned):
        with pytest.raises(InputError, match="chat template's text"):
            compare(one, chat)
    another = replace(other_text, model=replace(other_text.model, weights_digest="sha256:v"))
    (told,) = compare(another, chat).differences
    assert (told.what, told.confounds) == ("chat template's text", False)
    plain = asked(model=replace(MODEL, chat_template_digest="sha256:d"))
    assert compare(plain, PLAIN).differences == ()  # no chat, so no template


@pytest.mark.parametrize(
    "one",
    [
        asked(model=replace(MODEL, weights_digest="sha256:v", name="n")),
        asked(model=replace(MODEL, weights_digest="sha256:v", tokenizer_digest="sha256:u")),
        asked(model=replace(MODEL, adapter_digest="sha256:a")),
        asked(model=replace(MODEL, dtype="bfloat16")),
        asked(model=replace(MODEL, weights_digest="sha256:q", quantization="Q4_K_M")),
        asked(temperature=0.0, max_tokens=64),  # as the benchmark has it
        asked(chat_template=False),
        asked(limit=80),
        asked(stop={"reference": "b", "largest_cluster": 1}),
        asked(batch_size=8),
    ],
)
def test_what_is_compared_and_what_changes_nothing_is_not_refused(one):
    other = PLAIN if "stop" not in one.settings else asked("b", stop=None)
    assert differences(one, other) == ()
    refuse_confounders(one, other)


def test_repeats_and_seeds_are_noted():
    (told,) = differences(asked(seed=3), asked("b", seed=4))
    assert (told.what, told.a, told.b, told.confounds) == ("seed", 3, 4, False)
    assert [d.what for d in compare(asked(repeats=2), asked("b", repeats=4)).differences] == [
        "repeats"
    ]


def test_likelihoods_are_not_drawn():
    one, other = (
        asked(name, "loglikelihood", temperature=t, max_tokens=n, seed=n)
        for name, t, n in (("a", 0.7, 5), ("b", None, 9))
    )
    assert differences(one, other) == ()


def test_a_judged_benchmark_has_temperatures_of_its_own():
    """MT-Bench draws mathematics at 0 and writing at 0.7: 0 stated is another run."""
    judge_of = {"judge": {"model": "j"}}
    assert confounders(asked(**judge_of, temperature=0.0), asked("b", **judge_of))


def test_prompts_that_came_out_otherwise_are_told():
    other = replace(asked(), samples=tuple(replace(s, prompt_digest="q") for s in asked().samples))
    (told,) = compare(other, PLAIN).differences
    assert (told.what, told.a, told.confounds) == ("prompts", "80 of 80", False)


def imported(name, **settings):
    origin = Origin("lm-eval", "0.4.9", {"f": "sha256:0"})
    found = asked(name, conditions={}, imported="lm-eval", **settings)
    return replace(
        found, conditions={}, model=replace(MODEL, weights_digest=f"sha256:{name}"),
        provenance=replace(found.provenance, origin=origin),
    )  # fmt: skip


def test_runs_of_other_harnesses():
    told = {"gen_kwargs": {"temperature": 0.7, "max_gen_toks": 32}, "batch_size": 4}
    assert differences(imported("a", **told), imported("b", **told | {"batch_size": 8})) == ()
    for other in (
        told | {"gen_kwargs": {"temperature": 0.0, "max_gen_toks": 32}},
        told | {"system_instruction_sha": "abc"},
        told | {"chat_template_sha": "abc"},
        told | {"fewshot_as_multiturn": True},
    ):
        with pytest.raises(InputError, match="differ in"):
            compare(imported("a", **told), imported("b", **other))
    # Beside a run of ours, what its files don't tell is no difference, and what they tell is.
    assert not confounders(asked(max_tokens=64), imported("b", metric="acc"))
    with pytest.raises(InputError, match=r"max_tokens \(64 against 32\)"):
        compare(asked(max_tokens=64), imported("b", gen_kwargs={"max_gen_toks": 32}))


def test_on_the_command_line_it_is_refused_or_recorded(tmp_path):
    settings = {"temperature": 0.7, "max_tokens": 16}
    a = sealed(tmp_path, "a", SCORES, settings=settings, sampling=GREEDY)
    b = sealed(tmp_path, "b", SCORES, sampling=GREEDY)
    done = weighbridge("compare", a, b, "--json", cwd=tmp_path)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "max_tokens (16 against 64), temperature (0.7 against 0" in done.stderr
    assert "--accept max_tokens,temperature" in done.stderr
    assert "differ in" in json.loads(done.stdout)["error"]["saw"]
    half = weighbridge("compare", a, b, "--accept", "temperature", cwd=tmp_path)
    assert half.returncode == 2 and "max_tokens (16" in half.stderr
    words = ("compare", a, b, "--accept", "temperature,max_tokens", "--margin", "0.2")
    found = json.loads(weighbridge(*words, "--json", cwd=tmp_path).stdout)
    assert [(d["what"], d["confounds"]) for d in found["differences"]] == [
        ("max_tokens", True), ("temperature", True),
    ]  # fmt: skip
    shown = weighbridge(*words, cwd=tmp_path)
    assert shown.returncode == 0
    said = " ".join(shown.stdout.split())
    assert "accepted: the runs differ in max_tokens (16 against 64), temperature (0.7" in said
    assert max(map(len, shown.stdout.splitlines())) <= 80


def test_evidence_of_before_that_has_no_such_fields_is_compared(tmp_path):
    a, b = (sealed(tmp_path, name, SCORES, settings={"temperature": 0.7}) for name in "ab")
    store = RunStore(tmp_path / ".weighbridge/runs")
    assert store.read(a).conditions == {}
    assert compare(store.read(a), store.read(b)).differences == ()


def test_a_project_says_what_its_own_runs_differ_in():
    one = asked(temperature=0.7)
    found = compare(one, PLAIN, margin=0.1, accepted=ANYTHING)
    said = (
        judge([BenchmarkComparison(BenchmarkSpec("b"), PLAIN, one, found, ())], [])
        .findings[0]
        .sentence
    )
    assert said.endswith("The two were not asked alike: temperature (0.7 against 0.0).")
