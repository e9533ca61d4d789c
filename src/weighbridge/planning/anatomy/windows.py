"""Patterns of layers that attend within a window."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.skeleton import FULL, SLIDING


def every(period: int, layers: int) -> list[str]:
    """Return each layer's kind: full in every `period`-th layer, sliding in the others."""
    return [SLIDING if (index + 1) % period else FULL for index in range(layers)]


def qwen_window(fields: Fields) -> tuple[tuple[str, ...], int | None]:
    """Return each layer's kind and the window: Qwen's first `max_window_layers` layers see all.

    Raises:
        InputError: A field is malformed.
    """
    used = fields.flag("use_sliding_window", False)
    fields.assume(**({"sliding_window": 4096, "max_window_layers": 28} if used else {}))
    window = fields.optional_count("sliding_window") if used else None
    first = fields.count("max_window_layers", zero=True) if used else 0
    layers = range(fields.layers())
    default = [SLIDING if window is not None and index >= first else FULL for index in layers]
    return fields.layer_types(default), window


def exaone_window(fields: Fields) -> tuple[tuple[str, ...], int | None]:
    """Return each layer's kind and the window of EXAONE, whose pattern may be spelt out.

    Raises:
        InputError: A field is malformed.
    """
    fields.assume(sliding_window=4096)
    window, count = fields.optional_count("sliding_window"), fields.layers()
    if window is None:
        return fields.layer_types([FULL] * count), None
    fields.assume(sliding_window_pattern=4)
    period = fields.values["sliding_window_pattern"]
    if isinstance(period, str):  # L and G, a letter a layer, again and again
        if not period or set(period) - set("LG"):
            raise fields.wrong("sliding_window_pattern", period, "letters L and G, or a number")
        kinds = [SLIDING if period[i % len(period)] == "L" else FULL for i in range(count)]
        return fields.layer_types(kinds), window
    step = fields.optional_count("sliding_window_pattern")
    return fields.layer_types(every(step, count) if step else [FULL] * count), window
