"""Keys and values of sequences that are being written: a slot per sequence, a buffer per layer."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import torch
from torch import Tensor

from weighbridge.models.engine.layout import KeyValue, Rule
from weighbridge.process_memory import release_freed

BLOCK_TOKENS = 64  # buffers grow in steps, so that short answers don't pay for the longest
_WORTH_RELEASING = 64 << 20  # bytes outgrown; giving back less isn't worth the call


class Slots:
    """Buffers (slots, kv_heads, positions, head_dim), filled from position 0.

    Attributes:
        count: Number of slots.
        lengths: Number of positions filled, by slot.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self.lengths = [0] * count
        self._keys: list[Tensor] = []
        self._values: list[Tensor] = []

    def fill(self, slot: int, path: list[list[KeyValue]]) -> None:
        """Copy a prompt's keys and values, given by segment and layer, into a slot."""
        length = sum(layers[0][0].shape[2] for layers in path)
        if not self._keys:
            for key, value in path[0]:
                self._keys.append(self._new(key, 0))
                self._values.append(self._new(value, 0))
        self._grow(length + 1)
        start = 0
        for layers in path:
            stop = start + layers[0][0].shape[2]
            for layer, (key, value) in enumerate(layers):
                self._keys[layer][slot, :, start:stop] = key[0]
                self._values[layer][slot, :, start:stop] = value[0]
            start = stop
        self.lengths[slot] = length

    def keep(self, kept: list[int]) -> None:
        """Drop all slots but these, which are renumbered from 0 in the given order."""
        for buffers in (self._keys, self._values):
            for layer, old in enumerate(buffers):
                buffers[layer] = old[kept]
        self.lengths = [self.lengths[slot] for slot in kept]
        self.count = len(kept)

    def append(
        self, layer: int, active: list[int], key: Tensor, value: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Add one position of one layer to the active slots and return the layer's buffers.

        Args:
            layer: The layer.
            active: Indices of the active slots, ascending.
            key: Keys, shape (active, kv_heads, 1, head_dim).
            value: Values, shape (active, kv_heads, 1, head_dim).

        Returns:
            Keys and values of all slots (slots, kv_heads, longest + 1, head_dim), not copied.
        """
        keys, values = self._keys[layer], self._values[layer]
        slots = torch.tensor(active, device=keys.device)
        at = torch.tensor([self.lengths[s] for s in active], device=keys.device)
        keys[slots, :, at] = key[:, :, 0]
        values[slots, :, at] = value[:, :, 0]
        until = max(self.lengths[s] for s in active) + 1
        return keys[:, :, :until], values[:, :, :until]

    def advance(self, active: list[int]) -> None:
        """Count the position that `append` has just added in every layer."""
        for slot in active:
            self.lengths[slot] += 1
        self._grow(max(self.lengths[s] for s in active) + 1)

    def mask(self, active: list[int], window: int | None) -> Tensor:
        """Return the additive mask (slots, 1, 1, longest + 1): 0 where seen, else -inf.

        Slots that are not active look at their first position, so that nothing becomes NaN.
        """
        lengths = torch.zeros(self.count, dtype=torch.long)
        lengths[active] = torch.tensor([self.lengths[s] for s in active])
        positions = torch.arange(int(lengths.max()) + 1)
        unseen = positions[None, :] > lengths[:, None]
        if window is not None:
            unseen |= lengths[:, None] - positions[None, :] >= window
        mask = torch.zeros(unseen.shape).masked_fill_(unseen, float("-inf"))
        return mask[:, None, None, :].to(self._keys[0])

    def _new(self, like: Tensor, tokens: int) -> Tensor:
        return like.new_zeros(self.count, like.shape[1], tokens, like.shape[3])

    def _grow(self, tokens: int) -> None:
        have = self._keys[0].shape[2]
        if tokens <= have:
            return
        want = -(-tokens // BLOCK_TOKENS) * BLOCK_TOKENS
        outgrown = sum(buffer.nbytes for buffer in (*self._keys, *self._values))
        for buffers in (self._keys, self._values):
            for layer, old in enumerate(buffers):
                new = self._new(old, want)
                new[:, :, :have] = old
                buffers[layer] = new
        if outgrown >= _WORTH_RELEASING:
            # No larger buffer fits where a smaller one was, so the holes would only add up.
            release_freed()


class _Step:
    """One token for each active slot; layers with the same window share a mask."""

    def __init__(self, slots: Slots, active: list[int]) -> None:
        self.slots, self.active = slots, active
        self._masks: dict[int | None, Tensor] = {}

    def mask(self, window: int | None) -> Tensor:
        if window not in self._masks:
            self._masks[window] = self.slots.mask(self.active, window)
        return self._masks[window]


_decoding: ContextVar[_Step | None] = ContextVar("weighbridge_decoding", default=None)


@contextmanager
def decoding(slots: Slots, active: list[int]) -> Iterator[None]:
    """Make attention read and extend these slots for one forward pass."""
    token = _decoding.set(_Step(slots, active))
    try:
        yield
        slots.advance(active)
    finally:
        _decoding.reset(token)


def decode_attention(
    layer: int, query: Tensor, key: Tensor, value: Tensor, rule: Rule
) -> Tensor | None:
    """Attend from one new token per active slot; return None outside of `decoding`.

    Shapes: query (active, heads, 1, key_dim); result (active, 1, heads, value_dim).
    """
    step = _decoding.get()
    if step is None:
        return None
    slots, active = step.slots, step.active
    keys, values = slots.append(layer, active, key, value)
    _, heads, _, width = query.shape
    # Empty slots take part with a zero query: cheaper than copying the others' keys together.
    if len(active) < slots.count:
        everyone = query.new_zeros(slots.count, heads, 1, width)
        everyone[active] = query
        query = everyone
    # Query heads that share a key head become rows of one product: keys are read once.
    grouped = query.reshape(slots.count, keys.shape[1], -1, width)
    scores = torch.matmul(grouped * rule.scale, keys.transpose(-1, -2))
    if rule.softcap is not None:
        scores = torch.tanh(scores / rule.softcap) * rule.softcap
    scores = scores + step.mask(rule.window)
    if rule.sinks is None:
        weights = torch.softmax(scores, -1)
    else:
        sinks = rule.sinks.to(scores).view(1, keys.shape[1], -1, 1).expand(slots.count, -1, -1, 1)
        weights = torch.softmax(torch.cat([scores, sinks], -1), -1)[..., :-1]
    out = torch.matmul(weights, values).reshape(slots.count, 1, heads, values.shape[-1])
    return out if len(active) == slots.count else out[active]
