"""The pages of a gap and of claims in a real browser: widths, filters, tooltips, and no errors."""

from datetime import date

import pytest

from headless import headless, needs_browser
from weighbridge.catalog.published import catalogue
from weighbridge.cli.gap_page import gap_page
from weighbridge.planning.claims import check_claims
from weighbridge.planning.gap.analysis import measure
from weighbridge.reports.claims_page import render_claims

DAY = date(2026, 11, 30)

pytestmark = [
    pytest.mark.slow,
    needs_browser,
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with headless(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder, facts = tmp_path_factory.mktemp("pages"), catalogue()
    gap = measure(facts, facts.benchmark("mmlu"), DAY, resamples=50)
    (folder / "gap.html").write_text(gap_page(gap, facts))
    (folder / "claims.html").write_text(render_claims(check_claims(["lora_10000x"], DAY)))
    return folder


def opened(browser, path, width):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    browser.get(path.as_uri())
    return browser.execute_script


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("name", ["gap", "claims"])
def test_nothing_is_wider_than_the_page_and_each_chart_is_shown_once(browser, pages, name, width):
    run = opened(browser, pages / f"{name}.html", width)
    assert run("return document.documentElement.scrollWidth") <= width
    shown = "return [...document.querySelectorAll('svg')].filter(s => s.clientWidth > 0).length"
    charts = run("return document.querySelectorAll('figure').length")
    assert run(shown) == charts >= 1
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_dots_tell_what_they_are_and_can_be_found(browser, pages):
    run = opened(browser, pages / "gap.html", 1200)
    run("document.querySelector('.wide [data-told]').dispatchEvent("
        "new Event('pointerover', {bubbles: true}))")  # fmt: skip
    told = run("return document.querySelector('.told').textContent")
    assert "released 20" in told and ("· open ·" in told or "· proprietary ·" in told)
    every = run("return document.querySelectorAll('[data-row]').length")
    run("const s = document.querySelector('input[type=search]'); s.value = 'mixtral';"
        "s.dispatchEvent(new Event('input'))")  # fmt: skip
    left = run("return document.querySelectorAll('[data-row]:not([hidden])').length")
    dim = run("return document.querySelectorAll('[data-told].dim').length")
    assert 0 < left < every and dim > 0
    run("document.querySelector('[data-group=open]').click()")
    assert run("return document.querySelectorAll('[data-row]:not([hidden])').length") == 0
