"""Reads or writes one sequence by itself, with the architecture's own forward pass and cache.

transformers' `generate` handles whatever an architecture keeps from token to token (a recurrence's
state, a rolling window, a sparse index). Only the choice of each token and of the end is ours, so
that a text depends on its seed in the same way as a text that is written in a pack.
"""

import contextlib
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@torch.inference_mode()
def logits_unbatched(
    causal: Any, tokens: Tensor, wanted: Tensor, *, float32: bool = True
) -> Tensor:
    """Return logits (wanted, vocabulary) of some positions of tokens (T,)."""
    inputs = own_inputs(causal, tokens)
    if "logits_to_keep" in _parameters(causal):
        inputs["logits_to_keep"] = wanted
    logits: Tensor = causal(**inputs).logits[0]
    if len(logits) != len(wanted):
        logits = logits[wanted]
    return logits.float() if float32 else logits


def own_inputs(causal: Any, tokens: Tensor) -> dict[str, Any]:
    """Return the arguments by which a model's forward pass reads tokens (T,) without a cache."""
    inputs: dict[str, Any] = {"input_ids": tokens[None]}
    if "use_cache" in _parameters(causal):
        inputs["use_cache"] = False
    return inputs


def _parameters(causal: Any) -> frozenset[str]:
    return frozenset(inspect.signature(causal.forward).parameters)


@torch.inference_mode()
def generate_unbatched(
    causal: Any, tokens: Tensor, max_tokens: int, choose: Callable[[Tensor], tuple[int, bool]]
) -> None:
    """Write a sequence with transformers' own loop.

    Args:
        causal: The model.
        tokens: The prompt. (T,)
        max_tokens: Tokens to write at most.
        choose: Maps float32 logits (vocabulary,) to the next token, and whether it is the last.
    """
    written: list[int] = []
    ended = False

    def note(logits: Tensor) -> int:
        nonlocal ended
        token, ended = choose(logits)
        written.append(max(token, 0))
        return written[-1]

    if hasattr(causal, "can_generate") and causal.can_generate():
        # transformers' loop fails for some architectures whose forward pass works: the decoder of
        # an encoder-decoder by itself, recurrences without an attention layer. The loop below goes
        # on from what was written, only slower.
        with contextlib.suppress(RuntimeError, ValueError, TypeError, AttributeError, LookupError):
            _generate(causal, tokens, max_tokens, note, lambda: ended)
    while not ended:
        read = torch.cat([tokens, tokens.new_tensor(written)])
        last = torch.tensor([len(read) - 1], device=tokens.device)
        note(logits_unbatched(causal, read, last)[0])


def _generate(
    causal: Any,
    tokens: Tensor,
    max_tokens: int,
    choose: Callable[[Tensor], int],
    ended: Callable[[], bool],
) -> None:
    from transformers import (
        GenerationConfig,
        LogitsProcessor,
        LogitsProcessorList,
        StoppingCriteria,
        StoppingCriteriaList,
    )

    class Choice(LogitsProcessor):  # type: ignore[misc]
        def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
            only = torch.full_like(scores, float("-inf"))
            only[0, choose(scores[0].float())] = 0.0
            return only

    class End(StoppingCriteria):  # type: ignore[misc]
        def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
            return torch.full((1,), ended(), dtype=torch.bool, device=input_ids.device)

    # A measurement leaves out the penalties and suppressed tokens that a model's own generation
    # settings may ask for.
    with _generating(causal, GenerationConfig()):
        causal.generate(
            input_ids=tokens[None],
            attention_mask=torch.ones_like(tokens[None]),
            generation_config=GenerationConfig(
                max_new_tokens=max_tokens, do_sample=False, use_cache=True, pad_token_id=0
            ),
            logits_processor=LogitsProcessorList([Choice()]),
            stopping_criteria=StoppingCriteriaList([End()]),
        )


@contextmanager
def _generating(causal: Any, config: Any) -> Iterator[None]:
    before = causal.generation_config
    causal.generation_config = config
    try:
        yield
    finally:
        causal.generation_config = before
