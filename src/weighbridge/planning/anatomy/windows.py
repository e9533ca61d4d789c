"""Which layers attend within a window."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.skeleton import FULL, SLIDING


def every(period: int, layers: int) -> list[str]:
    """Return sliding attention with full attention in each `period`-th layer."""
    return [SLIDING if (index + 1) % period else FULL for index in range(layers)]


def qwen_window(fields: Fields) -> tuple[tuple[str, ...], int | None]:
    """Return each layer's kind and the window: Qwen's first `max_window_layers` layers see all.

    Raises:
        InputError: Malformed fields.
    """
    used = fields.flag("use_sliding_window", False)
    fields.assume(**({"sliding_window": 4096, "max_window_layers": 28} if used else {}))
    window = fields.optional_count("sliding_window") if used else None
    first = fields.count("max_window_layers", zero=True) if used else 0
    layers = range(fields.layers())
    default = [SLIDING if window is not None and index >= first else FULL for index in layers]
    return fields.layer_types(default), window
