"""A judged benchmark's page: on its own scale, with the judge's audit and the protocols' offset."""

import re
from xml.etree import ElementTree

import pytest
from judged_report import judged_report
from test_report_page import Page

from weighbridge.reports import charts, render, wording


@pytest.fixture(scope="module")
def report(real_data, tmp_path_factory):
    return judged_report(real_data / "mt_bench", tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def text(report):
    return Page(render(report)).text()


def numbers_on_axis(drawing):
    """Tick labels: the texts that are numbers."""
    texts = ElementTree.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}text")
    said = ["".join(one.itertext()).replace("−", "-") for one in texts]
    return [float(word) for word in said if re.fullmatch(r"-?\d+(\.\d+)?", word)]


def test_values_stand_on_their_scale(text):
    assert "7.17 [6.50, 7.83]" in text and "6.00 [5.30, 6.71]" in text
    section = text[text.index("Target: should improve") : text.index("Judge audit")]
    assert "margin 0.18 on the scale from 1 to 10" in section
    assert "count as 1; failures" in section
    assert "points" not in section and "%" not in section.replace("95 % interval", "")
    assert "By category (8)" in section and "By turn (2)" in section
    assert "count as wrong; failures" in text  # the guard's, in percent


def test_the_audit_and_the_offset_stand_in_the_page(text):
    for said in ("Judge audit", "Cohen's kappa", "Rank correlation", "As people see it"):
        assert said in text
    assert "What the protocol is worth" in text and "+7.0 points [+4.8, +9.2]" in text


def test_axes_span_the_scale(report):
    means = numbers_on_axis(charts.means(report.sections[0], "m"))
    assert means and min(means) >= 1 and max(means) <= 10
    share = numbers_on_axis(charts.means(report.sections[1], "m"))
    assert max(share) == 100


def test_one_scale_is_drawn_as_it_is_and_several_in_percent_of_each(report):
    judged, guard = report.sections
    alone = charts.differences([("MT-Bench", judged.comparison)], "d")
    both = charts.differences([("MT-Bench", judged.comparison), ("MMLU", guard.comparison)], "d")
    assert "scale 1 to 10, paired" in alone.svg and "% of each scale, paired" in both.svg
    assert max(numbers_on_axis(alone)) < 5 < max(numbers_on_axis(both))


def test_wording_on_other_scales():
    ten = (1.0, 10.0)
    assert wording.estimate(7.1656, (6.497, 7.834), ten) == "7.17 [6.50, 7.83]"
    assert wording.difference(-0.18, (-0.5, 0.001), ten) == "−0.18 [−0.50, 0.00]"
    assert wording.value(0.5) == "50.0 %" and wording.value(5, ten) == "5.00"
