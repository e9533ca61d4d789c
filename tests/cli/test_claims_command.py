"""`weighbridge claims` as a person types it: figures, the page, one line for what is wrong."""

import json
import re

import pytest
from typer.testing import CliRunner

from picture_texts import overlapping, texts
from weighbridge.cli.main import app
from weighbridge.errors import WeighbridgeError

DAY = ("--as-of", "2026-11-30")


def claims(*words):
    return CliRunner().invoke(app, ["claims", *map(str, words)], prog_name="weighbridge")


def test_keys_that_scripts_rely_on():
    done = claims(*DAY, "lora_10000x", "smaller-cache", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert [claim["id"] for claim in found["claims"]] == ["smaller_cache", "lora_10000x"]
    for claim in found["claims"]:
        keys = {"id", "text", "outcome", "conditions", "measured", "evidence", "sentence"}
        assert keys <= set(claim) and claim["outcome"] == "holds_if"


def test_it_says_so_within_eighty_columns():
    done = claims(*DAY)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "3 holds, 1 fails, 11 holds if, as of 2026-11-30"
    assert any(line.startswith("FAILS     benchmark_parity") for line in lines)


def checked_page(tmp_path, *names):
    out = tmp_path / "claims.html"
    assert claims(*DAY, *names, "--out", out).exit_code == 0
    page = out.read_text()
    assert "<script" not in page and not re.search(r'src="', page)
    pictures = re.findall(r"<svg.*?</svg>", page, re.DOTALL)
    for picture in pictures:
        drawn = picture.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"', 1)
        assert len(texts(drawn)) > 5 and overlapping(drawn) == []
    return page, pictures


@pytest.mark.slow
def test_the_page_has_each_claim_with_its_chart_and_its_sentence(tmp_path):
    page, pictures = checked_page(tmp_path, "cost_moe_236b", "lora_10000x")
    assert len(pictures) == 4  # for wide columns and for phones
    assert page.count('data-outcome="holds_if"') == 2
    assert "a property of the deployment" in page and "arxiv.org/abs/2106.09685" in page


@pytest.mark.slow
def test_all_charts_have_clear_labels(tmp_path):
    _, pictures = checked_page(tmp_path)
    assert len(pictures) == 30


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("lora_1000x",), "unknown claim 'lora_1000x'.*did you mean lora_10000x"),
        (("--as-of", "yesterday"), "--as-of yesterday; expected a day such as"),
        (("--as-of", "2999-01-01"), "2999-01-01 is in the future; expected a day until today"),
        (("--as-of", "2020-01-01"), "--as-of 2020-01-01; expected a day from 2024-07-23 on"),
        (("--out", "claims.pdf"), "expected a file that ends in .html"),
    ],
)
def test_what_is_wrong_is_one_line(words, line):
    raised = claims(*words).exception
    assert isinstance(raised, WeighbridgeError) and raised.exit_code == 2
    assert re.search(line, str(raised)) and "\n" not in str(raised)
