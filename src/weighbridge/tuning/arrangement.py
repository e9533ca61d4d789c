"""Chooses how rows are laid out in forward passes, by the tokens that each way computes.

The choice depends on the data, the schedule and the model alone, so that a run that goes on makes
it again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from weighbridge.errors import InputError
from weighbridge.models.engine.attention import TRAINABLE_ON
from weighbridge.tuning.batches import computed_tokens
from weighbridge.tuning.loss import base_of
from weighbridge.tuning.method import ARRANGEMENTS, Arrangement, Objective
from weighbridge.tuning.settings import Packing, TuneSettings

if TYPE_CHECKING:
    from weighbridge.tuning.masks import MaskedRow

Row = TypeVar("Row", bound="MaskedRow")

_COST: Mapping[Arrangement, float] = {"padded": 1.0, "packed": 1.05, "tree": 1.1}
"""Time for a token, next to one of a padded row (`bench/packing.py`)."""
_MASKED = 1.5
"""The same for packed rows where ends are told by a mask: each token is multiplied with all of the
pass, and most of that is thrown away. Kernels that take the ends themselves don't."""


def count_tokens(passes: Iterable[Sequence["MaskedRow"]]) -> dict[Arrangement, int]:
    """Return how many positions each arrangement computes in all of these forward passes."""
    counts = dict.fromkeys(ARRANGEMENTS, 0)
    for rows in passes:
        for arrangement in ARRANGEMENTS:
            counts[arrangement] += computed_tokens(rows, arrangement)
    return counts


def wanted(
    counts: Mapping[Arrangement, int], packing: Packing, masked: bool = False
) -> tuple[Arrangement, ...]:
    """Return the arrangements that may be used, the cheapest first.

    Args:
        counts: Positions that each computes.
        packing: As in the settings.
        masked: Whether packed rows are kept apart by a mask.
    """
    if packing == "off":
        return ("padded",)
    cost = {**_COST, "packed": _MASKED} if masked else _COST
    cheapest = sorted(ARRANGEMENTS, key=lambda one: counts[one] * cost[one])
    return tuple(one for one in cheapest if packing == "auto" or one != "padded")


def examples(rows: Sequence[Row]) -> list[Row]:
    """Return rows to try an arrangement on: a short one between the two longest.

    Windows of attention show on the longest only, and a short row after a long one shows most of
    what leaks.
    """
    ordered = sorted(rows, key=len)
    return [*ordered[-2:-1], *ordered[:-2][:1], ordered[-1]]


def choose(
    objective: Objective,
    model: Any,
    rows: Sequence[Any],
    counts: Mapping[Arrangement, int],
    settings: TuneSettings,
) -> Arrangement:
    """Return the cheapest arrangement that gives the model the gradient of padded rows.

    Raises:
        InputError: The model can't be trained, or packing is on and the model can't keep rows that
            stand in one pass apart.
    """
    order = wanted(counts, settings.packing, _masks(model))
    found = objective.arrangement(model, examples(rows), order, settings.dropout or 0.0)
    if found is None:
        raise InputError(
            f"packing = on, and {type(base_of(model)).__name__} doesn't keep rows apart that stand "
            "in one pass: their logits or gradients differ from those of padded rows",
            "a model whose attention can be told where a row ends, and that carries nothing else "
            "from token to token",
            "set packing to auto or off: rows are then padded",
        )
    return found


def _masks(model: Any) -> bool:
    """Whether packed rows are kept apart by a mask, and not by kernels that know their ends."""
    kernel = str(getattr(base_of(model).config, "_attn_implementation", ""))
    return model.device.type not in TRAINABLE_ON and not kernel.startswith("flash_attention")
