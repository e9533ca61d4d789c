"""What DPO and ORPO have in common: pairs in a batch, their log-probabilities, and a reference.

The reference of DPO is the model before its first step: the base, whose adapter changes nothing
yet. So each pair's reference is computed once, before training, and kept in the run's folder. There
is no second model. Nor is the adapter switched off in every step: that would cost a forward pass a
step, and would give another model where a method starts from other weights than the base's (PiSSA
takes a part out of them) or has no adapter. It is exact: without an adapter's effect there is
no dropout of an adapter, and the base's own is off.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighbridge.errors import InputError
from weighbridge.sources.digests import file_digest
from weighbridge.sources.regular_files import read_regular
from weighbridge.storage import whole_folder
from weighbridge.tuning.batches import Batch, collate
from weighbridge.tuning.loss import token_losses
from weighbridge.tuning.method import Arrangement
from weighbridge.tuning.paired_rows import MaskedPair, parts_of
from weighbridge.tuning.tensors import read_tensors, write_tensors

_REFERENCE = "reference"  # a folder in the run's, whole or absent
_TENSORS, _DIGEST = "reference.safetensors", "digest.txt"


def pair_batch(pairs: Sequence[MaskedPair], device: Any, arrangement: Arrangement) -> Batch:
    """Lay pairs out for one forward pass: both answers of each, one after the other.

    As a tree, a prompt is computed once for its two answers.
    """
    rows = parts_of(pairs)
    known = [pair.reference for pair in pairs]
    return replace(
        collate(rows, device, arrangement),
        counts=tuple(sum(row.trained[1:]) for row in rows),
        reference=None if None in known else torch.tensor(known, device=device),
    )


def answer_log_probs(model: Any, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the log-probabilities of the preferred answers and of the others (P,).

    Each is the sum of its tokens'; the token that ends the answer's turn is one of them.
    """
    of_tokens = token_losses(model, batch).split(batch.counts)
    found = -torch.stack([losses.sum() for losses in of_tokens])
    return found[0::2], found[1::2]


def answer_lengths(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return how many tokens of preferred and of other answers count (P,)."""
    counts = torch.tensor(batch.counts, device=batch.token_ids.device)
    return counts[0::2], counts[1::2]


def with_reference(
    model: Any,
    train: tuple[Any, ...],
    validation: tuple[Any, ...],
    needed: Sequence[int],
    batch_size: int,
    arrangement: Arrangement,
    folder: Path,
    on_pairs: Callable[[int, int], None],
) -> tuple[tuple[MaskedPair, ...], tuple[MaskedPair, ...]]:
    """Put the untrained model's log-probabilities beside the pairs.

    Args:
        model: In evaluation mode, before its first step.
        train: All training pairs.
        validation: All validation pairs.
        needed: Which of the training pairs the run ever learns from.
        batch_size: Pairs of one forward pass.
        arrangement: How they are laid out in it.
        folder: The run's. What an earlier attempt computed is read from there: last bits depend on
            the machine, and a run that goes on needs the same ones.
        on_pairs: Told after each pass how many pairs are done, and of how many.
    """
    kept = folder / _REFERENCE
    found = _read(kept)
    if found is None:
        chosen = [train[at] for at in needed]
        pairs = [*chosen, *validation]
        found = _computed(model, pairs, batch_size, arrangement, on_pairs)
        with whole_folder(kept) as partial:
            write_tensors(partial / _TENSORS, {"log_probs": found})
            (partial / _DIGEST).write_text(file_digest(partial / _TENSORS), encoding="ascii")
    values = [(one, other) for one, other in found.tolist()]
    known = dict(zip(needed, values[: len(needed)], strict=True))
    return (
        tuple(replace(pair, reference=known.get(at)) for at, pair in enumerate(train)),
        tuple(
            replace(pair, reference=value)
            for pair, value in zip(validation, values[len(needed) :], strict=True)
        ),
    )


def _read(kept: Path) -> Tensor | None:
    """Return what an earlier attempt computed; None where it is not there whole."""
    try:
        digest = read_regular(kept / _DIGEST, what="a digest", within=kept).decode("ascii")
        if digest != file_digest(kept / _TENSORS):
            return None
    except (OSError, ValueError, InputError):
        return None
    return read_tensors(kept / _TENSORS)["log_probs"]


@torch.no_grad()
def _computed(
    model: Any,
    pairs: Sequence[MaskedPair],
    batch_size: int,
    arrangement: Arrangement,
    on_pairs: Callable[[int, int], None],
) -> Tensor:
    """Return both answers' log-probabilities of each pair (P, 2), pairs of like length together."""
    found = torch.empty((len(pairs), 2))
    order = sorted(range(len(pairs)), key=lambda at: len(pairs[at]))
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        batch = pair_batch([pairs[at] for at in places], model.device, arrangement)
        found[places] = torch.stack(answer_log_probs(model, batch), dim=1).float().cpu()
        on_pairs(start + len(places), len(pairs))
    return found
