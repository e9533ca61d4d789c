"""What a reader finds in the page, and what a hostile model can't put there."""

import dataclasses
import itertools
import re
from dataclasses import replace
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from sample_report import (
    HOSTILE,
    choices,
    compare,
    hostile_report,
    service_desk,
    service_desk_report,
)

from weighbridge.errors import StorageError
from weighbridge.records import Contamination, Figure
from weighbridge.reports import CostRow, Report, charts, limits, palette, render, wording, write
from weighbridge.reports.charts import smoothed
from weighbridge.reports.document import environment
from weighbridge.reports.page import compose

VOID = {"meta", "link", "img", "input", "br", "hr"}
OUTSIDE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:|//)", re.IGNORECASE)


class Page(HTMLParser):
    """Elements with their attributes, texts by enclosing tag, and a check that tags balance."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag or "script" in tag

    def handle_data(self, data):
        for tag in set(self.open):
            self.texts.setdefault(tag, []).append(data)

    def text(self, tag: str = "body") -> str:
        return " ".join("".join(self.texts.get(tag, [])).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def report() -> Report:
    return service_desk_report()


@pytest.fixture(scope="module")
def html(report) -> str:
    return render(report)


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_verdict_and_figures_stand_as_promised(report, page):
    section = report.sections[0]
    mean, (low, high) = section.candidate.estimate.mean, section.candidate.estimate.interval
    text = page.text()
    assert page.text("strong").startswith("paid")
    assert f"{100 * mean:.1f} % [{100 * low:.1f}, {100 * high:.1f}]" in text
    difference = section.comparison
    assert f"+{100 * difference.difference:.1f} points [+{100 * difference.interval[0]:.1f}" in text
    assert text.index("paid") < text.index("MMLU, four subjects")
    assert "42 unparsed, 10 truncated" in text
    assert "2 infrastructure" in text
    assert "GPQA diamond" in text and "--data gpqa=PATH.csv" in text
    assert report.provenance["Adapter"] in text


def with_overlap(report, learnt, every=False):
    """The report, with some of its target's items in the tuning data."""
    target = report.sections[0]
    ids = [sample.sample_id for sample in target.candidate.samples]
    out = set(ids if every else ids[:learnt])
    kept = [
        dataclasses.replace(run, samples=tuple(s for s in run.samples if s.sample_id not in out))
        for run in (target.candidate, target.reference)
    ]
    section = dataclasses.replace(
        target,
        contamination=Contamination("train.jsonl", "sha256:0", len(ids), tuple(sorted(out)), ()),
        clean_comparison=None if every else compare(*kept, margin=0.05),
    )
    return dataclasses.replace(report, sections=(section, *report.sections[1:]))


def test_charts_show_the_items_that_the_verdict_rests_on(report):
    """51 of 200 items were learnt: overview, section and its chart all begin with the other 149."""
    overlapping = with_overlap(report, 51)
    target = overlapping.sections[0]
    clean, every = (
        wording.difference(c.difference, c.interval)
        for c in (target.clean_comparison, target.comparison)
    )
    assert clean != every
    made = compose(overlapping)
    drawn = {chart.name: chart.description for chart in made.charts}
    assert f"{target.title}, 149 of 200 items: {clean}" in drawn["overview"]
    assert every not in drawn["overview"]
    own = drawn["benchmark-1-difference"]
    assert f"149 of 200 items: {clean}; All 200 items: {every}" in own
    assert "Difference" not in own.partition(". ")[2]
    said = Page(made.html).text()
    assert f"{clean} over 149 paired items that don’t overlap with the tuning data" in said
    assert f"(over all 200: {every})" in said
    assert f"149/200: {target.title}: {clean}" in made.html  # the phone's overview, in words
    assert f">149/200: {target.title[:8]}" in made.html  # and in its label, which is cut
    assert "the row shows the others, which the verdict rests on" in said


def test_items_that_were_all_learnt_are_called_so(report):
    made = compose(with_overlap(report, 0, every=True))
    overview = next(chart for chart in made.charts if chart.name == "overview")
    assert f"{report.sections[0].title}, all in the tuning data: " in overview.description
    assert "Learnt" in Page(made.html).text()
    assert "200 paired items, which all overlap with the tuning data" in Page(made.html).text()


def test_nothing_is_loaded_from_anywhere(report, page):
    for tag, attributes in page.elements:
        for name in ("src", "srcset", "href", "xlink:href", "action", "data", "poster"):
            value = attributes.get(name)
            assert not (value and OUTSIDE.match(value)), f"<{tag} {name}={value!r}>"
    assert "link" not in {tag for tag, _ in page.elements}
    assert not re.search(r"@import|url\((?!#)", page.text("style"))
    policy = next(m for m in page.all("meta") if "Content-Security-Policy" in m.values())
    assert policy["content"].startswith("default-src 'none'")
    assert re.search(r"script-src 'sha256-[\w+/=]+';", policy["content"])


def test_structure_is_accessible(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    assert len(page.all("caption")) == len(page.all("table"))
    charts = [svg for svg in page.all("svg") if svg.get("role") == "img"]
    assert len(charts) == len(page.all("svg")) > 8
    assert all(len(svg["aria-label"]) > 30 for svg in charts)
    ids = [a["id"] for _, a in page.elements if a.get("id")]
    assert len(ids) == len(set(ids))
    anchors = {a["href"][1:] for a in page.all("a")}
    assert anchors <= set(ids)


def test_same_report_gives_same_page(report, html):
    assert render(report) == html


def test_hostile_text_is_inert():
    html = render(hostile_report())
    html.encode()  # no lone surrogate survives
    page = Page(html)
    assert len(page.all("script")) == 1
    assert not page.all("img")
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert not set("\x00\u202e") & set(html)  # nor what would reorder its neighbours
    assert "<script>document.title" in page.text("pre")  # still readable as text


def test_what_a_viewer_would_obey_or_hide_is_spelt_out_in_every_name(report):
    """Names are foreign texts, too: of benchmarks, models and clusters."""
    text = "x\x1b]0;root\x07\x9b2J\u202egnp\u200b\u2028\U000e0041\r"
    section = report.sections[0]
    named = replace(section.candidate, model=replace(section.candidate.model, name=text))
    sections = (replace(section, title=text, candidate=named), *report.sections[1:])
    html = render(replace(report, sections=sections, title=text))
    assert html.count("\\u200b") > 3
    assert not set(text) - {"x"} - set("]0;root2Jgnp") & set(html)


def test_no_template_can_forget_to():
    said = environment().from_string("<b>{{ text }}</b>").render(text="a\x9b\u2066<")
    assert said == "<b>a\ufffd\ufffd&lt;</b>"


def test_withheld_questions_show_ids_only():
    section = choices("gpqa", "GPQA", 80, (0.3, 0.4), 0.2, published=False, output="SECRET TEXT")
    html = render(dataclasses.replace(service_desk_report(), sections=(section,)))
    assert section.comparison.flips[0].sample_id in html
    assert "must not be published" in html
    assert "SECRET TEXT" not in html
    assert "chose B" not in html


def test_comparison_without_training_flips_or_parts():
    section = choices("mmlu", "MMLU", 40, (0.5, 0.5), 0.0)
    assert not section.comparison.flips
    bare = dataclasses.replace(
        service_desk_report(),
        verdict="insufficient evidence",
        findings=(),
        sections=(section,),
        training=(),
        training_facts={},
        forecasts=(),
        skipped=(),
        provenance={},
        reproduce=(),
    )
    text = Page(render(bare)).text()
    assert "No item's score differs" in text
    assert "Optimiser" not in text and "Forecast" not in text
    assert "insufficient evidence" in text


def test_report_without_any_benchmark(bare):
    assert "No guard benchmark was run" in Page(render(bare)).text()


def test_diverged_training_is_drawn_as_far_as_it_is_finite(report):
    points = (
        *report.training,
        dataclasses.replace(report.training[-1], step=241, loss=float("nan")),
    )
    alone = dataclasses.replace(report, sections=(), training=points)
    text = Page(render(alone)).text()
    assert "nan" in text  # in the table


def test_limits_follow_the_data():
    report = service_desk_report()
    told = " ".join(limits(report))
    assert "GPQA diamond was skipped" in told
    assert "first 100 items of each subset" in told
    assert "2 items could not be paired" in told
    assert "Q4_1" in told
    assert "one seed" in told
    alone = dataclasses.replace(report, sections=(service_desk(20),), skipped=(), training=())
    told = " ".join(limits(alone))
    assert "20 paired items resolve about ±" in told
    assert "No guard benchmark" in told
    assert "skipped" not in told and "seed" not in told


def test_limits_name_differing_protocols():
    section = choices("mmlu", "MMLU", 120, (0.5, 0.5))
    section = dataclasses.replace(
        section, reference=dataclasses.replace(section.reference, protocol="letter")
    )
    told = limits(dataclasses.replace(service_desk_report(), sections=(section,)))
    assert any("loglikelihood, the reference by letter" in sentence for sentence in told)


def test_long_output_is_cut_and_says_so():
    section = choices("humaneval", "HumanEval", 60, (0.4, 0.6), 0.2, output="x" * 50_000)
    html = render(dataclasses.replace(service_desk_report(), sections=(section,)))
    assert "more characters in samples.jsonl" in html
    assert "x" * 6001 not in html


def test_write_saves_page_and_charts(report, html, tmp_path):
    written = write(report, tmp_path / "new" / "folder")
    assert written.html.read_text() == html
    assert {path.suffix for path in written.charts} == {".svg", ".png"}
    for path in written.charts:
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag.endswith("svg")
        else:
            assert path.read_bytes().startswith(b"\x89PNG")
    everything = [path for path in (tmp_path / "new").rglob("*") if path.is_file()]
    assert len(everything) == 1 + len(written.charts)  # no temporary file is left


@pytest.fixture(scope="module")
def bare() -> Report:
    """The least that a report can be."""
    return dataclasses.replace(
        service_desk_report(), sections=(), training=(), training_facts={}, forecasts=()
    )


def test_folder_that_is_a_file_is_one_clear_error(bare, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match=r"can't be written to .*taken"):
        write(bare, tmp_path / "taken")


def test_failed_write_leaves_the_old_report_whole(bare, tmp_path, monkeypatch):
    written = write(bare, tmp_path)
    before = written.html.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write(dataclasses.replace(bare, title="another"), tmp_path)
    assert written.html.read_bytes() == before
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("colours", [palette.LIGHT, palette.DARK], ids=["light", "dark"])
def test_text_contrast_meets_wcag_aa(colours):
    def luminance(colour: str) -> float:
        channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for name in ("ink", "muted", "candidate", "reference", "good", "bad", "unsure"):
        for ground in (colours.paper, colours.panel):
            pair = sorted((luminance(getattr(colours, name)), luminance(ground)))
            assert (pair[1] + 0.05) / (pair[0] + 0.05) >= 4.5, name
    assert len(set(dataclasses.asdict(colours).values())) == len(dataclasses.fields(colours))


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (wording.percent(0.61), "61.0 %"),
        (wording.estimate(0.61, (0.541, 0.675)), "61.0 % [54.1, 67.5]"),
        (wording.points(0.04), "+4.0 points"),
        (wording.points(-0.0004), "0.0 points"),
        (wording.difference(-0.013, (-0.05, 0.02)), "−1.3 points [−5.0, +2.0]"),
        (wording.amount(2.5 * 2**30, "bytes"), "2.50 GiB"),
        (wording.amount(59.96, "seconds"), "60.0 s"),
        (wording.amount(3599.7, "seconds"), "1 h 00 min"),
        (wording.amount(314.4, "seconds"), "5 min 14 s"),
        (wording.p_value(0.0002), "< 0.001"),
        (wording.excerpt("a\n b  c", 4), "a b…"),
        (wording.plain("a\x00\x1b[31m\udc80\u202e"), "a␀␛[31m\ufffd\ufffd"),
    ],
)
def test_wording(said, wanted):
    assert said == wanted


def test_smoothing_keeps_a_constant_and_the_ends():
    assert smoothed([2.0] * 50) == [2.0] * 50
    values = [float(i) for i in range(100)]
    assert smoothed(values) == pytest.approx(values)
    assert smoothed([3.0]) == [3.0]


def test_hostile_text_has_teeth():
    """The attack would work if it were not escaped: else the tests above prove nothing."""
    assert Page(f"<pre>{HOSTILE}").all("script")


def test_figures_beside_the_headline_and_alarms_stand_where_the_benchmark_is(report):
    section = report.sections[0]
    stated = section.candidate.estimate
    beside = {"pass_at_10": Figure(0.87, 0.02, (0.83, 0.91), 164)}
    provenance = replace(
        section.candidate.provenance, notes=("ALARM: 40 of 164 answers hold <nothing>.",)
    )
    candidate = replace(
        section.candidate,
        estimate=replace(stated, aggregate="pass_at_1", beside=beside),
        provenance=provenance,
    )
    shown = render(replace(report, sections=(replace(section, candidate=candidate),)))
    assert "pass@1<" in shown and "pass@10<" in shown and "87.0 % [83.0, 91.0]" in shown
    assert 'class="mark bad">Alarm</span>' in shown and "hold &lt;nothing&gt;." in shown
    assert "Alarm</span>" not in render(report) and "pass@" not in render(report)


def test_a_run_that_graded_nothing_is_a_gap_with_words(report):
    section = report.sections[0]
    counts = {"unparsed": section.reference.estimate.n}
    estimate = replace(section.reference.estimate, mean=0.0, mean_graded=None, ungraded=counts)
    silent = replace(section.reference, estimate=estimate)
    compared = replace(section.comparison, ungraded_b="200 unparsed", verdict="inconclusive")
    section = replace(section, reference=silent, comparison=compared)
    drawn = charts.means(section, "m")
    assert f"{silent.model.name}: nothing was graded" in drawn.description
    whole = charts.means(report.sections[0], "m")
    marks = 'aria-roledescription="circle"'
    assert whole.svg.count(marks) - drawn.svg.count(marks) == 1
    gap = charts.differences([("Difference", compared)], "d")
    assert "Difference: nothing was graded" in gap.description and gap.svg.count(marks) == 0
    text = render(replace(report, sections=(section, *report.sections[1:])))
    assert "nothing was graded in the reference&#39;s run (200 unparsed)" in text


def test_the_four_comparators_stand_in_the_page_with_the_day_of_their_price():
    known = CostRow("incumbent", "gpt-4o", 0.0042, 0.31, 5e4, 0.31, 0.9, 0.0047, 0.14, "", "")
    rows = (
        known,
        replace(known, role="small sibling", break_even_items=None, accepted_share=None,
                day="2025-10-14"),
        replace(known, role="hosted open weights", usd=None, break_even_items=None,
                break_even_utilization=None, accepted_share=None, why="no host <b>"),
        replace(known, role="self-hosted", accepted_share=0.0, usd_asked_again=None),
    )  # fmt: skip
    page = render(replace(service_desk_report(), costs=rows))
    shown = page[page.index('id="costs"') : page.index('id="overview-title"')]
    assert [role in shown for role in ("Incumbent", "Small sibling", "Self-hosted")] == [True] * 3
    for said in ("50,000 a month", "× 0.31", "4.7 / 140", "not known", "not measured", "never"):
        assert said in shown, said
    assert "price of 2025-10-14, 112 days old" in shown and "no host &lt;b&gt;" in shown
    assert "What it costs" not in render(service_desk_report())
