"""Settings have names, and give back the JSON that a run's identity is the digest of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scored_runs import run
from weighbridge.errors import EvidenceError
from weighbridge.records import JudgeSettings, RunSettings, StopSettings, canonical_json

RULE = {
    "reference": "b--m--1", "reference_samples": "sha256:1", "margin": 0.02,
    "until": ["inferior", "superior"], "largest_cluster": 7,
}  # fmt: skip
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.text("ab", max_size=2),
    lambda some: st.lists(some, max_size=2) | st.dictionaries(st.text("ab"), some, max_size=2),
    max_leaves=5,
)
KEYS = st.sampled_from(
    ["protocol", "shots", "limit", "judge", "stop", "seed", "of another harness"]
)


@given(st.dictionaries(KEYS, PLAIN))
def test_whatever_is_stated_comes_back_to_the_byte(stated):
    read = RunSettings.from_json(stated)
    assert canonical_json(read.as_json()) == canonical_json(stated)
    if read.judge is not None:
        assert canonical_json(read.judge.as_json()) == canonical_json(stated["judge"])
        assert read.judge.model_name is None or isinstance(read.judge.model_name, str)


def test_what_is_stated_has_a_name():
    asked = RunSettings.from_json({"shots": 5, "limit": None, "temperature": 0.2, "seed": 3})
    assert (asked.shots, asked.limit, asked.temperature, asked.seed) == (5, None, 0.2, 3)
    assert asked.judge is None and asked.stop is None
    assert asked.without("seed", "limit") == {"shots": 5, "temperature": 0.2}


def test_a_judge_is_named_by_a_file_or_by_its_weights():
    of_a_file = JudgeSettings.from_json({"model": "judgments:gpt-4", "method": "single"})
    assert of_a_file.model_name == "gpt-4" and of_a_file.model_identity == {}
    here = JudgeSettings.from_json({"model": {"weights_digest": "sha256:1"}, "repeats": 3})
    assert here.model_name is None and here.model_identity == {"weights_digest": "sha256:1"}
    assert (here.repeats, of_a_file.repeats) == (3, None)


def test_a_stop_rule_is_written_as_it_is_read():
    rule = RunSettings.from_json({"stop": RULE}).stop
    assert rule == StopSettings("b--m--1", "sha256:1", 0.02, ("inferior", "superior"), 7)
    assert canonical_json(rule.as_json()) == canonical_json(RULE)


def test_texts_at_which_a_harness_stops_are_no_rule():
    assert RunSettings.from_json({"stop": ["\n", "Question:"]}).stop is None


@pytest.mark.parametrize("key", RULE)
def test_a_rule_that_was_never_written_is_one_line(key):
    lacking = {name: value for name, value in RULE.items() if name != key}
    for stop in (lacking, RULE | {key: {"x": 1}}):
        with pytest.raises(EvidenceError, match=rf"settings\.stop\.{key} is "):
            _ = RunSettings.from_json({"stop": stop}).stop


def test_a_run_says_how_it_was_asked():
    asked = run("m", [1.0])
    asked.settings.update({"shots": 5, "judge": {"repeats": 2}})
    assert asked.asked.shots == 5 and asked.asked.judge.repeats == 2
