"""The loss: nats per learnt token, however the rows are cut into forward passes.

Positions whose next token is not learnt are dropped *before* the vocabulary projection, which for
a small model is a fifth of all arithmetic. A sum over learnt tokens, divided by their number in
the whole optimizer step, is the same for 1 x 16 rows and 16 x 1.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from weighbridge.errors import InputError
from weighbridge.models.engine.alone import own_inputs
from weighbridge.models.engine.attention import IMPLEMENTATION, UnsupportedAttention
from weighbridge.models.engine.check import differs
from weighbridge.models.engine.head import OwnHead, find_head
from weighbridge.models.engine.layout import packed
from weighbridge.models.engine.rotary import length_limit
from weighbridge.tuning.batches import Batch, collate
from weighbridge.tuning.fused import cross_entropy_sum
from weighbridge.tuning.masks import MaskedRow

_PROBE_TOKENS = 16
_SAME = 1e-4  # of the gradient's length: sums of float32 in another order differ by about 1e-6


def loss_sum(module: Any, batch: Batch) -> Tensor:
    """Return the summed cross-entropy, in nats, of a batch's targets.

    Args:
        module: A causal language model of transformers, bare or wrapped by peft.
        batch: Rows padded on the right (causal attention needs no mask for that), or as a tree.
    """
    base = _base_of(module)
    head = own_head(module, batch.token_ids[0])
    if head is None:
        logits = base(**_inputs(base, batch.token_ids)).logits.flatten(0, 1)
        rows = logits.index_select(0, batch.positions)
        return functional.cross_entropy(rows.float(), batch.targets, reduction="sum")
    if batch.layout is None:
        out = head.decoder(**_inputs(base, batch.token_ids))
    else:
        with shared_prefixes(module), packed(batch.layout):
            out = head.decoder(
                input_ids=batch.token_ids, position_ids=batch.position_ids, use_cache=False
            )
    hidden = out.last_hidden_state  # (B, S, H), or (1, T, H)
    rows = hidden.flatten(0, 1).index_select(0, batch.positions)  # (N, H)
    # What an architecture adds to the projection (scales, caps) is learnt through as well.
    return cross_entropy_sum(
        rows, base.get_output_embeddings() if head.plain else head, batch.targets
    )


def _base_of(module: Any) -> Any:
    return module.get_base_model() if hasattr(module, "get_base_model") else module


def _inputs(base: Any, token_ids: Tensor) -> dict[str, Any]:
    inputs: dict[str, Any] = own_inputs(base, token_ids[0])
    return {**inputs, "input_ids": token_ids}


_PLAINLY = ContextVar("loss from the model's own logits", default=False)


@contextmanager
def plainly() -> Iterator[None]:
    """Compute losses meanwhile from all logits, as the model itself gives them, by torch's own.

    What is fast is compared with this. Rows must be padded.
    """
    token = _PLAINLY.set(True)
    try:
        yield
    finally:
        _PLAINLY.reset(token)


_HEADS: WeakKeyDictionary[nn.Module, OwnHead | None] = WeakKeyDictionary()


def own_head(module: Any, token_ids: Tensor) -> OwnHead | None:
    """Return the model's own way from hidden states to logits, found once on a text (S,).

    None where the logits are not a function of the last hidden states alone, or aren't to be
    computed as one.
    """
    if _PLAINLY.get():
        return None
    base = _base_of(module)
    if base not in _HEADS:
        learning = module.training
        module.eval()
        some = token_ids[:_PROBE_TOKENS]
        with torch.no_grad():
            last = torch.arange(len(some), device=some.device)
            _HEADS[base], _, _ = find_head(base, some, last)
        module.train(learning)
    return _HEADS[base]


@contextmanager
def shared_prefixes(module: Any) -> Iterator[None]:
    """Let the model attend as batches laid out as trees say."""
    base = module.get_base_model() if hasattr(module, "get_base_model") else module
    before = base.config._attn_implementation
    if before == IMPLEMENTATION:
        yield
        return
    base.set_attn_implementation(IMPLEMENTATION)
    try:
        yield
    finally:
        base.set_attn_implementation(before)


def can_share_prefixes(module: Any, rows: Sequence[MaskedRow], dropout: float) -> bool:
    """Find out, on real rows, whether sharing prefixes gives this model the gradient of plain rows.

    Dropout would draw one mask for a prefix that rows share instead of one each, and the backward
    pass exists for the CPU only; then, and where the architecture's attention has more to it than
    keys, queries and values, rows are padded.

    Raises:
        InputError: The model can't be trained on plain rows either.
    """
    base = _base_of(module)
    try:
        plain = _loss_and_gradients(module, collate(rows, module.device))
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError) as error:
        if isinstance(error, torch.OutOfMemoryError):
            raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{type(base).__name__} gives no gradient to what is trained ({said})",
            "an architecture that torch can train here",
            "use another model",
        ) from error
    if dropout > 0 or module.device.type != "cpu" or length_limit(base) is not None:
        return False
    if not getattr(base, "_supports_attention_backend", False):
        return False
    try:
        shared = _loss_and_gradients(module, collate(rows, module.device, share=True))
    except (UnsupportedAttention, RuntimeError, TypeError, ValueError, AttributeError):
        return False
    return _near(shared[:1], plain[:1]) and _near(shared[1:], plain[1:])


def _loss_and_gradients(module: Any, batch: Batch) -> list[Tensor | None]:
    """Return the loss and the gradients of all that is trained; None where one is not reached."""
    trained = [p for p in module.parameters() if p.requires_grad]
    loss = loss_sum(module, batch)
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


@torch.no_grad()
def require_causal(module: Any, token_ids: Tensor) -> None:
    """Check that the model can be tuned to say what comes next: that it doesn't see it.

    Args:
        module: The model, in evaluation mode.
        token_ids: Some text. (1, S)

    Raises:
        InputError: It sees later tokens, or can't read a plain text.
    """
    base = _base_of(module)
    name = type(base).__name__
    try:
        whole = base(**_inputs(base, token_ids)).logits
        half = max(1, token_ids.shape[1] // 2)
        begun = base(**_inputs(base, token_ids[:, :half])).logits
    except (RuntimeError, ValueError, TypeError, AttributeError, LookupError) as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{name} can't read a plain text ({said})",
            "a model that gives logits for token ids alone",
            "use another model",
        ) from error
    if differs(whole[0, :half], begun[0]):
        raise InputError(
            f"{name} lets a token see the tokens after it",
            "a causal language model",
            "set is_decoder in its config.json if it was trained as one, or use another model",
        )
