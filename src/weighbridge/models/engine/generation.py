"""Generates text by continuous batching: a slot is given to the next sequence when one ends.

Jobs are taken from their stream in order, so that the first answers are complete first. Prompts are
computed as a prefix tree (shared instructions once), in waves; a prompt's keys and values then move
into a free slot. Every sequence has its own sampler, so its text depends on its seed and not on
which others happened to be decoded beside it.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from weighbridge.models.engine.layout import KeyValue, Layout, layout_of, packed
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.slots import Slots, decoding
from weighbridge.models.engine.tree import (
    MAX_ROWS_PER_SHARED_TOKEN,
    TokenIds,
    build_tree,
    cut_into_packs,
)

WINDOW = 256  # jobs looked at together, to see how many positions their slots need
SLOTS = 64  # more rows a step use a CPU's matrix units better; beyond this little is gained
CAPACITY_STEP = 256  # positions; slots are laid out anew only when a window needs more of them

# Stands in place of a token where logits were NaN or infinite. The sequence ends. The next sequence
# in its slot may read values that it left there, so results after it must not be trusted.
BROKEN = -1

Window = list[tuple[int, "GenerationJob"]]


@dataclass(frozen=True)
class GenerationJob:
    """One sequence to write.

    Attributes:
        tokens: The prompt, shape (length,), not empty.
        max_tokens: Tokens to write at most.
        temperature: 0 is greedy.
        top_p: Probability mass of nucleus sampling; 1 keeps every token.
        seed: Seed of this sequence's own sampler.
        finished: Called after each token with all tokens written so far; True ends the sequence.
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
    job: GenerationJob
    written: list[int]
    sampler: torch.Generator | None

    def choose(self, logits: Tensor, greedy: int) -> int:
        """Return the next token from this sequence's logits (vocabulary,), or `BROKEN`."""
        if not math.isfinite(float(logits[greedy])):  # where one is NaN, argmax names it
            return BROKEN
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
    jobs: Iterable[GenerationJob],
    pack_tokens: int,
    memory_bytes: int,
    on_tokens: Callable[[int], None],
) -> Iterator[tuple[int, list[int]]]:
    """Yield `(index of the job, tokens written)` as sequences end; the last may be `BROKEN`.

    Args:
        network: The model.
        jobs: What to write; taken a window at a time.
        pack_tokens: Tokens per pass over prompts.
        memory_bytes: Bytes that keys and values of running sequences may take; at least one
            sequence always runs.
        on_tokens: Called after each pass with the number of tokens that it computed.
    """
    network.check()
    numbered = enumerate(jobs)
    unshareable: deque[tuple[int, GenerationJob]] = deque()
    more = True
    while more:
        more = False
        decoder = _SlotDecoder(network, pack_tokens, memory_bytes, on_tokens)
        for ended in decoder.run(_windows(_shareable(network, numbered, unshareable))):
            # Sequences that must be written alone don't wait until all others have ended.
            while unshareable:
                yield _generate_unbatched(network, *unshareable.popleft(), on_tokens)
            yield ended
            more = True
        while unshareable:
            yield _generate_unbatched(network, *unshareable.popleft(), on_tokens)
            more = True


def _shareable(
    network: Network,
    numbered: Iterator[tuple[int, GenerationJob]],
    unshareable: deque[tuple[int, GenerationJob]],
) -> Iterator[tuple[int, GenerationJob]]:
    """Yield jobs that may share passes; stop when `unshareable` is full of the others."""
    at_once = WINDOW if network.packs else 1
    while len(unshareable) < at_once and (following := next(numbered, None)) is not None:
        _, job = following
        if network.shares(len(job.tokens) + job.max_tokens):
            yield following
        else:
            unshareable.append(following)


def _windows(numbered: Iterator[tuple[int, GenerationJob]]) -> Iterator[Window]:
    while window := list(islice(numbered, WINDOW)):
        yield window


class _SlotDecoder:
    """Continuous batching over slots."""

    def __init__(
        self,
        network: Network,
        pack_tokens: int,
        memory_bytes: int,
        on_tokens: Callable[[int], None],
    ) -> None:
        self.network, self.pack_tokens, self.on_tokens = network, pack_tokens, on_tokens
        self.memory_bytes = memory_bytes

    def run(self, windows: Iterator[Window]) -> Iterator[tuple[int, list[int]]]:
        """Yield sequences as they end; slots are laid out anew when a window needs longer ones."""
        held = next(windows, None)
        while held is not None:
            capacity = _capacity(held)
            slots = Slots(self._count(capacity, len(held)))
            running: list[_Running | None] = [None] * slots.count
            waiting: deque[tuple[int, GenerationJob]] = deque(held)
            held = None
            while True:
                if not waiting and held is None:
                    held = next(windows, None)
                    if held is not None and _capacity(held) <= capacity:
                        waiting.extend(held)
                        held = None
                if not waiting:
                    running = _compacted(slots, running)
                    if not running:
                        break
                free = [slot for slot, who in enumerate(running) if who is None]
                if waiting and len(free) >= min(len(waiting), max(1, slots.count // 4)):
                    wave = [waiting.popleft() for _ in range(min(len(free), len(waiting)))]
                    yield from self._start(wave, free, slots, running)
                else:
                    yield from self._step(slots, running)

    def _count(self, capacity: int, jobs: int) -> int:
        fit = self.memory_bytes // max(1, capacity * self.network.key_value_bytes)
        return max(1, min(SLOTS, fit, jobs))

    def _start(
        self,
        wave: Window,
        free: list[int],
        slots: Slots,
        running: list[_Running | None],
    ) -> Iterator[tuple[int, list[int]]]:
        """Compute a wave of prompts as a tree, write each one's first token, and give it a slot."""
        tree = build_tree(
            [job.tokens for _, job in wave], self.pack_tokens, MAX_ROWS_PER_SHARED_TOKEN
        )
        ending_in: dict[int, Window] = {}
        for (index, job), leaf in zip(wave, tree.leaf_of, strict=True):
            ending_in.setdefault(leaf, []).append((index, job))
        store: dict[int, list[KeyValue]] = {}
        for pack in cut_into_packs(tree, self.pack_tokens, keep_all=True):
            ends = [leaf for leaf in range(pack.first, pack.last) if leaf in ending_in]
            rows = [pack.rows_of(leaf)[1] - 1 for leaf in ends]
            with packed(layout_of(pack, store)):
                hidden = self.network.hidden(pack.tokens[None], pack.positions[None], rows)[0]
            self.on_tokens(len(pack.tokens))
            first = self.network.logits(hidden[rows]) if rows else hidden[:0]
            for leaf, logits in zip(ends, first, strict=True):
                path = [store[segment] for segment in tree.path(leaf)]
                for index, job in ending_in[leaf]:
                    who = _Running(index, job, [], _sampler(job))
                    who.written.append(who.choose(logits, int(logits.argmax())))
                    if _ended(who):
                        yield index, who.written
                        continue
                    slot = free.pop(0)
                    slots.fill(slot, path)
                    running[slot] = who
            for segment in [s for s in store if tree.segments[s].last_descendant < pack.last]:
                del store[segment]

    def _step(
        self, slots: Slots, running: list[_Running | None]
    ) -> Iterator[tuple[int, list[int]]]:
        """Write one more token of every running sequence."""
        occupied = [(slot, who) for slot, who in enumerate(running) if who is not None]
        active = [slot for slot, _ in occupied]
        tokens = np.array([[who.written[-1]] for _, who in occupied], dtype=np.int64)
        positions = np.array([[slots.lengths[slot]] for slot in active], dtype=np.int64)
        with packed(Layout(torch.from_numpy(positions[:, 0]))), decoding(slots, active):
            hidden = self.network.hidden(tokens, positions)[:, 0]
        logits = self.network.logits(hidden)
        greedy = logits.argmax(-1).tolist()
        self.on_tokens(len(active))
        for row, (slot, who) in enumerate(occupied):
            who.written.append(who.choose(logits[row], greedy[row]))
            if _ended(who):
                running[slot] = None
                yield who.index, who.written


def _compacted(slots: Slots, running: list[_Running | None]) -> list[_Running | None]:
    """Drop empty slots once at least half are empty, because a step reads all slots."""
    kept = [slot for slot, who in enumerate(running) if who is not None]
    if len(kept) > slots.count // 2:
        return running
    if kept:
        slots.keep(kept)
    return [running[slot] for slot in kept]


def _capacity(window: Window) -> int:
    """Return the positions that the window's longest sequence can take, in whole steps."""
    longest = max(len(job.tokens) + job.max_tokens for _, job in window)
    return -(-longest // CAPACITY_STEP) * CAPACITY_STEP


def _sampler(job: GenerationJob) -> torch.Generator | None:
    return torch.Generator().manual_seed(job.seed) if job.temperature > 0 else None


def _ended(who: _Running) -> bool:
    if who.written[-1] == BROKEN:
        return True
    return who.job.finished(who.written) or len(who.written) >= who.job.max_tokens


def _generate_unbatched(
    network: Network, index: int, job: GenerationJob, on_tokens: Callable[[int], None]
) -> tuple[int, list[int]]:
    """Write one sequence with the architecture's own attention, cache and loop."""
    who = _Running(index, job, [], _sampler(job))

    def choose(logits: Tensor) -> tuple[int, bool]:
        on_tokens(1 if who.written else len(job.tokens))
        who.written.append(who.choose(logits, int(logits.argmax())))
        return who.written[-1], _ended(who)

    network.generate_unbatched(job.tokens, job.max_tokens, choose)
    return index, who.written
