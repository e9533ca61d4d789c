"""The pictures in the documentation are what the command shown there draws today."""

import json
import re
from xml.etree import ElementTree

import pytest

from weighbridge.catalog.models import find_model
from weighbridge.planning.anatomy import read_architecture, summarise
from weighbridge.reports.anatomy import anatomy_picture

NAMES = ("llama-3-8b", "mixtral-8x7b", "deepseek-v2")


def anatomy(name, context=8192):
    return summarise(read_architecture(find_model(name).config, name), name, "catalog", context)


@pytest.mark.parametrize("name", NAMES)
def test_pictures_in_the_documentation_are_current(name, repository):
    kept = (repository / f"docs/explanation/anatomy-{name}.svg").read_text()
    assert anatomy_picture(anatomy(name)).svg == kept


def test_figures_in_the_documentation_are_current(repository):
    page = (repository / "docs/explanation/anatomy.md").read_text()
    rows = re.findall(r"^\| `(.+)` \| (.+) \| (.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert len(rows) > 5
    for name, *figures in rows:
        found = anatomy(name, 131_072)
        assert figures == [
            f"{found.parameters:,}",
            f"{found.active_parameters:,}",
            f"{found.kv_cache_bytes_per_token / 1024:g}",
            f"{found.kv_cache_bytes / 1e9:.2f}",
        ]


def bars(drawing):
    """Widths of the rectangles by colour, the legend's among them."""
    found = {}
    for path in ElementTree.fromstring(drawing.svg).iter("{http://www.w3.org/2000/svg}path"):
        box = re.fullmatch(r"M([\d.]+),([\d.]+)h([\d.]+)v([\d.]+)h-[\d.]+Z", path.get("d") or "")
        if box:
            found.setdefault(path.get("fill"), []).append(float(box[3]))
    return found


def test_bars_are_in_proportion():
    """Mixtral passes 2 of 8 experts: the pale part of their bar is three times the dark one."""
    found = anatomy("mixtral-8x7b")
    drawn = bars(anatomy_picture(found))
    pale, dark = sorted(drawn["#a9c8e3"])[-1], sorted(drawn["#0b5fa5"])
    assert min(abs(pale / width - 3) for width in dark) < 0.01
    blocks = next(part for part in found.parts if part.role == "experts")
    compute = blocks.forward_flops / found.forward_flops_per_token
    held = blocks.parameters / found.parameters
    assert dark[-1] / (pale * 4 / 3) == pytest.approx(compute / held, rel=0.01)


def test_a_picture_says_its_figures_in_words():
    drawing = anatomy_picture(anatomy("deepseek-v2"))
    assert "routed experts: 223 B, 445 GB, 16.7 G" in drawing.description
    assert json.dumps(drawing.description) and "<title>" in drawing.svg
