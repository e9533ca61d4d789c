"""A GGUF file becomes a folder of safetensors once, in the cache; digests bind the two."""

import contextlib
import functools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, StorageError
from weighbridge.sources.digests import file_digest
from weighbridge.sources.gguf_header import read_gguf_header
from weighbridge.sources.weights import WeightsLocation

CONVERSION = 1  # raise when the same file would become other tensors or another tokenizer


def as_safetensors(location: WeightsLocation, cache: Path) -> tuple[Path, dict[str, str]]:
    """Return a folder of safetensors for a location, converting a GGUF file if need be.

    Args:
        location: Where the weights are.
        cache: Where conversions are kept.

    Returns:
        The folder, and facts about a conversion: `gguf_digest` and `quantization`.

    Raises:
        InputError: The file is cut short, or is not the one that its publisher described.
        StorageError: The cache can't be written.
    """
    if location.kind == "safetensors":
        return location.path, {}
    header = read_gguf_header(location.path)
    digest = file_digest(location.path)
    if location.expected_digest and digest != location.expected_digest:
        raise InputError(
            f"{location.path} has digest {digest}",
            location.expected_digest,
            "install the package again: its weights were altered",
        )
    facts = {"gguf_digest": digest, "quantization": header.quantization}
    folder = cache / "converted" / f"{digest.removeprefix('sha256:')[:24]}-v{CONVERSION}"
    if not (folder / "conversion.json").is_file():
        _convert(location.path, folder, facts)
    return folder, facts


def _convert(path: Path, folder: Path, facts: dict[str, str]) -> None:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        unfinished = Path(tempfile.mkdtemp(prefix=".converting-", dir=folder.parent))
    except OSError as error:
        raise _cannot_write(folder, error) from error
    try:
        _write(path, unfinished)
        (unfinished / "conversion.json").write_text(json.dumps(facts, indent=1) + "\n")
        for path in unfinished.iterdir():
            with path.open("rb+") as file:
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
    from safetensors import SafetensorError

    with _quiet_transformers() as transformers:
        import torch

        try:
            model = transformers.AutoModelForCausalLM.from_pretrained(
                path.parent, gguf_file=path.name, dtype=torch.float32, local_files_only=True
            )
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                path.parent, gguf_file=path.name, local_files_only=True
            )
        except (ValueError, KeyError, NotImplementedError) as error:
            raise InputError(
                f"{path} can't be converted ({error})",
                "an architecture whose GGUF form transformers reads",
                "use the model's safetensors instead",
            ) from error
        # The tensors are plain float32 now; left in place, this would mark them as quantised.
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.hf_quantizer = None
        model.is_quantized = False
        try:
            model.save_pretrained(folder)
        except SafetensorError as error:  # safetensors reports a full disk in its own way
            raise OSError(str(error)) from error
        tokenizer.save_pretrained(folder)


def _cannot_write(folder: Path, error: OSError) -> StorageError:
    return StorageError(
        f"the converted weights can't be written to {folder.parent} ({error.strerror or error})",
        "a writable cache with room for the model in float32",
        "free space, or name another folder with --cache",
    )


@contextlib.contextmanager
def _quiet_transformers() -> Iterator[Any]:
    import transformers
    from transformers import modeling_gguf_pytorch_utils as reader

    level = transformers.utils.logging.get_verbosity()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    bar, reader.tqdm = reader.tqdm, functools.partial(reader.tqdm, disable=True)
    try:
        yield transformers
    finally:
        reader.tqdm = bar
        transformers.utils.logging.set_verbosity(level)
