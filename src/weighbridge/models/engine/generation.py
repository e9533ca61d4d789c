"""Text, token by token: a fixed number of slots, each taken over as soon as its sequence ends.

Prompts are computed as a prefix tree (shared instructions once), in waves; a prompt's keys and
values then move into a free slot. Every sequence has its own sampler, so its text depends on its
seed and not on which others happened to be decoded beside it.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from weighbridge.models.engine.attention import (
    KeyValue,
    Layout,
    UnsupportedAttention,
    layout_of,
    packed,
)
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.slots import Slots, decoding
from weighbridge.models.engine.tree import TokenIds, build_tree, cut_into_packs


@dataclass(frozen=True)
class Job:
    """One sequence to write.

    Attributes:
        tokens: The prompt, shape (length,), not empty.
        max_tokens: Tokens to write at most.
        temperature: 0 is greedy.
        top_p: Nucleus; 1 keeps everything.
        seed: Of this sequence's own sampler.
        finished: Told the tokens written so far after each; True ends the sequence.
    """

    tokens: TokenIds
    max_tokens: int
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    finished: Callable[[list[int]], bool] = field(default=lambda _: False)


@dataclass
class _Running:
    index: int
    job: Job
    written: list[int]
    sampler: torch.Generator | None

    def choose(self, logits: Tensor, greedy: int) -> int:
        """Next token from this sequence's logits (vocabulary,)."""
        if self.sampler is None:
            return greedy
        probabilities = torch.softmax(logits.cpu() / self.job.temperature, -1)
        if self.job.top_p < 1:
            ordered, order = probabilities.sort(descending=True, stable=True)
            beyond = ordered.cumsum(-1) - ordered >= self.job.top_p
            probabilities = probabilities.index_fill(0, order[beyond], 0.0)
        return int(torch.multinomial(probabilities, 1, generator=self.sampler))


def write_sequences(
    network: Network,
    jobs: Sequence[Job],
    slots: int,
    pack_tokens: int,
    on_tokens: Callable[[int], None],
) -> Iterator[tuple[int, list[int]]]:
    """Yield `(index of the job, tokens written)` as sequences end.

    Args:
        network: The model.
        jobs: What to write.
        slots: Sequences decoded side by side.
        pack_tokens: Tokens per pass over prompts.
        on_tokens: Told how many tokens each pass computed.
    """
    if network.packs:
        decoder = _SlotDecoder(network, slots, pack_tokens, on_tokens)
        started = False
        try:
            for result in decoder.run(jobs):
                started = True
                yield result
            return
        except UnsupportedAttention as reason:
            if started:
                raise
            network.stop_packing(str(reason))
    for index, job in enumerate(jobs):
        yield index, _write_alone(network, job, on_tokens)


class _SlotDecoder:
    """Continuous batching over a fixed number of slots."""

    def __init__(
        self, network: Network, slots: int, pack_tokens: int, on_tokens: Callable[[int], None]
    ) -> None:
        self.network, self.pack_tokens, self.on_tokens = network, pack_tokens, on_tokens
        self.slot_count = slots

    def run(self, jobs: Sequence[Job]) -> Iterator[tuple[int, list[int]]]:
        # Longest prompts first: short ones then fill the places that fall free towards the end.
        waiting = sorted(range(len(jobs)), key=lambda i: (-len(jobs[i].tokens), i))
        # As many slots as make the last wave as full as the first.
        waves = -(-len(jobs) // self.slot_count)
        count = -(-len(jobs) // max(1, waves))
        capacity = max((len(j.tokens) + j.max_tokens for j in jobs), default=0)
        slots = Slots(count, capacity)
        running: list[_Running | None] = [None] * count
        while waiting or any(running):
            free = [slot for slot, who in enumerate(running) if who is None]
            if waiting and free and len(free) >= min(len(waiting), max(1, count // 4)):
                wave, waiting = waiting[: len(free)], waiting[len(free) :]
                yield from self._start(jobs, wave, free, slots, running)
            elif any(running):
                yield from self._step(slots, running)

    def _start(
        self,
        jobs: Sequence[Job],
        wave: list[int],
        free: list[int],
        slots: Slots,
        running: list[_Running | None],
    ) -> Iterator[tuple[int, list[int]]]:
        """Compute a wave of prompts as a tree, write each one's first token, and seat it."""
        tree = build_tree([jobs[i].tokens for i in wave], longest_segment_tokens=self.pack_tokens)
        store: dict[int, list[KeyValue]] = {}
        last_hidden: dict[int, Tensor] = {}
        ends = {tree.leaf_of[k] for k in range(len(wave))}
        for pack in cut_into_packs(tree, self.pack_tokens, keep_all=True):
            with packed(layout_of(pack, store)):
                hidden = self.network.hidden(pack.tokens[None], pack.positions[None])[0]
            for segment in range(pack.first, pack.last):
                if segment in ends:
                    last_hidden[segment] = hidden[pack.rows_of(segment)[1] - 1]
            self.on_tokens(len(pack.tokens))
        logits = self.network.logits(torch.stack([last_hidden[leaf] for leaf in tree.leaf_of]))
        greedy = logits.argmax(-1).tolist()
        for k, index in enumerate(wave):
            job = jobs[index]
            sampler = None
            if job.temperature > 0:
                sampler = torch.Generator().manual_seed(job.seed)
            who = _Running(index, job, [], sampler)
            who.written.append(who.choose(logits[k], greedy[k]))
            if _ended(who):
                yield index, who.written
                continue
            slot = free.pop(0)
            slots.seat(slot, [store[s] for s in tree.path(tree.leaf_of[k])])
            running[slot] = who

    def _step(
        self, slots: Slots, running: list[_Running | None]
    ) -> Iterator[tuple[int, list[int]]]:
        """Write one more token of every running sequence."""
        seated = [(slot, who) for slot, who in enumerate(running) if who is not None]
        active = [slot for slot, _ in seated]
        tokens = np.array([[who.written[-1]] for _, who in seated], dtype=np.int64)
        positions = np.array([[slots.lengths[slot]] for slot in active], dtype=np.int64)
        with packed(Layout(own=[])), decoding(slots, active):
            hidden = self.network.hidden(tokens, positions)[:, 0]
        logits = self.network.logits(hidden)
        greedy = logits.argmax(-1).tolist()
        self.on_tokens(len(active))
        for row, (slot, who) in enumerate(seated):
            who.written.append(who.choose(logits[row], greedy[row]))
            if _ended(who):
                running[slot] = None
                yield who.index, who.written


def _ended(who: _Running) -> bool:
    return who.job.finished(who.written) or len(who.written) >= who.job.max_tokens


def _write_alone(network: Network, job: Job, on_tokens: Callable[[int], None]) -> list[int]:
    """The fallback: one sequence with the architecture's own attention and cache."""
    sampler = torch.Generator().manual_seed(job.seed) if job.temperature > 0 else None
    who = _Running(0, job, [], sampler)
    cache = None
    tokens = torch.from_numpy(job.tokens)[None].to(network.device)
    while True:
        with torch.inference_mode():
            out = network.causal.base_model(input_ids=tokens, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        logits = network.logits(out.last_hidden_state[:, -1])[0]
        on_tokens(tokens.shape[1])
        who.written.append(who.choose(logits, int(logits.argmax())))
        if _ended(who):
            return who.written
        tokens = torch.tensor([[who.written[-1]]], device=network.device)
