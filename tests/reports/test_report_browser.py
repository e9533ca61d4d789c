"""The page in a real browser: filters, widths, dark, print, and no network."""

import base64
import dataclasses
import time

import pytest
from judged_report import judged_report
from sample_report import HOSTILE, hostile_report, service_desk_report

from headless import headless, needs_browser
from weighbridge.reports import render

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with headless(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture(scope="module")
def report():
    return service_desk_report()


@pytest.fixture(scope="module")
def show(browser, tmp_path_factory):
    """Open a report at a width; returns what runs a script in it."""
    drawn = {}

    def opened(report, width=1000, *, dark=False, scripts=True):
        if id(report) not in drawn:
            path = tmp_path_factory.mktemp("report") / "report.html"
            path.write_text(render(report))
            drawn[id(report)] = (report, path)  # held, so that the id stays its own
        path = drawn[id(report)][1]
        for command, parameters in (
            (
                "Emulation.setDeviceMetricsOverride",
                {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
            ),
            (
                "Emulation.setEmulatedMedia",
                {
                    "features": [
                        {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
                    ]
                },
            ),
            ("Emulation.setScriptExecutionDisabled", {"value": not scripts}),
        ):
            browser.execute_cdp_cmd(command, parameters)
        browser.get(path.as_uri())
        return browser.execute_script

    return opened


VISIBLE = "return document.querySelectorAll('#benchmark-1 [data-outcome]:not([hidden])').length"
SHOWN = "return document.querySelector('#benchmark-1 output').value"


def test_filter_and_search(browser, show, report):
    run = show(report)
    flips = report.sections[0].comparison.flips
    lost = sum(flip.difference < 0 for flip in flips)
    form = browser.find_element("css selector", "#benchmark-1 form")
    assert run(VISIBLE) == len(flips)
    form.find_element("css selector", "[value=lost]").click()
    assert run(VISIBLE) == lost
    assert run(SHOWN) == f"{lost} of {len(flips)} shown"
    form.find_element("css selector", "[value=all]").click()
    form.find_element("css selector", "[type=search]").send_keys("quill REFUND")
    wanted = sum("Quill Mail" in flip.question and "refund" in flip.target for flip in flips)
    deadline = time.monotonic() + 300
    while run(VISIBLE) != wanted and time.monotonic() < deadline:
        time.sleep(0.05)
    assert 0 < run(VISIBLE) == wanted < len(flips)
    assert not browser.get_log("browser")  # no blocked request, no script error


def test_flips_are_readable_without_scripts(show, report):
    run = show(report, scripts=False)
    assert run("return getComputedStyle(document.querySelector('.flips form')).display") == "none"
    assert run(VISIBLE) > 100
    run("document.querySelector('#benchmark-1 summary').click()")
    assert run("return document.querySelector('#benchmark-1 details pre').checkVisibility()")


@pytest.fixture(scope="module")
def judged(real_data, tmp_path_factory):
    return judged_report(real_data / "mt_bench", tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize(
    "width", [320, *(pytest.param(width, marks=pytest.mark.slow) for width in (360, 720)), 1280]
)
@pytest.mark.parametrize("which", ["report", "judged"])
def test_nothing_runs_off_the_page(show, width, which, request):
    run = show(request.getfixturevalue(which), width)
    run("for (const each of document.querySelectorAll('details')) each.open = true")
    assert run("return document.documentElement.scrollWidth") <= width
    overflowing = """return [...document.querySelectorAll('main *')].filter(e =>
        e.checkVisibility() && !e.closest('.scroll, .stack thead, svg g')
        && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))"""
    assert run(overflowing) == []


def test_chart_text_is_readable_on_a_phone(show, report):
    run = show(report, 360)
    smallest = run(
        """return Math.min(...[...document.querySelectorAll('.chart svg')]
        .filter(svg => svg.checkVisibility())
        .map(svg => svg.getBoundingClientRect().width / svg.viewBox.baseVal.width))"""
    )
    assert 11 * smallest >= 10  # the charts' smallest type is 11 px


def test_charts_follow_the_dark_theme(show, report):
    colour = "return getComputedStyle(document.querySelector('.chart text')).fill"
    light = show(report)(colour)
    assert show(report, dark=True)(colour) != light


def test_hostile_report_runs_nothing(browser, show):
    run = show(hostile_report(), 360)
    run("for (const each of document.querySelectorAll('details')) each.open = true")
    assert run("return document.title") != "owned"
    assert run("return document.querySelectorAll('script, img').length") == 1
    assert run("return document.documentElement.scrollWidth") <= 360
    visible = run("return document.querySelector('#benchmark-1 details pre').textContent")
    assert visible.startswith(HOSTILE[:40])


def test_injected_script_is_blocked_by_the_policy(browser, tmp_path):
    """Even if escaping failed somewhere, the policy admits the page's own script alone."""
    path = tmp_path / "report.html"
    report = dataclasses.replace(service_desk_report(), sections=(), training=())
    attack = (
        "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\">"
    )
    path.write_text(render(report).replace("</main>", attack + "</main>"))
    browser.get(path.as_uri())
    assert browser.title != "owned"
    browser.get_log("browser")


def test_a_thousand_flips_stay_quick(show, report):
    section = report.sections[0]
    flips = section.comparison.flips * 8
    section = dataclasses.replace(
        section, comparison=dataclasses.replace(section.comparison, flips=flips)
    )
    run = show(dataclasses.replace(report, sections=(section,), training=()))
    assert run(VISIBLE) > 500
    # The best of five: what else the machine does must not decide.
    milliseconds = run(
        """let best = Infinity;
        for (const value of ['lost', 'won', 'lost', 'won', 'lost']) {
          const start = performance.now();
          document.querySelector(`#benchmark-1 [value=${value}]`).click();
          document.body.getBoundingClientRect();
          best = Math.min(best, performance.now() - start);
        }
        return best"""
    )
    assert milliseconds < 500


def test_prints_on_light_paper_without_controls(browser, show, report):
    show(report, dark=True)
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {})["data"])
    assert pdf.startswith(b"%PDF")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    run = browser.execute_script
    paper = run("return getComputedStyle(document.documentElement).getPropertyValue('--paper')")
    assert paper.strip() == "#fdfcfa"
    assert run("return getComputedStyle(document.querySelector('.flips form')).display") == "none"
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
