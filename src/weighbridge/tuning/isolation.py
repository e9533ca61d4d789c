"""Finds out, on the model and rows at hand, in which ways rows can be laid out without padding.

Rows that stand in one forward pass must not see each other. Whether they don't, no list of
architectures tells: a recurrence carries its state from row to row, a backend of attention may
ignore where rows end, and a window may reach over an end. So logits and gradients of real rows are
compared with those of the same rows padded, and a way that differs is not used.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from weighbridge.errors import InputError
from weighbridge.models.engine.attention import TRAINABLE_ON, UnsupportedAttention
from weighbridge.models.engine.check import differs
from weighbridge.models.engine.rotary import length_limit
from weighbridge.tuning.batches import collate
from weighbridge.tuning.loss import base_of, hidden_states, loss_sum
from weighbridge.tuning.masks import MaskedRow
from weighbridge.tuning.method import Arrangement

_SAME = 1e-4  # of the gradient's length: sums of float32 in another order differ by about 1e-6
_BEGINNING = 32  # tokens of a row, where a leak from the row before is largest
_ANY_FAILURE = (
    UnsupportedAttention, RuntimeError, TypeError, ValueError, AttributeError, LookupError,
    NotImplementedError,
)  # fmt: skip


def first_alike(
    module: Any, rows: Sequence[MaskedRow], wanted: Sequence[Arrangement], dropout: float
) -> Arrangement | None:
    """Return the first of these ways of laying rows out that gives this model what padding gives.

    Args:
        module: The model, in evaluation mode; nothing of it changes.
        rows: Some of those that are learnt from; see `arrangement.examples`.
        wanted: The ways to try, in this order.
        dropout: Of the adapter.

    Returns:
        The arrangement; None where each differs.

    Raises:
        InputError: The model can't be trained on padded rows either.
    """
    if wanted[0] == "padded":  # nothing to compare with: a row shows whether there are gradients
        _padded_gradients(module, [min(rows, key=len)])
        return "padded"
    padded = _padded_gradients(module, rows)
    for arrangement in wanted:
        if arrangement == "padded":
            return arrangement
        if _worth_a_try(module, arrangement, dropout) and _same(module, rows, arrangement, padded):
            return arrangement
    return None


def _worth_a_try(module: Any, arrangement: Arrangement, dropout: float) -> bool:
    """Whether rows laid out so can be the same at all.

    Dropout would draw one mask for a prefix that rows share instead of one each.
    """
    base = base_of(module)
    own = module.device.type in TRAINABLE_ON
    pluggable = bool(getattr(base, "_supports_attention_backend", False))
    if arrangement == "packed":
        return pluggable or not own
    return own and pluggable and dropout == 0 and length_limit(base) is None


def _padded_gradients(module: Any, rows: Sequence[MaskedRow]) -> list[Tensor | None]:
    try:
        return _loss_and_gradients(module, rows, "padded")
    except _ANY_FAILURE as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{type(base_of(module)).__name__} gives no gradient to what is trained ({said})",
            "an architecture that torch can train here",
            "use another model",
        ) from error


def _same(
    module: Any,
    rows: Sequence[MaskedRow],
    arrangement: Arrangement,
    padded: Sequence[Tensor | None],
) -> bool:
    """Whether rows laid out in a way give the logits and gradients of padded ones."""
    try:
        if arrangement == "packed" and _leaks(module, rows):
            return False
        ours = _loss_and_gradients(module, rows, arrangement)
    except _ANY_FAILURE as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        return False
    return _near(ours[:1], padded[:1]) and _near(ours[1:], padded[1:])


@torch.no_grad()
def _leaks(module: Any, rows: Sequence[MaskedRow]) -> bool:
    """Whether packed rows are read in another way than each of them alone.

    What leaks from a row into the next fades with the distance, and learnt tokens stand at a row's
    end: so the first positions of each row are compared, whether they are learnt or not.
    """
    together = hidden_states(module, collate(rows, module.device, "packed"))
    start = 0
    for row in rows:
        alone = hidden_states(module, collate([row], module.device))
        first = slice(start, start + min(len(row), _BEGINNING))
        if differs(together[first], alone[:_BEGINNING]):
            return True
        start += len(row)
    return False


def _loss_and_gradients(
    module: Any, rows: Sequence[MaskedRow], arrangement: Arrangement
) -> list[Tensor | None]:
    """Return the loss and the gradients of all that is trained; None where one is not reached."""
    trained = [p for p in module.parameters() if p.requires_grad]
    loss = loss_sum(module, collate(rows, module.device, arrangement))
    return [loss.detach(), *torch.autograd.grad(loss, trained, allow_unused=True)]


def _near(ours: Sequence[Tensor | None], theirs: Sequence[Tensor | None]) -> bool:
    """Whether two lists of tensors, each taken as one vector, are the same but for rounding."""
    apart = length = 0.0
    for one, other in zip(ours, theirs, strict=True):
        if one is not None and other is not None:
            apart += float((one.float() - other.float()).norm()) ** 2
        elif (found := one if other is None else other) is not None:
            apart += float(found.float().norm()) ** 2
        length += 0.0 if other is None else float(other.float().norm()) ** 2
    return apart <= _SAME**2 * length
