"""A base that is held in four bits while an adapter is trained on it, and given back as it was."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weighbridge.models.nf4_record import Nf4Record
    from weighbridge.tuning.settings import TuneSettings


@contextmanager
def attached_in_four_bits(
    module: Any,
    settings: "TuneSettings",
    base: str,
    folder: Path,
    notes: list[str],
    options: Mapping[str, Any],
) -> Iterator[Any]:
    """Lend the base in four bits with an adapter on it, and give it back as it was.

    Raises:
        InputError: It can't be held so, or has become another one since the run began.
        MissingPiece: bitsandbytes is not here.
    """
    from weighbridge.tuning.adapters import attached_adapter

    with _in_four_bits(module, folder) as record:
        _require_same(record, folder)
        notes.append(record.sentence())
        with attached_adapter(module, settings, base, notes, options) as adapted:
            yield adapted


def save_with_record(adapted: Any, path: Path) -> None:
    """Write an adapter, and beside it what it was trained against.

    Raises:
        StorageError: The disk is full or can't be written.
    """
    from weighbridge.models.nf4 import record_of
    from weighbridge.models.nf4_record import RECORD
    from weighbridge.tuning.adapters import adapter_config, adapter_tensors, write_adapter

    record = record_of(adapted.get_base_model())
    assert record is not None  # it is being trained in four bits
    write_adapter(
        adapter_config(adapted), adapter_tensors(adapted), path, beside={RECORD: record.text}
    )


@contextmanager
def loaded_in_four_bits(module: Any, result: Path) -> Iterator[Any]:
    """Lend the base that an adapter was trained against, with the adapter on it.

    Raises:
        InputError: It is another base.
        MissingPiece: bitsandbytes is not here.
    """
    from weighbridge.models import nf4
    from weighbridge.tuning.adapters import loaded_adapter

    # The tensors themselves: rounding gives the layers others.
    before = {} if nf4.record_of(module) else nf4.plain_weights(module)
    try:
        with loaded_adapter(module, result) as adapted:
            yield adapted
    finally:
        for name, weight in before.items():
            module.get_parameter(name).data = weight
        nf4.forget(module)


def merged_in_four_bits(adapted: Any) -> AbstractContextManager[None]:
    """Compute with plain weights: those of four bits, with the update added to them.

    Raises:
        InputError: A layer's weight is another module's as well.
    """
    from weighbridge.tuning.merged_layers import merged_layers

    return merged_layers(adapted, _merged_layer)


def _merged_layer(layer: Any) -> Callable[[], None]:
    """Let a layer compute with its numbers of four bits and the update, in one plain matrix."""
    from weighbridge.models import nf4, nf4_experts
    from weighbridge.tuning.merged_layers import merged_layer

    held = layer.get_base_layer()
    if nf4_experts.is_held_experts(held):
        return _merged_experts(layer, held)
    if not nf4.is_held(held):
        return merged_layer(layer)
    (name,) = layer.active_adapters
    layer.base_layer = nf4.plain_layer(held, layer.get_delta_weight(name))
    layer.merged_adapters.append(name)

    def restore() -> None:
        layer.base_layer = held
        layer.merged_adapters.clear()

    return restore


def _merged_experts(layer: Any, experts: Any) -> Callable[[], None]:
    """Let experts multiply with their numbers of four bits and the update, added expert by expert.

    The wrappers inside run no forward pass of their own, so all of a module are merged at once.
    """
    from weighbridge.models.grouped_experts import chain_of, updates_of
    from weighbridge.models.nf4_experts import merged_stack

    plain, wrappers = dict(experts.stacks), chain_of(layer)
    for which, update in updates_of(layer).items():
        experts.stacks[which] = merged_stack(experts, which, update)
    # merged_stack reads what stands there: the numbers of four bits alone.
    for one in wrappers:
        one.merged_adapters += one.active_adapters

    def restore() -> None:
        experts.stacks.update(plain)
        for one in wrappers:
            one.merged_adapters.clear()

    return restore


@contextmanager
def _in_four_bits(module: Any, folder: Path) -> "Iterator[Nf4Record]":
    """Hold a base in four bits, if it is not held so already.

    Its own weights lie in a file meanwhile. What a killed process leaves of that file, the next
    one removes.
    """
    from weighbridge.models import nf4
    from weighbridge.storage import PART
    from weighbridge.tuning.tensors import read_tensors, write_tensors

    if (held := nf4.record_of(module)) is not None:
        yield held
        return
    before = folder / f".base.{os.getpid()}{PART}"
    write_tensors(before, nf4.plain_weights(module))
    try:
        yield nf4.quantise(module)
    finally:
        nf4.put_back(module, read_tensors(before))
        before.unlink(missing_ok=True)


def _require_same(record: "Nf4Record", folder: Path) -> None:
    """Write down what a run trains against, or compare it with what the run began with."""
    from weighbridge.errors import InputError
    from weighbridge.models.nf4_record import RECORD, read_record
    from weighbridge.storage import write_whole

    begun = read_record(folder)
    if begun is None:
        write_whole(folder / RECORD, record.text)
    elif begun != record:
        raise InputError(
            f"{folder} began with weights in four bits that are others now (bitsandbytes "
            f"{begun.bitsandbytes} on {begun.device} then, {record.bitsandbytes} on "
            f"{record.device} now)",
            "the same release on the same kind of device",
            "go on with those, or begin anew in another folder",
        )
