"""Maps last hidden states to logits with the model's own code.

Architectures scale, cap or shift the output of their head, each in its own code and under its own
configuration names. That code is not reimplemented here: the model's own forward pass runs, with a
decoder that returns the given hidden states.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from weighbridge.models.engine.unbatched import logits_unbatched


class OwnHead:
    """Maps hidden states (rows, width) to logits (rows, vocabulary) as a model does itself.

    Attributes:
        decoder: The part whose output the model's forward pass turns into logits.
        plain: Whether the projection alone gives the model's logits, bit for bit.
    """

    def __init__(self, causal: Any, decoder: nn.Module, answer: Any) -> None:
        """See `find_head`; `answer` is an output of the decoder, of which the type is used."""
        self._causal, self.decoder = causal, decoder
        self._output_type = type(answer)
        self.plain = False

    def __call__(self, hidden: Tensor) -> Tensor:
        """Project hidden states (rows, width) to logits (rows, vocabulary), not yet in float32."""
        if self.plain:
            projected: Tensor = self._causal.get_output_embeddings()(hidden)
            return projected
        answer = self._output_type(last_hidden_state=hidden[None])
        ids = torch.zeros(1, len(hidden), dtype=torch.long, device=hidden.device)
        with _returning(self.decoder, answer):
            logits: Tensor = self._causal(input_ids=ids).logits[0]
        return logits

    def reproduces(self, hidden: Tensor, logits: Tensor) -> bool:
        """Whether this head maps these hidden states to these logits; decides `plain`, too."""
        self.plain = self._projects(hidden, logits)
        if self.plain:
            return True
        try:
            again = self(hidden)
        except Exception:  # a model that needs other fields of the output may fail in any way
            return False
        return again.shape == logits.shape and torch.allclose(again, logits, rtol=1e-5, atol=1e-5)

    def _projects(self, hidden: Tensor, logits: Tensor) -> bool:
        embeddings = self._causal.get_output_embeddings()
        if embeddings is None:
            return False
        try:
            projected = embeddings(hidden)
        except RuntimeError:  # another layer comes before the projection and changes the width
            return False
        return projected.shape == logits.shape and torch.equal(projected, logits)


@contextmanager
def _returning(module: nn.Module, answer: Any) -> Iterator[None]:
    before = vars(module).get("forward")
    module.forward = lambda *args, **kwargs: answer
    try:
        yield
    finally:
        del module.forward
        if before is not None:
            module.forward = before


def find_head(
    causal: Any, tokens: Tensor, wanted: Tensor
) -> tuple[OwnHead | None, Tensor | None, Tensor]:
    """Find a model's head by running its own forward pass over tokens (T,).

    Args:
        causal: The model.
        tokens: Token ids, shape (T,).
        wanted: Positions whose logits are returned.

    Returns:
        The model's head and its last hidden states (T, width), both None where the logits are not
        a function of the last hidden states alone; and its logits (wanted, vocabulary).
    """
    given: list[tuple[nn.Module, Any]] = []
    handles = [
        part.register_forward_hook(lambda module, _, answer: given.append((module, answer)))
        for part in _decoders(causal)
    ]
    try:
        logits = logits_unbatched(causal, tokens, wanted, float32=False)
    finally:
        for handle in handles:
            handle.remove()
    # Where one decoder contains another, the outer one ends last, and is tried first.
    for decoder, answer in reversed(given):
        hidden = getattr(answer, "last_hidden_state", None)
        if hidden is None or hidden.shape[:2] != (1, len(tokens)):
            continue
        head = OwnHead(causal, decoder, answer)
        if head.reproduces(hidden[0, wanted], logits):
            return head, hidden[0], logits
    return None, None, logits


def _decoders(causal: Any) -> list[nn.Module]:
    parts = [causal.base_model, causal.get_decoder() if hasattr(causal, "get_decoder") else None]
    found: list[nn.Module] = []
    for part in parts:
        if isinstance(part, nn.Module) and part is not causal and part not in found:
            found.append(part)
    return found
