"""Which small model belongs to which large one of the same provider, by how they are named.

A frontier model's list price flatters whatever it is compared with, because its provider often
sells a small sibling at a tenth of it.
"""

import re

from weighbridge.catalog.api_prices import provider_models

_FAMILIES = (
    ("openai", r"gpt-(?P<v>[\d.]+o?)(?:-pro)?", "gpt-{v}-mini"),
    ("openai", r"gpt-(?P<v>[\d.]+o?)-mini", "gpt-{v}-nano"),
    ("openai", r"gpt-(?P<v>[\d.]+)-(?:astra|sol|terra)", "gpt-{v}-luna"),
    ("openai", r"ft:gpt-(?P<v>[\d.]+o?)", "ft:gpt-{v}-mini"),
    ("openai", r"o(?P<v>\d)(?:-pro)?", "o{v}-mini"),
    ("anthropic", r"claude-(?:fable|mythos|opus|sonnet)-(?P<v>[\d-]+)", "claude-haiku-{v}"),
    ("google", r"gemini-(?P<v>[\d.]+)-pro(?:-preview)?", "gemini-{v}-flash"),
    ("google", r"gemini-(?P<v>[\d.]+)-flash(?:-preview)?", "gemini-{v}-flash-lite"),
    ("deepseek", r"deepseek-v(?P<v>\d+)-pro", "deepseek-v{v}-flash"),
)
_VERSION = r"([\d.-]+o?)"


def small_sibling(provider: str, model: str) -> str | None:
    """Return the small sibling of a provider's model, of the same or the nearest older version.

    >>> small_sibling("openai", "gpt-4o"), small_sibling("anthropic", "claude-opus-4-6")
    ('gpt-4o-mini', 'claude-haiku-4-5')

    None where the model is itself the smallest of its family, or its family is not known.
    """
    for of, larger, small in _FAMILIES:
        found = re.fullmatch(larger, model.lower()) if of == provider else None
        if found is not None:
            return _nearest(provider, small, found["v"])
    return None


def _nearest(provider: str, small: str, version: str) -> str | None:
    pattern = re.escape(small).replace(r"\{v\}", _VERSION)
    listed = [
        (_parts(match[1]), name)
        for name in provider_models(provider)
        if (match := re.fullmatch(pattern, name)) is not None
    ]
    return max((one for one in listed if one[0] <= _parts(version)), default=(None, None))[1]


def _parts(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))
