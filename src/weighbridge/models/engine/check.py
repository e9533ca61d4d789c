"""Short texts by which the engine is compared with the model's own forward pass.

All layers of one kind run the same code, so the first layers that include every kind are enough,
and the comparison adds little to the time of a load. Windows, chunks and sparse selections span
thousands of tokens in real models: for the comparison they are narrowed, so that a text of a few
dozen tokens exceeds them.

Rounding. In float32, two orders of summation differed by at most 1.3e-6 of the largest logit on the
architectures of the tests, and computations that are not equivalent differ by 1e-2 or more; the
tolerance lies between, at 1e-3. bfloat16 keeps 8 bits of a number, so each stored number is off by
up to 2^-9 = 0.2 %; through two layers that became at most 3.1 % of the largest logit (0.5 % in
float16). A mixture of experts may also route a near-tie the other way at a single position. So in
these types the *median* over positions must stay below 6 %.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from weighbridge.models.engine.tree import TokenIds

NARROW_TOKENS = 6  # to which windows, chunks and selections are narrowed
SHARED, OWN, OTHER = 11, 14, 7  # tokens: of both texts, of the long one, of the short one
_NARROWED = (
    "sliding_window", "sliding_window_size", "attention_window_size", "attention_chunk_size",
    "chunk_size", "window_size", "local_attention", "block_size", "floor_scale",
)  # fmt: skip
WRITTEN = 3  # tokens at the end of the long text that are also written one by one
FLOAT32_TOLERANCE, NARROW_TYPE_TOLERANCE = 1e-3, 0.06


@dataclass(frozen=True)
class Text:
    """A text, and the positions whose logits are compared: the last shared one and the last few."""

    tokens: TokenIds
    rows: Tensor


@dataclass(frozen=True)
class Texts:
    """Two texts with a common beginning."""

    long: Text
    short: Text


def texts_for(causal: Any) -> Texts:
    """Choose tokens from all over the vocabulary, none of them special."""
    vocabulary = causal.get_input_embeddings().weight.shape[0]
    config = causal.config.to_dict()
    text = config.get("text_config") or {}
    special = {
        token
        for fields in (config, text)
        for name, value in fields.items()
        if name.endswith(("_token_id", "_token_index", "_token_ids")) or name == "padding_idx"
        for token in (value if isinstance(value, list) else [value])
    }
    plain = [token for token in range(vocabulary) if token not in special] or [0]
    count = SHARED + OWN + OTHER
    # Steps of the golden section: spread over the vocabulary, in no order.
    chosen = [plain[int(len(plain) * ((n * 0.6180339887) % 1))] for n in range(1, count + 1)]
    tokens = np.array(chosen, dtype=np.int64)
    short = np.concatenate([tokens[:SHARED], tokens[SHARED + OWN :]])
    return Texts(_text(tokens[: SHARED + OWN]), _text(short))


def _text(tokens: TokenIds) -> Text:
    rows = [SHARED - 1, *range(len(tokens) - OWN // 2, len(tokens))]
    return Text(tokens, torch.tensor(rows))


def differs(got: Tensor, expected: Tensor) -> bool:
    """Whether logits (rows, vocabulary) differ by more than rounding in their type."""
    narrow = expected.dtype not in (torch.float32, torch.float64)
    got, expected = got.float(), expected.float()
    # Adding the same number to all logits of a row changes no probability.
    got, expected = (x - x.mean(-1, keepdim=True) for x in (got, expected))
    gaps = (got - expected).abs().amax(-1) / expected.abs().amax().clamp_min(1e-30)
    if narrow:
        return not float(gaps.median()) < NARROW_TYPE_TOLERANCE
    return not float(gaps.max()) < FLOAT32_TOLERANCE


@contextmanager
def narrowed(causal: Any) -> Iterator[None]:
    """Narrow each window, chunk and selection to `NARROW_TOKENS` inside the block.

    Adapters have fields of these names as well (OFT's block_size), which are widths of weights.
    """
    layers = [m for m in causal.modules() if not type(m).__module__.startswith("peft.")]
    places = [*layers, *_configs(causal.config)]
    undo: list[tuple[Any, str, int]] = []
    for place in places:
        for name in _NARROWED:
            value = vars(place).get(name)
            if isinstance(value, int) and not isinstance(value, bool) and value > NARROW_TOKENS:
                undo.append((place, name, value))
                setattr(place, name, NARROW_TOKENS)
    try:
        yield
    finally:
        for place, name, value in undo:
            setattr(place, name, value)


def _configs(config: Any) -> list[Any]:
    found = [config]
    for name in getattr(config, "sub_configs", {}):
        part = getattr(config, name, None)
        if part is not None:
            found += _configs(part)
    return found


class FirstLayers:
    """The first layers of a model that hold every kind of layer it has.

    Attributes:
        fewer: Whether these are fewer than all of the model's layers.
    """

    def __init__(self, causal: Any) -> None:
        depth = getattr(causal.config.get_text_config(), "num_hidden_layers", None)
        stacks = [
            (parent, name, child)
            for parent in causal.modules()
            for name, child in parent.named_children()
            if isinstance(child, nn.ModuleList) and len(child) == depth and len(child) > 1
        ]
        self._stack = stacks[0] if len(stacks) == 1 else None
        self.fewer = False
        if self._stack is not None:
            kinds = [_kind(layer) for layer in self._stack[2]]
            self._needed = 1 + max(kinds.index(kind) for kind in set(kinds))
            self.fewer = self._needed < len(kinds)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Leave only these layers in the model inside the block."""
        if self._stack is None or not self.fewer:
            yield
            return
        parent, name, layers = self._stack
        setattr(parent, name, layers[: self._needed])
        try:
            yield
        finally:
            setattr(parent, name, layers)


def _kind(layer: nn.Module) -> tuple[Any, ...]:
    """Return what distinguishes layers of one model besides their weights."""
    return tuple(
        (
            name,
            type(part).__name__,
            tuple(
                sorted(
                    (key, value)
                    for key, value in vars(part).items()
                    if isinstance(value, str | bool | int | float)
                    and not key.startswith("_")
                    and key not in ("layer_idx", "training", "layer_id", "layer_number")
                )
            ),
        )
        for name, part in layer.named_modules()
    )
