"""Pictures of scaling laws: labels are readable, and the committed ones are today's."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from picture_texts import overlapping, texts
from weighbridge.cli.main import app
from weighbridge.reports.labels import apart, spread
from weighbridge.reports.scaling_charts import Line, ratios

FOLDER = "docs/explanation/scaling-laws"
PICTURES = ("laws", "surface", "isoflops", "cloud", "ladder", "ladder-isoflops")
NUMBER = re.compile(r"-?\d+\.?\d*(?:e[-+]?\d+)?")


@pytest.mark.parametrize("name", PICTURES)
def test_labels_of_committed_pictures_are_clear_of_one_another_and_inside(name, repository):
    svg = (repository / FOLDER / f"{name}.svg").read_text()
    assert len(texts(svg)) > 8
    assert overlapping(svg) == []
    width, height = (float(re.search(rf'{side}="(\d+)"', svg)[1]) for side in ("width", "height"))
    for text, (left, top, right, bottom) in texts(svg):
        assert left >= 0 and right <= width + 1 and top >= 0 and bottom <= height, text


def test_the_check_finds_the_labels_that_once_touched():
    """Two ticks that touch, as the first picture of the laws had them."""
    tick = '<text text-anchor="middle" transform="translate({},9)" font-size="11px">1e+1{}</text>'
    drawn = tick.format(17, 8) + tick.format(45, 9)
    assert overlapping(f'<svg xmlns="http://www.w3.org/2000/svg">{drawn}</svg>')


def test_the_laws_in_the_documentation_are_those_of_the_catalog(repository, tmp_path):
    """The command on the page draws the picture on the page; figures to a thousandth of a pixel."""
    found = CliRunner().invoke(app, ["scaling", "laws", "--chart", str(tmp_path / "laws.svg")])
    assert found.exit_code == 0, found.output
    drawn = (tmp_path / "laws.svg").read_text()
    kept = (repository / FOLDER / "laws.svg").read_text()
    assert NUMBER.sub("#", drawn) == NUMBER.sub("#", kept)
    ours, theirs = ([float(n) for n in NUMBER.findall(svg)] for svg in (drawn, kept))
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-3)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.floats(3.5, 300), min_size=2, max_size=14),
    st.lists(st.floats(3.5, 300), min_size=14, max_size=14),
)
def test_names_of_laws_never_touch_wherever_the_lines_end(ends, starts):
    lines = [
        Line(f"law-{i}", [1e18, 1e26], [start, end])
        for i, (start, end) in enumerate(zip(starts, ends, strict=False))
    ]
    svg = ratios(lines, "law-0", floor=3).svg
    assert overlapping(svg) == []
    assert {line.label for line in lines} <= {text for text, _ in texts(svg)}


def test_a_line_that_leaves_the_picture_says_where_it_goes():
    lines = [Line("flat", [1e18, 1e22], [20, 20]), Line("steep", [1e18, 1e22], [60, 0.25])]
    said = [text for text, _ in texts(ratios(lines, "flat", floor=3).svg)]
    assert "steep, 0.25 at 1e22 FLOPs" in said and "steep" not in said


@given(st.lists(st.floats(0, 380), max_size=20), st.floats(1, 18))
def test_spread_labels_keep_their_order_their_distance_and_the_frame(ideal, step):
    places = spread(ideal, step, (20, 380))
    order = sorted(range(len(ideal)), key=lambda i: ideal[i])
    for above, below in itertools.pairwise(order):
        assert places[below] - places[above] >= step - 1e-9
    assert all(20 <= place <= 380 for place in places)


@given(st.lists(st.floats(0, 30), max_size=12), st.floats(1, 18))
def test_labels_with_room_stay_where_they_are(gaps, step):
    ideal = list(itertools.accumulate((step + gap for gap in gaps), initial=20.0))
    assert spread(ideal, step, (0, 1000)) == pytest.approx(ideal)


@given(st.lists(st.tuples(st.floats(0, 600), st.floats(0, 380)), max_size=12))
def test_only_labels_that_overlap_move(places):
    moved = apart(places, 40, 13)
    for i, (x, y) in enumerate(places):
        alone = all(
            abs(x - u) >= 40 or abs(y - v) >= 13 for j, (u, v) in enumerate(places) if j != i
        )
        if alone:
            assert moved[i] == pytest.approx(y)
    for (i, a), (j, b) in itertools.combinations(enumerate(places), 2):
        if abs(a[0] - b[0]) < 40 and abs(a[1] - b[1]) < 13:
            assert abs(moved[i] - moved[j]) >= 13 - 1e-9
