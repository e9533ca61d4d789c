"""Scores continuations: one pass over the prefix tree, with logits at the scored positions only."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from weighbridge.models.engine.layout import KeyValue, layout_of, packed
from weighbridge.models.engine.network import Network
from weighbridge.models.engine.tree import (
    MAX_ROWS_PER_SHARED_TOKEN,
    TokenIds,
    Tree,
    build_tree,
    cut_into_packs,
)

OnTokens = Callable[[int, int], None]
"""Called after each pass with the number of tokens computed, and the number still to come."""

ROWS_OF_LOGITS = 256  # rows projected at once: 256 x 49,152 x 4 bytes is 50 MB


@dataclass(frozen=True)
class Likelihood:
    """Ask for log p(continuation | context); both are token ids, the continuation not empty."""

    context: TokenIds
    continuation: TokenIds


@dataclass
class Scored:
    """Sum of natural log-probabilities, and whether greedy decoding would give the same tokens."""

    logprob: float = 0.0
    greedy: bool = True


@dataclass(frozen=True)
class _Wanted:
    """Token `token` of likelihood `index` is predicted by position `position` of its sequence."""

    index: int
    position: int
    token: int


def score_tokens(
    network: Network,
    likelihoods: Sequence[Likelihood],
    pack_tokens: int,
    on_tokens: OnTokens,
) -> list[Scored]:
    """Score every likelihood.

    Args:
        network: The model.
        likelihoods: What to score.
        pack_tokens: Tokens per forward pass, which bound the memory.
        on_tokens: See `OnTokens`.

    Returns:
        Scores in the order of the likelihoods.
    """
    sequences = [np.concatenate([x.context, x.continuation[:-1]]) for x in likelihoods]
    wanted = [
        _Wanted(i, len(x.context) - 1 + k, int(token))
        for i, x in enumerate(likelihoods)
        for k, token in enumerate(x.continuation)
    ]
    scores = [Scored() for _ in likelihoods]
    for group, logits in _rows_of_logits(network, sequences, wanted, pack_tokens, on_tokens):
        _add_up(scores, group, logits)
    return scores


@torch.inference_mode()
def _add_up(scores: list[Scored], groups: list[list[_Wanted]], logits: Tensor) -> None:
    """Add the wanted tokens' log-probabilities to scores; overwrites logits (rows, vocabulary)."""
    rows = torch.tensor([row for row, group in enumerate(groups) for _ in group])
    tokens = torch.tensor([w.token for group in groups for w in group])
    rows, tokens = rows.to(logits.device), tokens.to(logits.device)
    wanted = logits[rows, tokens]
    peak = logits.amax(-1)
    greedy = (wanted == peak[rows]).tolist()
    normaliser = logits.sub_(peak[:, None]).exp_().sum(-1).log_().add_(peak)  # in place: no copy
    logprobs = (wanted - normaliser[rows]).tolist()
    for want, logprob, is_greedy in zip(
        (w for group in groups for w in group), logprobs, greedy, strict=True
    ):
        scores[want.index].logprob += logprob
        scores[want.index].greedy &= is_greedy


def _rows_of_logits(
    network: Network,
    sequences: list[TokenIds],
    wanted: list[_Wanted],
    pack_tokens: int,
    on_tokens: OnTokens,
) -> Iterator[tuple[list[list[_Wanted]], Tensor]]:
    """Yield wanted tokens, grouped by the position that predicts them, with its logits."""
    network.check()
    unshareable = {i for i, sequence in enumerate(sequences) if not network.shares(len(sequence))}
    unshared = [want for want in wanted if want.index in unshareable]
    distinct = {sequences[i].tobytes() for i in unshareable}
    later = sum(len(key) for key in distinct) // np.dtype(np.int64).itemsize
    if len(unshareable) < len(sequences):
        places = [i for i in range(len(sequences)) if i not in unshareable]
        tree = build_tree([sequences[i] for i in places], pack_tokens, MAX_ROWS_PER_SHARED_TOKEN)
        in_tree = {index: place for place, index in enumerate(places)}
        together = [want for want in wanted if want.index in in_tree]
        yield from _by_tree(
            network, tree, in_tree, together, pack_tokens,
            lambda tokens, to_come: on_tokens(tokens, to_come + later),
        )  # fmt: skip
    yield from _by_sequence(network, sequences, unshared, on_tokens)


def _by_tree(
    network: Network,
    tree: Tree,
    in_tree: dict[int, int],
    wanted: list[_Wanted],
    pack_tokens: int,
    on_tokens: OnTokens,
) -> Iterator[tuple[list[list[_Wanted]], Tensor]]:
    by_place: dict[int, dict[int, list[_Wanted]]] = {}
    for want in wanted:
        segment, offset = tree.locate(in_tree[want.index], want.position)
        by_place.setdefault(segment, {}).setdefault(offset, []).append(want)
    store: dict[int, list[KeyValue]] = {}
    to_come = tree.tokens
    for pack in cut_into_packs(tree, pack_tokens):
        rows, groups = [], []
        for segment in range(pack.first, pack.last):
            for offset, group in sorted(by_place.get(segment, {}).items()):
                rows.append(pack.offsets[segment] + offset)
                groups.append(group)
        with packed(layout_of(pack, store)):
            hidden = network.hidden(pack.tokens[None], pack.positions[None], rows)[0]
        for segment in pack.release:
            del store[segment]
        for start in range(0, len(rows), ROWS_OF_LOGITS):
            chosen = torch.tensor(rows[start : start + ROWS_OF_LOGITS], device=hidden.device)
            yield groups[start : start + ROWS_OF_LOGITS], network.logits(hidden[chosen])
        to_come -= len(pack.tokens)
        on_tokens(len(pack.tokens), to_come)


def _by_sequence(
    network: Network,
    sequences: list[TokenIds],
    wanted: list[_Wanted],
    on_tokens: OnTokens,
) -> Iterator[tuple[list[list[_Wanted]], Tensor]]:
    """Compute each distinct sequence by itself, with the model's own code."""
    by_sequence: dict[bytes, dict[int, list[_Wanted]]] = {}
    for want in wanted:
        key = sequences[want.index].tobytes()
        by_sequence.setdefault(key, {}).setdefault(want.position, []).append(want)
    to_come = sum(len(key) for key in by_sequence) // np.dtype(np.int64).itemsize
    for key, by_position in by_sequence.items():
        tokens = np.frombuffer(key, dtype=np.int64).copy()
        positions = sorted(by_position)
        yield [by_position[p] for p in positions], network.logits_unbatched(tokens, positions)
        to_come -= len(tokens)
        on_tokens(len(tokens), to_come)
