"""The explorer in a real browser, over HELM's answers: whole, safe, on any screen."""

import dataclasses
import shutil

import pytest

from headless import headless, needs_browser
from weighbridge.evaluation.benchmark import LoadRequest, Settings
from weighbridge.evaluation.registry import find_benchmark
from weighbridge.evidence import RunStore
from weighbridge.evidence.importing import ImportRequest, import_runs
from weighbridge.records import Graded, Ungraded
from weighbridge.reports import render_explorer
from weighbridge.statistics import compare

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=alert(1)>\x00\u202e"

pytestmark = needs_browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with headless(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


SUBJECTS = ("abstract_algebra", "college_biology", "high_school_biology", "virology")


def two_runs(answers, real_data, store):
    """The runs of llama-3-70b and gpt-4-1106 on HELM's questions."""
    mmlu = find_benchmark("mmlu")
    request = ImportRequest(
        answers,
        gold=lambda: mmlu.asking.load(LoadRequest(real_data / "mmlu", None, Settings())),
        benchmark="mmlu",
    )
    sealed, _ = import_runs("helm", request, RunStore(store), "2026-01-01T00:00:00+00:00")
    named = {run.model.name: run.run_id for run in sealed}
    return tuple(
        RunStore(store).read(named[name])
        for name in ("meta_llama-3-70b", "openai_gpt-4-1106-preview")
    )


@pytest.fixture(scope="module")
def answers(real_data):
    return real_data / "mmlu_helm_predictions" / "outputs" / "original_helm_combined"


@pytest.fixture(scope="module")
def runs(answers, real_data, tmp_path_factory):
    """Four subjects of 57: the page of all of them is a slow test's."""
    few = tmp_path_factory.mktemp("answers")
    for subject in SUBJECTS:
        shutil.copy(answers / f"{subject}.csv", few)
    return two_runs(few, real_data, tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def page(runs, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "explorer.html"
    path.write_text(render_explorer(*runs, compare(*runs)))
    return path


@pytest.fixture
def show(browser):
    """Open a page at a width; returns what runs a script in it."""

    def opened(path, width=1280, *, dark=False, scripts=True):
        metrics = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500}
        theme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [theme]})
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not scripts})
        browser.get(path.as_uri())
        return browser.execute_script

    return opened


SHOWN = "return document.querySelector('form output').value"
TYPE = """const field = document.querySelector('[name=words]');
field.value = arguments[0];
const start = performance.now();
field.dispatchEvent(new Event('input', {bubbles: true}));
document.getElementById('list').getBoundingClientRect();
return performance.now() - start"""


@pytest.mark.slow
def test_fourteen_thousand_items_are_listed_a_screen_at_a_time(
    browser, show, answers, real_data, tmp_path, capsys
):
    whole = two_runs(answers, real_data, tmp_path / "runs")
    page = tmp_path / "explorer.html"
    page.write_text(render_explorer(*whole, compare(*whole)))
    run = show(page)
    load = run("const t = performance.getEntriesByType('navigation')[0]; return t.loadEventEnd")
    first = run(TYPE, "t")  # reads all texts, unless the browser had time to before
    keys = [run(TYPE, "theorem"[:n]) for n in range(2, 8)] + [run(TYPE, ""), run(TYPE, "zzzz")]
    rows = run("return document.querySelectorAll('.row').length")
    run(TYPE, "")
    with capsys.disabled():
        print(
            f"\nexplorer, 14,015 items, {page.stat().st_size / 1e6:.1f} MB: load {load:.0f} ms, "
            f"first keystroke {first:.0f} ms, later ones at most {max(keys):.0f} ms"
        )
    assert run(SHOWN) == "14,015 of 14,015 shown"
    assert rows <= 40
    assert not browser.get_log("browser")  # no blocked request, no script error


def test_filters_agree_with_the_comparison(show, page, runs):
    found = compare(*runs)
    lost = sum(flip.difference < 0 for flip in found.flips)
    unparsed = sum(
        flip.difference > 0 and isinstance(flip.score_b, Ungraded) for flip in found.flips
    )
    run = show(page)
    items = f"{len(runs[0].samples):,}"
    run("document.querySelector('[name=result][value=\"0\"]').click()")
    assert run(SHOWN) == f"{lost:,} of {items} shown"
    run("document.querySelector('[name=result][value=\"1\"]').click()")
    run("""const s = document.querySelector('[name=b]'); s.value = 'unparsed';
        s.dispatchEvent(new Event('input', {bubbles: true}))""")
    assert run(SHOWN) == f"{unparsed:,} of {items} shown" and unparsed > 10
    run("document.querySelector('[type=reset]').click()")
    run("document.querySelector('.groups [data-cluster=\"0\"]').click()")
    of_group = sum(sample.cluster == "abstract_algebra" for sample in runs[0].samples)
    assert run(SHOWN) == f"{of_group} of {items} shown" and of_group == 100


def test_keyboard_alone_finds_and_reads_an_item(browser, show, page):
    from selenium.webdriver.common.keys import Keys

    run = show(page)
    body = browser.find_element("css selector", "body")
    body.send_keys("/")
    browser.switch_to.active_element.send_keys("photosynthesis")
    assert run("return document.activeElement.name") == "words"
    listed = browser.find_element("css selector", "#list")
    run("arguments[0].focus()", listed)
    listed.send_keys(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ENTER)
    assert run("return document.activeElement.id") == "item"
    assert run("return document.getElementById('list').getAttribute('aria-activedescendant')")
    text = run("return document.getElementById('item').textContent").lower()
    assert "photosynthesis" in text and "llama-3-70b" in text
    browser.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert run("return document.activeElement.id") == "list"
    listed.send_keys(Keys.END)
    row = "return document.querySelector('[aria-selected=true]')"
    assert run(f"{row}.getAttribute('aria-posinset') === {row[7:]}.getAttribute('aria-setsize')")


@pytest.mark.parametrize("width", [320, 360, 720, 1280])
def test_nothing_runs_off_the_page(show, page, width):
    run = show(page, width)
    run("document.querySelectorAll('details').forEach(each => each.open = true)")
    run("document.querySelector('.row').click()")
    assert run("return document.documentElement.scrollWidth") <= width
    overflowing = """return [...document.querySelectorAll('main *')].filter(e =>
        e.checkVisibility() && !e.closest('.scroll, .row')
        && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 200))"""
    assert run(overflowing) == []
    assert run("return document.querySelector('#item pre').checkVisibility()")


def test_dark_and_without_scripts(show, page):
    paper = "return getComputedStyle(document.body).backgroundColor"
    assert show(page, dark=True)(paper) != show(page)(paper)
    run = show(page, scripts=False)
    assert run("return getComputedStyle(document.querySelector('form')).display") == "none"
    assert run("return document.querySelector('noscript') !== null")
    assert run("return document.querySelectorAll('.groups tbody tr').length") == len(SUBJECTS)


def test_hostile_answers_run_nothing(browser, show, runs, tmp_path):
    a, b = (
        dataclasses.replace(
            run,
            model=dataclasses.replace(run.model, name=HOSTILE),
            samples=tuple(
                dataclasses.replace(
                    sample, question=HOSTILE, output=HOSTILE, target=HOSTILE, cluster=HOSTILE,
                    sample_id=f"{sample.sample_id}{HOSTILE}", score=score,
                )
                for sample in run.samples[:5]
            ),
        )
        for run, score in zip(
            runs, (Graded(1.0, "A", HOSTILE), Graded(0.0, "B", HOSTILE)), strict=True
        )
    )  # fmt: skip
    path = tmp_path / "hostile.html"
    path.write_text(render_explorer(a, b, compare(a, b)))
    run = show(path, 360)
    run("document.querySelector('.row').click()")
    assert run("return document.title") != "owned"
    assert run("return document.querySelectorAll('script, img').length") == 2
    shown = run("return document.querySelector('[data-of=text-a]').textContent")
    assert shown.startswith("</script><script>document.title='owned'</script>")
    assert run("return document.documentElement.scrollWidth") <= 360
    assert not browser.get_log("browser")


def test_texts_that_must_not_be_published_are_not_in_the_page(show, runs, tmp_path):
    a, b = (
        dataclasses.replace(
            run,
            samples=tuple(
                dataclasses.replace(sample, question=None, target=None, output="SECRET")
                for sample in run.samples[:50]
            ),
        )
        for run in runs
    )
    page = render_explorer(a, b, compare(a, b))
    assert "SECRET" not in page and "must not be published" in page
    (tmp_path / "withheld.html").write_text(page)
    run = show(tmp_path / "withheld.html")
    run("document.querySelector('.row').click()")
    assert run("return document.querySelector('[data-of=question]')") is None
    assert "wrong" in run("return document.querySelector('[data-of=outcome-a]').textContent") or (
        "right" in run("return document.querySelector('[data-of=outcome-a]').textContent")
    )
