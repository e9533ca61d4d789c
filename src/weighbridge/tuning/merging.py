"""Merge an adapter into its base: into a new folder, proven, and never over one that exists.

What was written is loaded again and held against adapter on base: every tensor to the bit, logits,
and the KL divergence on held-out text, which is bounded by the type of the numbers
(`weighbridge.tuning.divergence`). Only then the folder takes its name. Where tuning gave a whole
model there is nothing to merge, and it is copied.
"""

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.models import nf4
from weighbridge.models.nf4_record import read_record
from weighbridge.models.reading import digest_of
from weighbridge.records import Json
from weighbridge.sources.artefacts import MERGE_RECORD
from weighbridge.sources.digests import file_digest
from weighbridge.sources.documents import read_settings
from weighbridge.storage import new_folder
from weighbridge.tuning.adapters import load_adapter
from weighbridge.tuning.divergence import (
    Divergence,
    divergence,
    log_probabilities,
    require_close,
)
from weighbridge.tuning.held_out import HeldOut, held_out_text
from weighbridge.tuning.lineage import (
    LineageStep,
    adapter_step,
    measured_facts,
    write_folder_lineage,
)
from weighbridge.tuning.run_folder import CHECKPOINTS, result_weights
from weighbridge.tuning.tied_head import part_head, settle_head
from weighbridge.tuning.whole_model import WEIGHTS, read_again, write_model

MERGE_TOLERANCE = 1e-4  # in float32, for logits of up to 10; in proportion beyond
_APART = "keep the adapter apart from its base"


@dataclass(frozen=True)
class Merged:
    """A merged model on disk.

    Attributes:
        path: Folder with config, tokenizer and one safetensors file.
        max_logit_difference: Largest difference between adapter on base and the saved, reloaded
            model, over all positions of the probe.
        probe_tokens: Positions compared.
        before: Whether it was there already, from an earlier call.
        copied: Whether there was nothing to merge, since the result was a whole model.
        divergence: Of the reloaded model from adapter on base, on held-out text; None where there
            was nothing to merge, or an earlier version of the program merged it.
        dtype: The type of its numbers.
        kl_bound: What the divergence's mean may be at most, in nats.
        in_four_bits: Whether the adapter was added to the numbers of four bits it was trained on.
    """

    path: Path
    max_logit_difference: float
    probe_tokens: int
    before: bool = False
    copied: bool = False
    divergence: Divergence | None = None
    dtype: str = "float32"
    kl_bound: float | None = None
    in_four_bits: bool = False


def require_free(path: Path) -> None:
    """Check, before anything is loaded, that a merged model can be written to a folder.

    Raises:
        InputError: Something else is there; it is never deleted.
    """
    if _is_free(path) or _record_of(path):
        _require_writable(path)
        return
    what = "a folder that holds something" if path.is_dir() else "no folder"
    raise _occupied(path, f"is {what}")


def _require_writable(path: Path) -> None:
    """A folder that can't be made is better told now than after hours of training."""
    above = next(p for p in (path, *path.absolute().parents) if p.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        what = "no folder" if not above.is_dir() else "not writable"
        raise InputError(
            f"{path} can't be made: {above} is {what}", "a place to write to", "name another folder"
        )


def merged_before(path: Path, result: Path, run: Path) -> Merged | None:
    """Return the merge of this result that a folder holds; None where the folder is free.

    Args:
        path: Where the merged model should go.
        result: The run's adapter or model, which need not be there yet.
        run: The run's own folder.

    Raises:
        InputError: The folder is, or lies around, the run's own, or holds something else.
    """
    own, wanted = run.resolve(), path.resolve()
    inside = wanted.relative_to(own).parts[:1] if wanted.is_relative_to(own) else ("",)
    if own.is_relative_to(wanted) or inside[0] in (result.name, CHECKPOINTS):
        raise _occupied(path, f"is used by the run itself ({run})")
    if _is_free(path):
        return None
    record, file = _record_of(path), result_weights(result)
    if not record or not file.is_file() or record.get("adapter") != file_digest(file):
        raise _occupied(path, "holds the merge of another adapter" if record else "is not empty")
    if file_digest(path / WEIGHTS) != record.get("weights"):
        raise _occupied(path, "was changed after this adapter was merged into it")
    found = record.get("divergence")
    return Merged(
        path, record["max_logit_difference"], record["probe_tokens"], True,
        record.get("copied", False), Divergence(**found) if found else None,
        record.get("dtype", "float32"), record.get("kl_bound"), record.get("in_four_bits", False),
    )  # fmt: skip


def _is_free(path: Path) -> bool:
    if path.is_symlink() and not path.exists():
        return False
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def _record_of(path: Path) -> dict[str, Any] | None:
    if not (path / MERGE_RECORD).is_file() or not (path / WEIGHTS).is_file():
        return None
    try:
        return read_settings(path / MERGE_RECORD, "the record of a merge", within=path)
    except InputError:
        return None  # it is not ours, and is never deleted


def _occupied(path: Path, what: str) -> InputError:
    return InputError(
        f"{path} {what}",
        "a new folder for the merged model: what exists is never deleted",
        "name another folder",
    )


def merge_adapter(
    module: Any,
    tokenizer: Any,
    adapter: Path,
    path: Path,
    probe: Tensor,
    held_out: HeldOut | None = None,
    origin: Sequence[LineageStep] = (),
) -> Merged:
    """Merge an adapter into its base and save the result, proven against adapter on base.

    `module` itself becomes the merged model, so that no second copy need be held. An adapter that
    was trained against numbers of four bits is added to those, and not to the original ones.

    Args:
        module: The base that the adapter was trained on.
        tokenizer: Saved beside it.
        adapter: Folder in peft's format.
        path: Where the merged model goes: a new folder, or an empty one.
        probe: Some text, on which logits are compared. (1, S)
        held_out: Text on which the divergence is measured; None is the text that is shipped.
        origin: The steps from the base to the adapter, for the record in the folder.

    Raises:
        InputError: The adapter isn't there or doesn't fit the base, or the folder is taken.
        WeighbridgeError: Merged and adapted model disagree; the folder is not made.
        StorageError: The disk is full or can't be written.
    """
    require_free(path)
    held_out = held_out or _shipped(module, tokenizer)
    held = read_record(adapter)
    nf4.dequantise(module)
    adapted = load_adapter(module, adapter).eval()
    with torch.no_grad():
        expected = adapted(input_ids=probe, use_cache=False).logits
    before = log_probabilities(adapted, held_out.rows)
    part_head(adapted.get_base_model())
    merged = settle_head(adapted.merge_and_unload(safe_merge=True))
    nf4.forget(module)
    dtype = str(merged.dtype).removeprefix("torch.")
    with new_folder(path) as partial:
        write_model(merged, tokenizer, partial)
        again = read_again(merged, partial)
        difference = _logit_difference(again, probe, expected)
        found = divergence(before, log_probabilities(again, held_out.rows), held_out.source)
        bound = require_close(found, dtype, "the merged model", _APART)
        _write_record(
            partial,
            adapter=file_digest(result_weights(adapter)),
            max_logit_difference=difference,
            probe_tokens=int(probe.numel()),
            dtype=dtype,
            divergence=asdict(found),
            kl_bound=bound.mean,
            **({"in_four_bits": True} if held else {}),
        )
        proof = measured_facts(found, dtype, bound.mean)
        proof |= {"max_logit_difference": difference, "weights_digest": digest_of(again)[0]}
        if held is not None:
            proof["merged_into"] = {"base": "its numbers in four bits", **asdict(held)}
        write_folder_lineage(partial, (*origin, adapter_step(adapter)), "merged", proof)
    return Merged(
        path, difference, int(probe.numel()), divergence=found, dtype=dtype, kl_bound=bound.mean,
        in_four_bits=held is not None,
    )  # fmt: skip


def _shipped(module: Any, tokenizer: Any) -> HeldOut:
    rows = int(module.get_input_embeddings().weight.shape[0])
    context = getattr(module.config.get_text_config(), "max_position_embeddings", None)
    return held_out_text(tokenizer, (), rows, context)


def _write_record(folder: Path, adapter: str, **facts: Json) -> None:
    record = {"adapter": adapter, "weights": file_digest(folder / WEIGHTS), **facts}
    (folder / MERGE_RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def copy_whole(model: Path, path: Path, origin: Sequence[LineageStep] = ()) -> Merged:
    """Copy a whole model to where a merged one is asked for: there is no adapter to merge.

    Raises:
        InputError: The folder is taken.
        StorageError: The disk is full or can't be written.
    """
    require_free(path)
    with new_folder(path) as partial:
        for file in sorted(model.iterdir()):
            shutil.copyfile(file, partial / file.name)
        digest = file_digest(partial / WEIGHTS)
        _write_record(partial, digest, max_logit_difference=0.0, probe_tokens=0, copied=True)
        write_folder_lineage(partial, origin, "model", {})
    return Merged(path, 0.0, 0, copied=True)


@torch.no_grad()
def _logit_difference(again: Any, probe: Tensor, expected: Tensor) -> float:
    """Return the largest difference; in float32 it is bounded, rounded weights by the divergence.

    Raises:
        WeighbridgeError: It is above the bound.
    """
    logits = again(input_ids=probe, use_cache=False).logits
    difference = float((logits - expected).abs().max().item())
    allowed = MERGE_TOLERANCE * max(1.0, float(expected.abs().max()) / 10)
    if again.dtype == torch.float32 and not difference < allowed:
        raise WeighbridgeError(
            f"merging changes the logits by up to {difference:.3g}",
            f"less than {allowed:.3g}",
            _APART,
        )
    return difference
