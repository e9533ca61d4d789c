"""Converts a GGUF file to safetensors, once, in the cache; digests tie the two together.

Configuration, tensors and tokenizer are read here and in `sources`, by the same tables that
`inspect` counts with: transformers' own reader passes over what it doesn't know.
"""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weighbridge.errors import InputError, StorageError
from weighbridge.models.gguf_tensors import Target, read_tensor, targets
from weighbridge.models.gguf_tokenizer import end_token_ids, tokenizer_notes, tokenizer_of_gguf
from weighbridge.sources.digests import file_digest
from weighbridge.sources.gguf_config import loadable_config
from weighbridge.sources.gguf_header import GgufHeader, read_gguf_header
from weighbridge.sources.safetensors_files import INDEX, WHOLE
from weighbridge.sources.weights import WeightsLocation

CONVERSION = 2  # raise when the same file would become other tensors or another tokenizer
_SHARD_BYTES = 2 << 30  # held in memory at once


def as_safetensors(location: WeightsLocation, cache: Path) -> tuple[Path, dict[str, str]]:
    """Return a folder of safetensors for a location, converting a GGUF file if need be.

    Args:
        location: Where the weights are.
        cache: Where conversions are kept.

    Returns:
        The folder, and facts about a conversion: `gguf_digest`, `quantization`, and `note` where a
        reader of the run must know something.

    Raises:
        InputError: The file is cut short, is not the one that its publisher described, or holds
            what is not understood.
        StorageError: The cache can't be written.
    """
    if location.kind == "safetensors":
        return location.path, {}
    header = read_gguf_header(location.path)
    digest = gguf_digest(header.shards)
    if location.expected_digest and digest != location.expected_digest:
        raise InputError(
            f"{location.path} has digest {digest}",
            location.expected_digest,
            "install the package again: its weights were altered",
        )
    facts = {"gguf_digest": digest, "quantization": header.quantization}
    note = tokenizer_notes(header)
    if note:
        facts["note"] = note
    folder = cache / "converted" / f"{digest.removeprefix('sha256:')[:24]}-v{CONVERSION}"
    if not (folder / "conversion.json").is_file():
        _convert(location.path, folder, facts)
    return folder, facts


def gguf_digest(shards: Sequence[Path]) -> str:
    """Digest a GGUF file; for a model split over several, digest their digests in order."""
    digests = [file_digest(path) for path in shards]
    if len(digests) == 1:
        return digests[0]
    return "sha256:" + hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _convert(path: Path, folder: Path, facts: dict[str, str]) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        _write(path, unfinished)
        (unfinished / "conversion.json").write_text(json.dumps(facts, indent=1) + "\n")
        for written in unfinished.iterdir():
            with written.open("rb+") as file:
                os.fsync(file.fileno())
        unfinished.chmod(0o755)
        if not folder.exists():
            unfinished.rename(folder)
    except OSError as error:
        if not (folder / "conversion.json").is_file():  # else another process was faster
            raise _cannot_write(folder, error) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _write(path: Path, folder: Path) -> None:
    header = read_gguf_header(path, lists=True)
    config = loadable_config(header, str(path))
    tokenizer = tokenizer_of_gguf(header, str(path))
    config |= _tokens(header)
    planned = _untied(targets(header, config, str(path)), header, config)
    _write_tensors(planned, header, folder)
    (folder / "config.json").write_text(json.dumps({**config, "dtype": "float32"}, indent=1) + "\n")
    generation = {**_tokens(header), "eos_token_id": end_token_ids(header)}
    (folder / "generation_config.json").write_text(json.dumps(generation, indent=1) + "\n")
    tokenizer.save_pretrained(folder)


def _tokens(header: GgufHeader) -> dict[str, int | None]:
    """Special tokens under the names of `config.json`; missing ones become None, not a default."""
    names = {"bos_token_id": "bos", "eos_token_id": "eos", "pad_token_id": "padding"}
    return {
        field: header.fields.get(f"tokenizer.ggml.{name}_token_id") for field, name in names.items()
    }


def _untied(planned: list[Target], header: GgufHeader, config: dict[str, Any]) -> list[Target]:
    """Settle a head that is stored though the architecture ties it: once, if it is the same."""
    head, entry = "output.weight", "token_embd.weight"
    if not config["tie_word_embeddings"] or head not in header.tensors:
        return planned
    if np.array_equal(read_tensor(header, head), read_tensor(header, entry)):
        return [target for target in planned if target.sources != (head,)]
    config["tie_word_embeddings"] = False
    return planned


def _write_tensors(planned: list[Target], header: GgufHeader, folder: Path) -> None:
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    parts = list(_parts(planned, header))
    listed: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        name = WHOLE if len(parts) == 1 else f"model-{number:05}-of-{len(parts):05}.safetensors"
        tensors = {target.name: np.ascontiguousarray(_made(target, header)) for target in part}
        try:
            save_file(tensors, folder / name, {"format": "pt"})
        except SafetensorError as error:  # safetensors reports a full disk in its own way
            raise OSError(str(error)) from error
        listed |= dict.fromkeys(tensors, name)
    if len(parts) > 1:
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": listed}) + "\n")


def _made(target: Target, header: GgufHeader) -> "np.ndarray[Any, Any]":
    try:
        return target.make(*(read_tensor(header, source) for source in target.sources))
    except (ValueError, ArithmeticError, LookupError) as error:
        shapes = ", ".join(str(header.tensors[source]) for source in target.sources)
        raise InputError(
            f"{header.shards[0]}: {', '.join(target.sources)} of shape {shapes} can't be "
            f"{target.name} ({' '.join(str(error).split())})",
            "tensors of the shape that the heads and sizes of its metadata give",
            "fetch the file again, or convert the model to GGUF again",
        ) from error


def _parts(planned: list[Target], header: GgufHeader) -> Iterator[list[Target]]:
    """Cut the tensors into files that fit the memory one at a time."""
    part: list[Target] = []
    held = 0
    for target in planned:
        size = 4 * sum(int(np.prod(header.tensors[source])) for source in target.sources)
        if part and held + size > _SHARD_BYTES:
            yield part
            part, held = [], 0
        part.append(target)
        held += size
    yield part


def _cannot_write(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the converted weights can't be written to {folder.parent} ({error.strerror or error})",
        "a writable cache with room for the model in float32",
        "free space, or name another folder with --cache",
    )
