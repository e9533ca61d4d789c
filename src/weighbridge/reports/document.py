"""What every page shares: templates with escaping, style and script as text, a script's digest."""

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from weighbridge.records import Json
from weighbridge.records.printable import printable_json
from weighbridge.reports import wording

# Inside a script element only these could end it, or begin a comment in it.
_UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&"}


@cache
def environment() -> Environment:
    """Return the templates, which escape every text that is put into them."""
    found = Environment(
        loader=PackageLoader("weighbridge.reports"),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["wording"] = wording
    found.filters["plain"] = wording.plain
    return found


def _shown(value: object) -> object:
    """Escape characters that hide or reorder text; our own markup stays as it is."""
    return wording.plain(value) if type(value) is str else value


@cache
def asset(name: str) -> str:
    """Return a style or script that is put into pages as text."""
    return files("weighbridge.reports").joinpath("templates", name).read_text("utf-8")


def script_digest(script: str) -> str:
    """Return what a content security policy admits a script by."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def data_block(value: Json) -> Markup:
    """Return JSON that can stand in a script element: no text in it can end the element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(printable_json(text).translate(_UNSAFE))
