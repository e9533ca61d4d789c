"""Finds a model's configuration by name, path or Hub id, without reading its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from weighbridge.catalog.models import find_model, find_model_by_repository, model_names
from weighbridge.catalog.published import configuration_of
from weighbridge.errors import InputError, MissingPiece, UnknownName
from weighbridge.sources.documents import read_settings
from weighbridge.sources.hub import hub_snapshot
from weighbridge.sources.regular_files import open_regular
from weighbridge.sources.weights import gguf_models

_WHAT = "a model's config.json"
BITS_OF = {
    "F64": 64, "I64": 64, "U64": 64, "F32": 32, "I32": 32, "U32": 32, "F16": 16, "BF16": 16,
    "I16": 16, "U16": 16, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "I8": 8, "U8": 8, "BOOL": 8,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip
"""Bits of one number by safetensors' name for its type."""


@dataclass(frozen=True)
class FoundConfig:
    """A model's configuration and where it was.

    Attributes:
        name: What to call the model.
        source: `catalog:…`, `hub:…@commit`, `directory:…`, `file:…` or `gguf:…`.
        where: What to call the configuration in errors.
        config: Its fields, as in `config.json`.
        tensor_parameters: Numbers in all tensors that a GGUF header lists, but not those of a head
            that is a copy of the embedding; None for the others.
        copied_head_parameters: Numbers of such a head.
        stored_bytes: Of all tensors, where their files' headers were read.
        notes: Sentences on where the files say otherwise than the configuration.
    """

    name: str
    source: str
    where: str
    config: Mapping[str, Any]
    tensor_parameters: int | None = None
    copied_head_parameters: int = 0
    stored_bytes: int | None = None
    notes: tuple[str, ...] = ()


def find_config(spec: str, *, offline: bool = False) -> FoundConfig:
    """Find a model's configuration; no weights are read.

    Args:
        spec: A catalog name or a published model's, a `config.json` or any `.json` file, a folder
            that holds a `config.json` or one GGUF file, a `.gguf` file, or a Hub id
            (`org/name@revision`). A Hub id that the catalog knows is taken from there, unless a
            revision is named.
        offline: Never reach for the Hub; its local cache is still used.

    Raises:
        UnknownName: No such name and no such file; near misses are suggested.
        InputError: A file is broken.
        MissingPiece: On the Hub only, and it can't be reached.
    """
    if spec in model_names():
        return _from_catalog(spec)
    path = Path(spec).expanduser()
    if path.is_dir():
        return _from_folder(path)
    if path.suffix in (".json", ".gguf") or path.is_file():
        return _from_file(path)
    if spec.count("/") == 1 and not spec.startswith((".", "/", "~")):
        return _from_hub(spec, offline)
    known = configuration_of(spec)
    if known is not None:
        return _from_catalog(known)
    do = "name a catalog model, a config.json, a folder, a .gguf file or a Hub id (org/name)"
    raise UnknownName("model", spec, model_names(), do)


def _from_catalog(name: str) -> FoundConfig:
    model = find_model(name)
    return FoundConfig(name, f"catalog:{name} ({model.source})", name, model.config)


def _from_folder(path: Path) -> FoundConfig:
    name = path.resolve().name
    config = path / "config.json"
    if config.is_file():
        return _with_tensors(name, f"directory:{name}", config, path, within=path)
    files = gguf_models(path)
    if len(files) == 1:
        return _from_gguf(files[0])
    saw = f"{path} has no config.json" + (f" and {len(files)} GGUF files" if files else "")
    raise InputError(saw, "a folder that holds a model", "name the file itself")


def _from_file(path: Path) -> FoundConfig:
    if not path.is_file():
        kind = "GGUF file" if path.suffix == ".gguf" else "config.json"
        raise InputError(f"no file at {path}", f"a {kind}", "check the path")
    with open_regular(path) as file:
        is_gguf = file.read(4) == b"GGUF"
    if is_gguf or path.suffix == ".gguf":
        return _from_gguf(path)
    beside = path.resolve().parent
    name = beside.name if path.name == "config.json" else path.stem
    if path.name == "config.json":
        return _with_tensors(name, f"file:{path.name}", path, beside)
    return FoundConfig(name, f"file:{path.name}", str(path), read_settings(path, _WHAT))


def _from_gguf(path: Path) -> FoundConfig:
    from weighbridge.sources.gguf_config import config_of_gguf, is_weight
    from weighbridge.sources.gguf_header import read_gguf_header
    from weighbridge.sources.stored_heads import copied_head

    header = read_gguf_header(path)
    config, copied = config_of_gguf(header, str(path)), copied_head(header)
    counted = sum(prod(shape) for name, shape in header.tensors.items() if is_weight(name))
    if copied:
        config["tie_word_embeddings"] = True
    first, stored = header.shards[0], sum(place.length for place in header.places.values())
    return FoundConfig(
        first.stem, f"gguf:{first.name}", str(path), config, counted - copied, copied, stored
    )


def _with_tensors(
    name: str, source: str, config: Path, folder: Path, within: Path | None = None
) -> FoundConfig:
    """Read a config.json, and the headers of the safetensors beside it, if there are some."""
    from weighbridge.sources.safetensors_files import stored_tensors
    from weighbridge.sources.stored_heads import stored_head

    fields = read_settings(config, _WHAT, within=within)
    if next(folder.glob("*.safetensors"), None) is None:
        return FoundConfig(name, source, str(config), fields)
    tensors = stored_tensors(folder)
    bits = [tensor.parameters * BITS_OF.get(tensor.dtype, 0) for tensor in tensors.values()]
    stored = sum(-(-each // 8) for each in bits) if all(bits) else None
    kind, numbers = stored_head(folder, tensors)
    notes: tuple[str, ...] = ()
    if kind == "own" and fields.get("tie_word_embeddings"):
        fields["tie_word_embeddings"] = False
        notes = (
            "config.json ties the head to the embeddings, but the files hold another head: it is "
            f"counted apart ({numbers:,} numbers)",
        )
    if kind == "copy" and fields.get("tie_word_embeddings"):
        notes = (
            "the files store the embedding a second time as head: its "
            f"{numbers:,} numbers are counted once",
        )
    return FoundConfig(name, source, str(config), fields, stored_bytes=stored, notes=notes)


def _from_hub(spec: str, offline: bool) -> FoundConfig:
    repository, _, revision = spec.partition("@")
    listed = None if revision else find_model_by_repository(repository)
    if listed is not None:
        return _from_catalog(listed.name)
    folder = hub_snapshot(
        repository, "model", ("config.json",), revision=revision or None, offline=offline
    )
    config = folder / "config.json"
    if not config.is_file():
        raise MissingPiece(
            f"{repository} holds no config.json at its top",
            "a model in transformers' format",
            "name its GGUF file, or the repository that it was made from",
        )
    source = f"hub:{repository}@{folder.name}"
    fields = read_settings(config, _WHAT, within=folder)
    return FoundConfig(repository, source, f"{repository}'s config.json", fields)
