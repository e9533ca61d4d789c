"""From an Altair chart to SVG that can stand in a page or in a file; no browser, no network."""

import html
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import vl_convert

from weighbridge.reports import wording
from weighbridge.reports.palette import LIGHT

_SVG = "http://www.w3.org/2000/svg"
_VEGA_ONLY = ("class", "role", "aria-label", "aria-roledescription", "aria-hidden")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")
_PNG_SCALE = 3.0

TOLD = "told: "
"""Begins the description of a mark that the page tells when it is pointed at."""

# Families with Arial's widths first: texts are measured here and set by the reader's browser.
FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, Arimo, sans-serif"

THEME: dict[str, Any] = {
    "background": LIGHT.paper,
    "font": FONT,
    "padding": 2,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "grid": True,
        "gridColor": LIGHT.rule,
        "gridWidth": 0.75,
        "labelColor": LIGHT.muted,
        "labelFontSize": 11,
        "labelPadding": 5,
        "ticks": False,
        "titleColor": LIGHT.muted,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
        "titlePadding": 7,
    },
    "text": {"color": LIGHT.ink, "fontSize": 12},
}


@dataclass(frozen=True)
class Drawing:
    """One chart, drawn.

    Attributes:
        name: File stem.
        description: What it shows, in words and figures, for those who don't see it.
        svg: A complete SVG document in the light theme.
    """

    name: str
    description: str
    svg: str

    def png(self) -> bytes:
        """Return the chart as a PNG, three pixels to a point."""
        return bytes(vl_convert.svg_to_png(self.svg, scale=_PNG_SCALE))

    def inline(self, suffix: str = "") -> str:
        """Return the chart as an element for a page: scaled to its column, ids its own, described.

        A mark whose description begins with `TOLD` gets the rest of it as its title, which browsers
        show when it is pointed at.

        Args:
            suffix: Keeps ids apart where a chart stands in a page twice.
        """
        root = ElementTree.fromstring(self.svg)
        for tag in ("title", "rect"):  # `aria-label` takes the title's place, the page the paper's
            first = root.find(f"{{{_SVG}}}{tag}")
            if first is not None:
                root.remove(first)
        prefix = f"{self.name}{suffix}-"
        for element in root.iter():
            element.tag = element.tag.removeprefix(f"{{{_SVG}}}")
            told = element.get("aria-label", "")
            if told.startswith(TOLD):
                ElementTree.SubElement(element, "title").text = told.removeprefix(TOLD)
                element.set("data-told", "")
            for attribute in _VEGA_ONLY:
                element.attrib.pop(attribute, None)
            for attribute, value in list(element.attrib.items()):
                if attribute == "id":
                    element.set(attribute, prefix + value)
                else:
                    element.set(attribute, _REFERENCE.sub(rf"url(#{prefix}\1)", value))
        width = float(root.attrib.pop("width"))
        del root.attrib["height"]
        root.set("role", "img")
        root.set("aria-label", self.description)
        root.set("style", f"max-width:{1.25 * width:.0f}px")
        return ElementTree.tostring(root, encoding="unicode")


def draw(name: str, description: str, chart: Any) -> Drawing:
    """Draw an Altair chart in the house's theme.

    Args:
        name: File stem.
        description: What it shows, in words and figures.
        chart: Any Altair chart.
    """
    description = wording.plain(description)
    # Checking against the schema takes longer than drawing; Vega-Lite refuses a bad chart anyway.
    specification = chart.to_dict(validate=False)
    specification["config"] = THEME
    svg = vl_convert.vegalite_to_svg(specification, allowed_base_urls=[])
    titled = svg.replace(">", f"><title>{html.escape(description)}</title>", 1)
    return Drawing(name, description, titled)
