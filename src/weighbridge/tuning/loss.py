"""The loss: nats per learnt token, however the rows are cut into forward passes.

Positions whose next token is not learnt are dropped *before* the vocabulary projection, which for
a small model is a fifth of all arithmetic. A sum over learnt tokens, divided by their number in
the whole optimizer step, is the same for 1 x 16 rows and 16 x 1.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from weighbridge.errors import InputError
from weighbridge.models.engine.attention import IMPLEMENTATION, UnsupportedAttention
from weighbridge.models.engine.layout import packed
from weighbridge.tuning.batches import Batch, collate
from weighbridge.tuning.fused import cross_entropy_sum
from weighbridge.tuning.masks import MaskedRow


def loss_sum(module: Any, batch: Batch) -> Tensor:
    """Return the summed cross-entropy, in nats, of a batch's targets.

    Args:
        module: A causal language model of transformers, bare or wrapped by peft.
        batch: Rows padded on the right (causal attention needs no mask for that), or as a tree.
    """
    decoder, head = decoder_and_head(module)
    if batch.layout is None:
        out = decoder(input_ids=batch.token_ids, use_cache=False)
    else:
        with shared_prefixes(module), packed(batch.layout):
            out = decoder(
                input_ids=batch.token_ids, position_ids=batch.position_ids, use_cache=False
            )
    hidden = out.last_hidden_state  # (B, S, H), or (1, T, H)
    rows = hidden.flatten(0, 1).index_select(0, batch.positions)  # (N, H)
    return cross_entropy_sum(rows, head, batch.targets)


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


@torch.no_grad()
def can_share_prefixes(module: Any, rows: Sequence[MaskedRow], dropout: float) -> bool:
    """Find out, on real rows, whether sharing prefixes gives this model the loss of plain rows.

    Dropout would draw one mask for a prefix that rows share instead of one each, and the backward
    pass exists for the CPU only; then, and where the architecture's attention has more to it than
    keys, queries and values, rows are padded.
    """
    base = module.get_base_model() if hasattr(module, "get_base_model") else module
    if dropout > 0 or module.device.type != "cpu":
        return False
    if not getattr(base, "_supports_attention_backend", False):
        return False
    try:
        shared = loss_sum(module, collate(rows, module.device, share=True))
    except UnsupportedAttention:
        return False
    plain = loss_sum(module, collate(rows, module.device))
    return bool((shared - plain).abs() <= 1e-4 * plain.abs())


def decoder_and_head(module: Any) -> tuple[nn.Module, nn.Module]:
    """Return the part that gives hidden states, and the part that turns them into logits."""
    base = module.get_base_model() if hasattr(module, "get_base_model") else module
    return base.get_decoder(), base.get_output_embeddings()


@torch.no_grad()
def require_known_architecture(module: Any, token_ids: Tensor) -> None:
    """Check that projecting the hidden states is all that the model does to get its logits.

    Some architectures scale or cap them; a loss that left that out would train another model.

    Args:
        module: The model, in evaluation mode.
        token_ids: Some text. (1, S)

    Raises:
        InputError: The logits differ.
    """
    decoder, head = decoder_and_head(module)
    whole = module(input_ids=token_ids, use_cache=False).logits
    parts = head(decoder(input_ids=token_ids, use_cache=False).last_hidden_state)
    gap = (whole - parts).abs().max().item()
    if gap > 1e-4 * whole.abs().max().item():
        raise InputError(
            f"{type(module).__name__} changes its logits after the projection (by up to {gap:.3g})",
            "an architecture whose logits are the projected hidden states",
            "tune a Llama-, Qwen-, Mistral- or SmolLM-like model",
        )
