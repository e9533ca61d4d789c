"""The scale that values lie on, and how a person says a value, a gap or a margin on it.

On the scale from 0 to 1 people speak of percent and points; on any other, of the values themselves.
A scale is the worst value, which an answer that the model failed to give counts as, and the best.
The worst is the larger one where less is better, as with a loss.
"""

Scale = tuple[float, float]
SHARE: Scale = (0.0, 1.0)
BITS_PER_BYTE: Scale = (8.0, 0.0)
"""Of a text's loss: 8 bits is what a byte costs a model that takes all bytes for equally likely."""
DEFAULT_MARGIN_SHARE = 0.02
"""The default margin, as a share of the scale's width."""
DEFAULT_MARGIN_BITS = 0.02
"""The default margin of a loss in bits per byte.

By the Chinchilla law (Epoch AI's fit; 4.3 bytes a token) doubling a model's weights saves 0.06 bits
a byte from 0.1 billion weights on, and 0.03 from 1 billion on. So a model of 0.1 to 1 billion that
loses 0.02 on general text has lost what a third to two thirds of a doubling had bought.
"""


def is_share(scale: Scale) -> bool:
    """Whether the scale is 0 to 1, so that values can be shown in percent."""
    return tuple(scale) == SHARE


def less_is_better(scale: Scale) -> bool:
    """Whether values are losses."""
    return scale[0] > scale[1]


def ends(scale: Scale) -> tuple[float, float]:
    """Return the lowest and the highest value, whichever of them is better.

    >>> ends((0.0, 1.0)), ends((8.0, 0.0))
    ((0.0, 1.0), (0.0, 8.0))
    """
    return min(scale), max(scale)


def width(scale: Scale) -> float:
    """Return the largest gap that two values can have."""
    return abs(scale[1] - scale[0])


def advantage(difference: float, scale: Scale) -> float:
    """Return a difference A - B as what A is better by: below 0 where A is worse.

    >>> advantage(0.1, (0, 1)), advantage(0.1, (8, 0))
    (0.1, -0.1)
    """
    return -difference if less_is_better(scale) else difference


def default_margin(scale: Scale) -> float:
    """Return the default margin, in the scale's own units.

    >>> default_margin((0, 1)), default_margin((1, 10)), default_margin((8, 0))
    (0.02, 0.18, 0.02)
    """
    if less_is_better(scale):
        return DEFAULT_MARGIN_BITS
    return round(DEFAULT_MARGIN_SHARE * width(scale), 12)


def margin_or_default(margin: float | None, scale: Scale) -> float:
    """Return the margin that a person stated, in the scale's own units, else the default.

    >>> margin_or_default(None, (0, 1)), margin_or_default(0.0, (0, 1))
    (0.02, 0.0)
    """
    return default_margin(scale) if margin is None else margin


def named(scale: Scale) -> str:
    """Return a scale in words, such as "the scale from 1 to 10".

    >>> named((1.0, 10.0)), named((8.0, 0.0))
    ('the scale from 1 to 10', 'bits per byte (less is better)')
    """
    if less_is_better(scale):
        return "bits per byte (less is better)"
    return f"the scale from {scale[0]:g} to {scale[1]:g}"


def measured_in(scale: Scale) -> str:
    """Say in what figures stand that are no shares, for the end of a sentence.

    >>> measured_in((1, 10)), measured_in((8, 0))
    ('on the scale from 1 to 10', 'in bits per byte (less is better)')
    """
    return f"{'in' if less_is_better(scale) else 'on'} {named(scale)}"


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

    >>> margin(0.02), margin(0.18, (1, 10)), margin(0.02, (8, 0))
    ('2 points', '0.18 on the scale from 1 to 10', '0.02 bits per byte')
    """
    if less_is_better(scale):
        return f"{value:g} bits per byte"
    return f"{100 * value:g} points" if is_share(scale) else f"{value:g} on {named(scale)}"
