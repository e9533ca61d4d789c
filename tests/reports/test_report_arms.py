"""The report's table of arms: scores, tokens and price of a request, and what tuning adds."""

import dataclasses

import pytest
from sample_report import service_desk_report

from scored_runs import run
from weighbridge.records import Ungraded
from weighbridge.reports import Arm, ArmsSection, render
from weighbridge.statistics import estimate


def measured(name, scores):
    made = run(name, scores)
    return dataclasses.replace(made, estimate=estimate(made.samples, "mean"))


@pytest.fixture(scope="module")
def page():
    silent, tried = measured("base", [Ungraded("truncated")] * 8), measured("tried", [0.0, 1.0])
    prompted, tuned = measured("prompted", [1.0, 0.0] * 4), measured("tuned", [1.0] * 8)
    arms = (
        Arm("Base as it is", silent, 160.4, 60.0, None, None, "reference"),
        Arm("Base with 4 worked examples", prompted, 1560.0, 26.0, 0.00042,
            (0.5, (0.1, 0.8)), "reference"),
        Arm("Tuned, without examples", tuned, 160.4, 25.0, 0.00009, None, "candidate"),
    )  # fmt: skip
    section = ArmsSection(
        "service_desk", arms, (("No examples", silent), ("4 worked examples", tried)), 1,
        ("row <3>",),
    )  # fmt: skip
    return render(dataclasses.replace(service_desk_report(), arms=(section,)))


def test_each_arm_has_its_score_tokens_price_and_what_tuning_adds(page):
    start = page.index('id="arms"')
    table = page[start : page.index("<details", start)]
    base, prompted, tuned = table.split('<tr><th scope="row">')[1:]
    assert "nothing was graded" in base and "160 + 60" in base and "USD" not in base
    assert "1\N{NARROW NO-BREAK SPACE}560 + 26" in prompted and "0.42 USD" in prompted
    assert "+50.0 points [+10.0, +80.0]" in prompted
    assert "100.0 %" in tuned and "—" in tuned


def test_the_choice_of_the_prompt_is_shown_with_the_rows_it_shows(page):
    assert "How the prompt was chosen (2 tried on" in page
    assert '4 worked examples <span class="muted">(taken)</span>' in page
    assert "row &lt;3&gt;" in page and "row <3>" not in page


def test_a_report_without_arms_says_nothing_of_them():
    assert "Tuning against prompting" not in render(service_desk_report())
