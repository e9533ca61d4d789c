"""`weighbridge gap` as a person types it: the chart's data, its page, and one line for errors."""

import json
import re

import pytest
from typer.testing import CliRunner

from picture_texts import overlapping, texts
from weighbridge.catalog.published import catalogue
from weighbridge.cli.main import app
from weighbridge.errors import WeighbridgeError


def gap(*words):
    return CliRunner().invoke(app, ["gap", *map(str, words)], prog_name="weighbridge")


def figures(*words):
    done = gap(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_the_articles_chart_is_the_default():
    found = figures("--as-of", "2026-11-30")
    assert found["benchmark"] == "mmlu" and found["saturated"] and found["trend"] == "saturated"
    sized = [model for model in found["models"] if model["parameters"] is not None]
    assert len(sized) > 90 and all(model["url"].startswith("http") for model in found["models"])
    unknown = {m["model"] for m in found["models"] if m["parameters"] is None}
    assert {"gpt-4o-2024-11-20", "claude-3-5-sonnet-20241022"} <= unknown
    assert {s["licence"] for s in found["sources"]} >= {"CC BY 4.0", "MIT"}
    assert "end of the benchmark" in found["sentence"]


def test_it_says_so_within_eighty_columns():
    for words in (("-b", "gpqa-diamond", "--as-of", "2025-06-30"), ("--list",)):
        done = gap(*words)
        assert done.exit_code == 0
        assert max(map(len, done.stdout.splitlines())) <= 80
    assert re.search(r"^  lag +3\.5 months \(95 % interval", gap(
        "-b", "gpqa-diamond", "--as-of", "2025-06-30").stdout, re.MULTILINE)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("benchmark", ["mmlu", "eci"])
def test_the_page_stands_by_itself_and_its_labels_are_clear(tmp_path, benchmark):
    out = tmp_path / "page.html"
    assert figures("-b", benchmark, "--out", out)["written"] == str(out)
    page = out.read_text()
    assert not re.search(r'(src|href)="(?!https?://|#)', page) and "@import" not in page
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    assert len(pictures) == 6  # size, date and price, for wide columns and for phones
    for picture in pictures:
        drawn = picture.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        assert overlapping(drawn) == [] and len(texts(drawn)) > 5
    dots = re.findall(r"<title>([^<]* · (?:open|proprietary) · [^<]*)</title>", page)
    assert len(dots) > 2 * len(catalogue().scores_on(benchmark)) * 0.5
    assert all("released 20" in dot for dot in dots)


@pytest.mark.slow
def test_one_chart_alone(tmp_path):
    for axis, file in (("size", "a.svg"), ("date", "b.png")):
        found = figures("--image", tmp_path / file, "--axis", axis)
        assert found["image"] == str(tmp_path / file)
    assert "size not published: 88.1 %" in (tmp_path / "a.svg").read_text()
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "line", "code"),
    [
        (("-b", "mmlo"), "unknown benchmark in the catalog 'mmlo'.*did you mean mmlu", 2),
        (("--as-of", "31.12.2025"), "--as-of 31.12.2025; expected a day such as", 2),
        (("--as-of", "2999-01-01"), "2999-01-01 is in the future", 2),
        (("--out", "page.pdf"), "--out page.pdf; expected a file that ends in .html", 2),
        (("--out", "nowhere/page.html"), "no folder nowhere", 2),
        (("--axis", "sise"), "unknown --axis 'sise'.*did you mean size", 2),
        (("--image", "x.gif"), "--image x.gif; expected a file that ends in .svg or .png", 2),
        (("-b", "osworld"), "OSWorld has scores of 2 open models", 3),
        (("--as-of", "2001-01-01"), "MMLU has scores of 0 open models", 3),
    ],
)
def test_what_is_wrong_is_one_line(words, line, code):
    raised = gap(*words).exception
    assert isinstance(raised, WeighbridgeError) and raised.exit_code == code
    assert re.search(line, str(raised)) and "\n" not in str(raised)
