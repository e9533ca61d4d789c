"""Colours, once, for page and charts, on light and dark paper.

Candidate and reference differ in lightness as well as in hue, so that they stay apart for colour-
blind readers and in grey print. Every text colour keeps a contrast of at least 4.5:1 (WCAG 2.2 AA)
on both papers; `tests/reports` measures it.
"""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Palette:
    """The colours of one theme as ``#rrggbb``, no two equal: charts are recoloured by value.

    Attributes:
        paper: Background of the page.
        panel: Background of set-off blocks.
        ink: Text.
        muted: Secondary text and axes.
        rule: Hairlines; never text.
        candidate: The model that is weighed.
        reference: What it is weighed against.
        faint: Raw values behind a smoothed line.
        zone: Worse than the margin.
        good: An outcome that passes.
        bad: One that fails.
        unsure: One that can't be told.
    """

    paper: str
    panel: str
    ink: str
    muted: str
    rule: str
    candidate: str
    reference: str
    faint: str
    zone: str
    good: str
    bad: str
    unsure: str


LIGHT = Palette(
    paper="#fdfcfa",
    panel="#f4f2ed",
    ink="#1b1f24",
    muted="#59616b",
    rule="#d5d6d2",
    candidate="#0b5fa5",
    reference="#6b6f76",
    faint="#a9c8e3",
    zone="#f6e3dc",
    good="#0b6e4f",
    bad="#a8321a",
    unsure="#7d5200",
)
DARK = Palette(
    paper="#15181c",
    panel="#1e2227",
    ink="#e9e6e0",
    muted="#a6adb6",
    rule="#3a4048",
    candidate="#74b9f5",
    reference="#a3a9b2",
    faint="#35587a",
    zone="#3f2620",
    good="#5fcaa4",
    bad="#f4937a",
    unsure="#e2b44f",
)


def stylesheet() -> str:
    """Return CSS that names the colours, swaps them in the dark, and lets charts follow.

    Charts carry the light theme's colours as attributes, so that a saved SVG stands by itself; in
    the page, each attribute's value is mapped to the variable of the same name.
    """
    light, dark = asdict(LIGHT), asdict(DARK)
    follow = [
        f'.chart [{attribute}="{colour}"]{{{attribute}:var(--{name})}}'
        for name, colour in light.items()
        for attribute in ("fill", "stroke")
    ]
    # `screen`: paper is light whatever the reader's theme.
    return "\n".join(
        [
            f":root{{color-scheme:light dark;{_variables(light)}}}",
            "@media screen and (prefers-color-scheme:dark){:root{" + _variables(dark) + "}}",
            *follow,
        ]
    )


def _variables(colours: dict[str, str]) -> str:
    return "".join(f"--{name}:{colour};" for name, colour in colours.items())
