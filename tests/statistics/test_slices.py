"""Slices of a run, and words for scales."""

import pytest
from test_comparison_rules import LOST, answer, run

from weighbridge.errors import InputError
from weighbridge.records import Ungraded
from weighbridge.records.scale import default_margin
from weighbridge.statistics import compare, estimate, mean_interval

TEN = (1.0, 10.0)


def test_a_slice_has_the_headline_s_rules():
    samples = [
        answer("81/1", 8, 0, "81"), answer("81/1", 6, 1, "81"), answer("81/2", LOST, 0, "81"),
        answer("82/1", Ungraded("unparsed"), 0, "82"), answer("82/2", 4, 0, "82"),
    ]  # fmt: skip
    slicing = {
        "category": {"writing": ("81/1", "81/2"), "math": ("82/1", "82/2")},
        "turn": {"1": ("81/1", "82/1"), "2": ("81/2", "82/2"), "3": ("83/3",)},
    }
    found = estimate(samples, "mean", TEN, slicing).slices
    assert {name: (one.mean, one.n) for name, one in found["category"].items()} == {
        "writing": (7.0, 1), "math": (2.5, 2),
    }  # fmt: skip
    assert {name: (one.mean, one.n) for name, one in found["turn"].items()} == {
        "1": (4.0, 2), "2": (4.0, 1),
    }  # fmt: skip
    assert found["category"]["math"].interval == mean_interval([1.0, 4.0], ["82", "82"], TEN)


def test_no_slicing_no_slices():
    assert estimate([answer("a", 1)]).slices == {}


def test_order_of_the_stream_does_not_matter():
    samples = [answer(f"s{i}", i % 2, 0, f"c{i % 3}") for i in range(12)]
    slicing = {"half": {"even": ("s0", "s2", "s4"), "odd": ("s1", "s3", "s5", "s7")}}
    for order in (samples, samples[::-1]):
        found = estimate(order, slicing=slicing).slices["half"]
        assert [(one.mean, one.n) for one in found.values()] == [(0.0, 3), (1.0, 4)]


def on_ten(name, scores):
    made = run(name, scores)
    object.__setattr__(made.estimate, "scale", TEN)
    return made


def test_the_default_margin_is_a_share_of_the_scale():
    found = compare(on_ten("a", [7.0, 8, 5]), on_ten("b", [7.0, 7, 6]))
    assert (found.margin, found.scale) == (0.18, TEN)
    assert compare(run("a", [1.0, 0]), run("b", [1.0, 1])).margin == 0.02
    assert default_margin((0, 100)) == 2


@pytest.mark.parametrize("margin", [9, 10, -0.1, float("nan")])
def test_a_margin_off_the_scale_names_it(margin):
    said = r"gap on the scale from 1 to 10, from 0 to below 9; 2 % of it are 0\.18"
    with pytest.raises(InputError, match=said):
        compare(on_ten("a", [7.0]), on_ten("b", [7.0]), margin=margin)
