"""Finds the texts of a picture with their boxes, and those that lie over one another."""

import itertools
import re
from xml.etree import ElementTree

CHARACTER = 0.56  # mean width over font size, on the wide side for Helvetica


def texts(svg):
    """Every text with its box (left, top, right, bottom), upright ones only, halos left out."""
    found = {}

    def walk(element, x, y):
        moved = element.get("transform", "")
        if "rotate" in moved:
            return
        for across, down in re.findall(r"translate\(([^,]+),([^)]+)\)", moved):
            x, y = x + float(across), y + float(down)
        if element.tag.endswith("}text") and element.get("opacity") != "0":
            lines = [t for t in element.itertext() if t.strip()]
            size = float(element.get("font-size").removesuffix("px"))
            width = CHARACTER * size * max(map(len, lines))
            left = x - {"start": 0, "middle": width / 2, "end": width}[element.get("text-anchor")]
            box = (left, y - 0.75 * size, left + width, y + size * (0.2 + len(lines) - 1))
            found["\n".join(lines), box] = box
        for child in element:
            walk(child, x, y)

    walk(ElementTree.fromstring(svg), 0, 0)
    return [(text, box) for (text, _), box in found.items()]


def overlapping(svg):
    return [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(texts(svg), 2)
        if a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
    ]
