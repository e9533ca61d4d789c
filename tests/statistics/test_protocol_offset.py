"""A gap between protocols is told apart from a gap between models."""

from dataclasses import replace

import numpy as np
import pytest
from test_comparison_rules import run

from weighbridge.errors import InputError
from weighbridge.statistics import across_protocols, compare, protocol_offset


def by(protocol, name, scores, model=None):
    made = run(f"{name}-{protocol}", scores)
    model = replace(made.model, name=model or name, weights_digest=model or name)
    return replace(made, protocol=protocol, model=model)


@pytest.fixture
def measured():
    """An open model by both protocols, the API's by one; nothing separates the two models but that
    likelihood gives 20 points."""
    rng = np.random.default_rng(4)
    skill = rng.random(400)
    open_generative = (skill < 0.5).astype(float)
    open_likelihood = (skill < 0.7).astype(float)
    api = (rng.random(400) < 0.5).astype(float)
    return (
        by("loglikelihood", "open", open_likelihood),
        by("generative", "open", open_generative),
        by("generative", "api", api),
    )


def test_the_offset_is_the_paired_difference(measured):
    likelihood, generative, _ = measured
    found = protocol_offset(likelihood, generative)
    assert (found.protocol_a, found.protocol_b, found.n) == ("loglikelihood", "generative", 400)
    assert found.offset == pytest.approx(found.mean_a - found.mean_b)
    assert found.interval[0] > 0.1 and protocol_offset(generative, likelihood).offset < 0


def test_without_an_offset_nothing_is_concluded(measured):
    likelihood, _, api = measured
    found = across_protocols(likelihood, api, None)
    assert found.raw.interval[0] > 0  # the gap alone would have said: superior
    assert found.raw.verdict == "inconclusive" and found.corrected is None


def test_the_corrected_gap_of_a_model_measured_both_ways_is_its_gap_by_one_protocol(measured):
    likelihood, generative, api = measured
    found = across_protocols(likelihood, api, (generative, likelihood), margin=0.1)
    direct = compare(generative, api, margin=0.1)
    assert found.corrected.interval == pytest.approx(direct.interval)
    assert found.corrected.verdict == direct.verdict and not found.carried
    assert found.corrected.difference == pytest.approx(found.raw.difference - found.offset.offset)


def test_another_model_s_offset_is_an_assumption_and_widens(measured):
    likelihood, generative, api = measured
    skill = np.random.default_rng(5).random(400)
    third = by("loglikelihood", "third", (skill < 0.7).astype(float))
    found = across_protocols(third, api, (likelihood, generative))
    assert found.carried
    raw, corrected = found.raw.interval, found.corrected.interval
    assert corrected[1] - corrected[0] > raw[1] - raw[0]


@pytest.mark.slow
def test_coverage_with_another_model_s_offset():
    """The protocol is worth the same to three models, drawn item by item: 95 % of 300 intervals."""
    rng = np.random.default_rng(9)
    held = 0
    for _ in range(300):
        item = rng.normal(0, 1, 150)

        def answered(skill, item=item):
            return (item + skill + rng.normal(0, 0.7, 150) > 0).astype(float)

        runs = (
            by("letter", "a", answered(0.3)), by("generative", "b", answered(0.0)),
            by("letter", "m", answered(0.3)), by("generative", "m", answered(0.0)),
        )  # fmt: skip
        found = across_protocols(runs[0], runs[1], (runs[2], runs[3]))
        held += found.corrected.interval[0] <= 0 <= found.corrected.interval[1]
    assert held / 300 >= 0.95 - 0.038


def test_what_is_no_offset_is_refused(measured):
    likelihood, generative, api = measured
    with pytest.raises(InputError, match="two models"):
        protocol_offset(likelihood, api)
    with pytest.raises(InputError, match="one protocol, generative"):
        protocol_offset(generative, generative)
    with pytest.raises(InputError, match="one run by loglikelihood and one by generative"):
        across_protocols(likelihood, api, (generative, generative))
    elsewhere = tuple(
        replace(one, samples=tuple(replace(s, sample_id=f"x{s.sample_id}") for s in one.samples))
        for one in (likelihood, generative)
    )
    with pytest.raises(InputError, match="none of the items"):
        across_protocols(likelihood, api, elsewhere)


def test_two_scales_are_never_one_gap(measured):
    likelihood, _, api = measured
    other = replace(api, estimate=replace(api.estimate, scale=(1.0, 10.0)))
    with pytest.raises(InputError, match=r"the scale from 0 to 1.* the scale from 1 to 10"):
        across_protocols(likelihood, other, None)
