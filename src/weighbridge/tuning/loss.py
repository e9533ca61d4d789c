"""The loss: nats per learnt token, however the rows are cut into forward passes.

Positions whose next token is not learnt are dropped *before* the vocabulary projection, which for
a small model is a fifth of all arithmetic. A sum over learnt tokens, divided by their number in
the whole optimizer step, is the same for 1 x 16 rows and 16 x 1.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.nn import functional

from weighbridge.errors import InputError
from weighbridge.models.engine.attention import IMPLEMENTATION
from weighbridge.models.engine.check import differs
from weighbridge.models.engine.head import OwnHead, find_head
from weighbridge.models.engine.layout import Layout, packed
from weighbridge.models.engine.unbatched import own_inputs
from weighbridge.tuning.batches import Batch
from weighbridge.tuning.fused import cross_entropies, cross_entropy_sum

_PROBE_TOKENS = 16


def loss_sum(module: Any, batch: Batch) -> Tensor:
    """Return the summed cross-entropy, in nats, of a batch's targets.

    Args:
        module: A causal language model of transformers, bare or wrapped by peft.
        batch: Rows padded on the right (causal attention needs no mask for that), packed, or as a
            tree.
    """
    rows, head = _projected(module, batch)
    if head is None:
        return functional.cross_entropy(_exact(rows), batch.targets, reduction="sum")
    return cross_entropy_sum(rows, head, batch.targets)


def token_losses(module: Any, batch: Batch) -> Tensor:
    """Return the cross-entropy of each of a batch's targets, in nats (N,); see `loss_sum`."""
    rows, head = _projected(module, batch)
    if head is None:
        return functional.cross_entropy(_exact(rows), batch.targets, reduction="none")
    return cross_entropies(rows, head, batch.targets)


def _projected(module: Any, batch: Batch) -> tuple[Tensor, Callable[[Tensor], Tensor] | None]:
    """Return what predicts a batch's targets: last hidden states (N, H) and the head to logits.

    Or, where logits aren't a function of those alone, the logits (N, V) and no head.
    """
    head = own_head(module, batch.token_ids[0])
    rows = hidden_states(module, batch).index_select(0, batch.positions)
    if head is None:
        return rows, None
    # What an architecture adds to the projection (scales, caps) is learnt through as well.
    return rows, base_of(module).get_output_embeddings() if head.plain else head


def _exact(logits: Tensor) -> Tensor:
    """Return logits as wide as their losses are to be computed.

    What others are measured by is computed exactly: over a large vocabulary, torch's own sum in
    float32 is off by some 1e-5, which is more than ours is.
    """
    return logits.double() if _PLAINLY.get() and logits.device.type != "mps" else logits.float()


def hidden_states(module: Any, batch: Batch) -> Tensor:
    """Return the last hidden states of all positions of a batch, (B * S, H).

    Where logits are not a function of these alone, the logits, (B * S, V).
    """
    base = base_of(module)
    head = own_head(module, batch.token_ids[0])
    run = base if head is None else head.decoder
    if batch.position_ids is None:
        out = run(**_inputs(base, batch.token_ids))
    else:
        places = {"input_ids": batch.token_ids, "position_ids": batch.position_ids}
        with _attending(module, batch.layout):
            out = run(**places, use_cache=False)
    found: Tensor = out.logits if head is None else out.last_hidden_state
    return found.flatten(0, 1)


@contextmanager
def _attending(module: Any, layout: Layout | None) -> Iterator[None]:
    """Let the model attend as a tree's layout says; without one, as it does by itself."""
    if layout is None:
        yield
        return
    with shared_prefixes(module), packed(layout):
        yield


def base_of(module: Any) -> Any:
    """Return the model without peft's wrapping."""
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
    base = base_of(module)
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
    base = base_of(module)
    before = base.config._attn_implementation
    if before == IMPLEMENTATION:
        yield
        return
    base.set_attn_implementation(IMPLEMENTATION)
    try:
        yield
    finally:
        base.set_attn_implementation(before)


@torch.no_grad()
def require_causal(module: Any, token_ids: Tensor) -> None:
    """Check that the model can be tuned to say what comes next: that it doesn't see it.

    Args:
        module: The model, in evaluation mode.
        token_ids: Some text. (1, S)

    Raises:
        InputError: It sees later tokens, or can't read a plain text.
    """
    base = base_of(module)
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
