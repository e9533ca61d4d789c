"""What a model's folder holds, from its bytes: formats, code, configuration, tensors, numbers.

Nothing is loaded: headers are parsed and numbers are looked at as they stand in the file.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, UnknownName
from weighbridge.planning.anatomy import parameters, read_architecture
from weighbridge.release.one_pass import SEARCHED, read_once
from weighbridge.sources.digests import file_digest
from weighbridge.sources.documents import read_settings
from weighbridge.sources.regular_files import open_regular
from weighbridge.sources.safetensors_files import StoredTensor, stored_tensors
from weighbridge.tuning.lineage import has_lineage, lineage_checks

_MAY_BE = frozenset({".safetensors", ".json", ".jinja", ".model", ".txt", ".md"})
_MAY_BE_CALLED = frozenset({"LICENSE", "NOTICE", ".gitattributes"})
_PICKLED = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz"})
_CODE = frozenset({".py", ".pyc", ".so", ".sh", ".dll", ".dylib", ".ipynb"})
_RUNS_CODE = frozenset({
    "auto_map", "trust_remote_code", "custom_pipelines", "custom_generate",
    "_attn_implementation", "_attn_implementation_internal", "_experts_implementation",
})  # fmt: skip
"""Keys of configurations that name code, or kernels that a library would fetch."""
_MAGIC = {
    b"\x80": "a pickle",
    b"PK\x03\x04": "an archive, as torch.save writes",
    b"\x7fELF": "a program",
}
_WHOLE = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})
_BITS = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "I32": 32, "I16": 16, "I8": 8,
         "U64": 64, "U32": 32, "U16": 16, "U8": 8, "BOOL": 8}  # fmt: skip


@dataclass(frozen=True)
class Inventory:
    """What was found.

    Attributes:
        files: Digest of each file, by its name in the folder.
        faults: What must not be, a clause each.
        unknown: What could not be checked, a clause each.
        tensors: How many there are.
        parameters: How many numbers they hold.
        context_tokens: Longest text that its configuration allows; None where that does not say.
    """

    files: Mapping[str, str]
    faults: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    tensors: int = 0
    parameters: int = 0
    context_tokens: int | None = None


def take_inventory(folder: Path) -> Inventory:
    """Look at every file of a model's folder.

    Raises:
        InputError: It is no folder.
    """
    if not folder.is_dir():
        raise InputError(
            f"{folder} is no folder", "a merged model's folder",
            "write one with: weighbridge export safetensors BASE+ADAPTER --to FOLDER",
        )  # fmt: skip
    files, faults, unknown = dict[str, str](), list[str](), list[str]()
    tensors = _tensors(folder, faults)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        fault = _fault(path, name)
        if fault:
            faults.append(fault)
        if path.is_file() and not path.is_symlink():
            own = [(key, tensor) for key, tensor in tensors.items() if tensor.file == name]
            files[name], broken = read_once(path, own)
            faults += [f"{key} holds NaN or infinity" for key in sorted(broken)]
    kinds = {tensor.dtype for tensor in tensors.values()} - SEARCHED - _WHOLE
    if kinds:
        unknown.append(f"numbers of the type {', '.join(sorted(kinds))} were not looked at")
    config = _compare_with_architecture(folder, tensors, faults, unknown)
    if has_lineage(folder):
        checks = lineage_checks(folder, digest_in(folder, files))
        faults += [f"{c.name}: {c.detail}" for c in checks if not c.ok]
    else:
        unknown.append("it has no record of origin, so that its files can't be held against one")
    count = sum(tensor.parameters for tensor in tensors.values())
    context = config.get("max_position_embeddings")
    return Inventory(
        files, tuple(faults), tuple(unknown), len(tensors), count,
        context if isinstance(context, int) and context > 0 else None,
    )  # fmt: skip


def digest_in(folder: Path, files: Mapping[str, str]) -> Callable[[Path], str]:
    """Return what gives a file's digest, where those of a folder's files are known already."""
    return lambda path: files.get(path.relative_to(folder).as_posix()) or file_digest(path)


def _fault(path: Path, name: str) -> str:
    """Say what is wrong with one file; "" where nothing is."""
    if path.is_symlink():
        return f"{name} is a link"
    if not path.is_file():
        return f"{name} is no regular file"
    if path.suffix in _CODE:
        return f"{name} is code"
    if path.suffix in _PICKLED:
        return f"{name} is of a format that can run code when it is read"
    if path.suffix not in _MAY_BE and path.name not in _MAY_BE_CALLED:
        return f"{name} is of a format that is not on the list"
    with open_regular(path) as file:
        begins = file.read(4)
    # The length of a safetensors header may begin with any byte; its header is parsed instead.
    for magic, what in _MAGIC.items():
        if path.suffix != ".safetensors" and begins.startswith(magic):
            return f"{name} is {what}"
    if path.suffix == ".json":
        return _json_fault(path, name)
    return ""


def _json_fault(path: Path, name: str) -> str:
    if not name.endswith("config.json"):
        return ""
    try:
        found = read_settings(path, "a model's configuration", within=path.parent)
    except InputError as error:
        return f"{name}: {error.saw}"
    keys = sorted(set(_keys(found)) & _RUNS_CODE)
    return f"{name} has {', '.join(keys)}, which makes libraries run other code" if keys else ""


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from value
        for one in value.values():
            yield from _keys(one)
    elif isinstance(value, list):
        for one in value:
            yield from _keys(one)


def _tensors(folder: Path, faults: list[str]) -> dict[str, StoredTensor]:
    try:
        found = stored_tensors(folder)
    except InputError as error:
        faults.append(_within(error.saw, folder))
        return {}
    misplaced = list(_misplaced(found))
    faults += misplaced
    return {} if misplaced else found


def _within(text: str, folder: Path) -> str:
    """Return a text in which files are named as in the folder, wherever that lies."""
    return text.replace(f"{folder}/", "").replace(str(folder), "the folder")


def _misplaced(tensors: Mapping[str, StoredTensor]) -> Iterator[str]:
    """Say which tensors overlap, leave bytes between them, or have not as many as their shape."""
    by_file: dict[str, list[tuple[str, StoredTensor]]] = {}
    for name, tensor in tensors.items():
        by_file.setdefault(tensor.file, []).append((name, tensor))
        bits = _BITS.get(tensor.dtype)
        if bits is not None and (tensor.end - tensor.start) * 8 != tensor.parameters * bits:
            yield f"{name} has {tensor.end - tensor.start} bytes, not those of its shape"
    for held in by_file.values():
        held.sort(key=lambda pair: (pair[1].start, pair[1].end))
        for (_, before), (name, tensor) in pairwise(held):
            if tensor.start != before.end:
                yield f"{name} does not begin where the tensor before it ends"


def _compare_with_architecture(
    folder: Path, tensors: Mapping[str, StoredTensor], faults: list[str], unknown: list[str]
) -> dict[str, Any]:
    """Hold the number of stored parameters against what config.json describes; return that."""
    config: dict[str, Any] = {}
    try:
        config = read_settings(folder / "config.json", "a model's config.json", within=folder)
        described = parameters(read_architecture(config, "config.json"))
    except UnknownName as error:
        unknown.append(f"its architecture is not known here ({error.saw})")
        return config
    except InputError as error:
        faults.append(_within(error.saw, folder))
        return config
    stored = sum(tensor.parameters for tensor in tensors.values())
    head = tensors.get("lm_head.weight")
    without_head = stored - (head.parameters if head is not None else 0)
    tied = bool(config.get("tie_word_embeddings"))
    if tensors and described not in ({stored, without_head} if tied else {stored}):
        faults.append(
            f"its tensors hold {stored:,} numbers, and its config.json describes {described:,}"
        )
    return config
