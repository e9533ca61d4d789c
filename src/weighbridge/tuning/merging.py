"""Merge an adapter into its base: into a new folder, proven, and never over one that exists.

Where tuning gave a whole model there is nothing to merge, and it is copied.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.sources.digests import file_digest
from weighbridge.sources.documents import read_settings
from weighbridge.storage import new_folder
from weighbridge.tuning.adapters import load_adapter
from weighbridge.tuning.run_folder import CHECKPOINTS, result_weights
from weighbridge.tuning.whole_model import WEIGHTS, read_again, write_model

MERGE_TOLERANCE = 1e-4  # for logits of up to 10; in proportion beyond
_RECORD = "weighbridge_merge.json"


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
    """

    path: Path
    max_logit_difference: float
    probe_tokens: int
    before: bool = False
    copied: bool = False


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
    return Merged(
        path, record["max_logit_difference"], record["probe_tokens"], True,
        record.get("copied", False),
    )  # fmt: skip


def _is_free(path: Path) -> bool:
    if path.is_symlink() and not path.exists():
        return False
    return not path.exists() or (path.is_dir() and not any(path.iterdir()))


def _record_of(path: Path) -> dict[str, Any] | None:
    if not (path / _RECORD).is_file() or not (path / WEIGHTS).is_file():
        return None
    try:
        return read_settings(path / _RECORD, "the record of a merge", within=path)
    except InputError:
        return None  # it is not ours, and is never deleted


def _occupied(path: Path, what: str) -> InputError:
    return InputError(
        f"{path} {what}",
        "a new folder for the merged model: what exists is never deleted",
        "name another folder",
    )


def merge_adapter(module: Any, tokenizer: Any, adapter: Path, path: Path, probe: Tensor) -> Merged:
    """Merge an adapter into its base and save the result, proven against adapter on base.

    `module` itself becomes the merged model, so that no second copy need be held. What was written
    is loaded again and compared (every tensor to the bit, logits within `MERGE_TOLERANCE`) before
    it takes the name `path`: a head that is tied to the embeddings is easily lost on the way.

    Args:
        module: The base that the adapter was trained on, in fp32.
        tokenizer: Saved beside it.
        adapter: Folder in peft's format.
        path: Where the merged model goes: a new folder, or an empty one.
        probe: Some text. (1, S)

    Raises:
        InputError: The adapter isn't there or doesn't fit the base, or the folder is taken.
        WeighbridgeError: Merged and adapted model disagree.
        StorageError: The disk is full or can't be written.
    """
    require_free(path)
    adapted = load_adapter(module, adapter).eval()
    with torch.no_grad():
        expected = adapted(input_ids=probe, use_cache=False).logits
    merged = adapted.merge_and_unload(safe_merge=True)
    with new_folder(path) as partial:
        write_model(merged, tokenizer, partial)
        difference = _reload_difference(merged, partial, probe, expected)
        record = {
            "adapter": file_digest(result_weights(adapter)),
            "weights": file_digest(partial / WEIGHTS),
            "max_logit_difference": difference,
            "probe_tokens": int(probe.numel()),
        }
        (partial / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return Merged(path, difference, int(probe.numel()))


def copy_whole(model: Path, path: Path) -> Merged:
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
        record = {
            "adapter": digest,
            "weights": digest,
            "max_logit_difference": 0.0,
            "probe_tokens": 0,
            "copied": True,
        }
        (partial / _RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return Merged(path, 0.0, 0, copied=True)


@torch.no_grad()
def _reload_difference(merged: Any, folder: Path, probe: Tensor, expected: Tensor) -> float:
    again = read_again(merged, folder)
    logits = again(input_ids=probe, use_cache=False).logits
    difference = float((logits - expected).abs().max().item())
    allowed = MERGE_TOLERANCE * max(1.0, float(expected.abs().max()) / 10)
    if not difference < allowed:
        raise WeighbridgeError(
            f"merging changes the logits by up to {difference:.3g}",
            f"less than {allowed:.3g}",
            "keep the adapter apart from its base",
        )
    return difference
