"""Checks the files of a model's folder before libraries open them.

transformers, tokenizers, peft and safetensors open files by name, wait at a pipe, and read a file
whole whatever its size. So every file that they might open is a regular one of this folder (or of
its repository in the Hub's cache), of a size that such files have, and JSON is not nested deeper
than their readers go. Weights may have any size: their headers are checked where they are read.
"""

from collections.abc import Iterator
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.sources.json_bounds import require_bounded
from weighbridge.sources.regular_files import (
    SETTINGS_BYTES,
    TOKENIZER_BYTES,
    read_regular,
    require_regular,
)

_TEMPLATES = "additional_chat_templates"
_LARGE = ("tokenizer.", "vocab.", "merges.", "added_tokens.", "spiece.", "sentencepiece.")
_SMALL = (
    "config.", "generation_config.", "tokenizer_config.", "special_tokens_map.", "chat_template.",
    "adapter_config.", "processor_config.", "preprocessor_config.", "quant",
)  # fmt: skip
_OPENED = (".json", ".jinja", ".model", ".txt", ".tiktoken", ".vocab", ".safetensors")


def require_model_files(folder: Path) -> None:
    """Check all files of a model, an adapter or a tokenizer that a library may open.

    Args:
        folder: The model's, the adapter's or the tokenizer's.

    Raises:
        InputError: One is no regular file, leads out of the folder, or is too large or too deep.
    """
    for path in _files(folder):
        what = f"{path.name} of a model"
        limit = _limit(path)
        if limit is None or path.suffix != ".json":
            require_regular(path, what, within=folder, limit=limit)
            continue
        try:
            require_bounded(read_regular(path, limit, what, within=folder))
        except ValueError as error:
            raise InputError(f"{path} is {error}", what, "fetch the model again") from error


def _limit(path: Path) -> int | None:
    """Return the most bytes that a file of this name may have; None if unknown."""
    if path.name.startswith(_LARGE):
        return TOKENIZER_BYTES
    small = path.name.startswith(_SMALL) or path.name.endswith((".index.json", ".jinja"))
    return SETTINGS_BYTES if small else None


def _files(folder: Path) -> Iterator[Path]:
    """Yield the existing files that libraries look for; a broken link counts as absent."""
    for place in (folder, folder / _TEMPLATES):
        if place.is_dir():
            yield from sorted(
                path
                for path in place.iterdir()
                if path.suffix in _OPENED and path.exists() and not path.is_dir()
            )
