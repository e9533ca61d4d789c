"""What the explorer says of a comparison before anyone opens it in a browser."""

import json
from dataclasses import replace

import pytest

from scored_runs import LOST, answer, run_of
from weighbridge.records import Origin, Ungraded
from weighbridge.reports import render_explorer
from weighbridge.statistics import across_protocols, compare, estimate


def scored(name, scores, scale=(0.0, 1.0), cluster="c", **changes):
    samples = [answer(f"s{i}", score, cluster=cluster) for i, score in enumerate(scores)]
    run = run_of(name, samples)
    return replace(run, estimate=estimate(run.samples, "mean", scale), **changes)


def page_of(a, b, across=None):
    comparison = (across.corrected or across.raw) if across else compare(a, b)
    html = render_explorer(a, b, comparison, across)
    data = json.loads(html.split('id="data">')[1].split("</script>")[0])
    items = {row[0]: row for row in data["items"]}
    results = {name: data["results"][row[2]] for name, row in items.items()}
    outcomes = {
        name: (data["outcomes"][row[5]], data["outcomes"][row[10]]) for name, row in items.items()
    }
    return html.split("<main>")[0], html, results, outcomes


def test_on_a_scale_of_ratings_nothing_is_right_or_wrong():
    scale = (1.0, 10.0)
    a = scored("a", [10, 1, 7, Ungraded("refused"), LOST], scale)
    b = scored("b", [10, 10, 6.5, 4, 4], scale)
    _, html, results, outcomes = page_of(a, b)
    assert results == {
        "s0": "even", "s1": "lost", "s2": "won", "s3": "lost", "s4": "not paired",
    }  # fmt: skip
    assert outcomes["s0"] == outcomes["s1"] == ("graded", "graded")
    assert outcomes["s3"] == ("refused", "graded") and outcomes["s4"][0] == "infrastructure"
    assert "right</th>" not in html and "wrong</th>" not in html
    # The group's difference is the mean over its paired items: (0 - 9 + 0.5 + (1 - 4)) / 4.
    assert "\N{MINUS SIGN}2.88</td>" in html


def test_shares_keep_right_and_wrong_and_points():
    a, b = scored("a", [1, 0, 0.5, 1]), scored("b", [1, 0, 0, 0])
    head, _, results, outcomes = page_of(a, b)
    assert [results[f"s{i}"] for i in range(4)] == ["both right", "neither right", "won", "won"]
    assert outcomes["s2"] == ("partly", "wrong") and "points" in head


def test_what_bears_on_the_interval_is_said():
    rule = {
        "stop": {
            "reference": "b",
            "reference_samples": "sha256:b",
            "margin": 0.02,
            "until": ["inferior"],
            "largest_cluster": 1,
        }
    }
    a = scored("a", [1, 0, 1, LOST], cluster=None, settings=rule)
    b = scored("b", [1, 1, 0, 1], cluster=None)
    head, *_ = page_of(a, b)
    assert "holds at any moment of stopping" in head
    assert "1 answers were lost" not in head and "1 answer was lost to infrastructure" in head
    origin = Origin("helm", None, {})
    place = replace(a.provenance, origin=origin, judge="a judge")
    head, *_ = page_of(replace(a, settings={}, provenance=place), b)
    assert "a was not measured here but imported from helm" in head
    assert "judged by a judge." in head and "stopping" not in head


@pytest.mark.parametrize("known", [True, False])
def test_two_protocols_are_said_and_the_items_stand_as_answered(known):
    a = scored("a", [1, 1, 0, 1], protocol="loglikelihood")
    b = scored("b", [0, 1, 1, 0])
    again = replace(a, run_id="a2", protocol="generative", samples=b.samples)
    across = across_protocols(a, b, (a, again) if known else None)
    head, _, results, _ = page_of(a, b, across)
    assert results == {"s0": "won", "s1": "both right", "s2": "lost", "s3": "won"}
    assert "different protocols, loglikelihood and generative" in head
    assert ("as measured on a" in head) is known and ("was not measured" in head) is not known
