"""The scale that values lie on, and how a person says a value, a gap or a margin on it.

On the scale from 0 to 1 people speak of percent and points; on any other, of the values themselves.
"""

Scale = tuple[float, float]
SHARE: Scale = (0.0, 1.0)
DEFAULT_MARGIN_SHARE = 0.02
"""The default margin, as a share of the scale's width."""


def is_share(scale: Scale) -> bool:
    """Whether the scale is 0 to 1, so that values can be shown in percent."""
    return tuple(scale) == SHARE


def width(scale: Scale) -> float:
    """Return the largest gap that two values can have."""
    return scale[1] - scale[0]


def default_margin(scale: Scale) -> float:
    """Return the default margin, in the scale's own units.

    >>> default_margin((0, 1)), default_margin((1, 10))
    (0.02, 0.18)
    """
    return round(DEFAULT_MARGIN_SHARE * width(scale), 12)


def margin_or_default(margin: float | None, scale: Scale) -> float:
    """Return the margin that a person stated, in the scale's own units, else the default.

    >>> margin_or_default(None, (0, 1)), margin_or_default(0.0, (0, 1))
    (0.02, 0.0)
    """
    return default_margin(scale) if margin is None else margin


def named(scale: Scale) -> str:
    """Return a scale in words, such as "the scale from 1 to 10".

    >>> named((1.0, 10.0))
    'the scale from 1 to 10'
    """
    return f"the scale from {scale[0]:g} to {scale[1]:g}"


def figure(value: float, scale: Scale = SHARE) -> str:
    """Return a value for a person: in percent on the scale from 0 to 1, else as it is.

    >>> figure(0.5, (0, 1)), figure(7.165625, (1, 10))
    ('50.0%', '7.166')
    """
    return f"{value:.1%}" if is_share(scale) else f"{value:.3f}"


def gap(value: float, scale: Scale = SHARE) -> str:
    """Return a difference with its sign: in points on the scale from 0 to 1, else as it is.

    >>> gap(0.0412, (0, 1)), gap(-0.18, (1, 10)), gap(-0.0001, (1, 10))
    ('+4.1', '-0.180', '0.000')
    """
    number = round(100 * value, 1) if is_share(scale) else round(value, 3)
    places = 1 if is_share(scale) else 3
    return f"{number:+.{places}f}" if number else f"{0:.{places}f}"


def margin(value: float, scale: Scale = SHARE) -> str:
    """Return a margin with its unit.

    >>> margin(0.02), margin(0.18, (1, 10))
    ('2 points', '0.18 on the scale from 1 to 10')
    """
    return f"{100 * value:g} points" if is_share(scale) else f"{value:g} on {named(scale)}"
