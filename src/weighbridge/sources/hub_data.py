"""The files of a split of a data set on the Hub: `org/name:train`, or `org/name:config/train`.

Which files make up a split, the data set's card says (`configs` at the top of its README.md), else
the names of folders and files do, by the rules of Hugging Face's `datasets`.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, UnknownName, in_one_line
from weighbridge.sources.hub import hub_snapshot
from weighbridge.sources.tables import table_ending
from weighbridge.sources.text_files import COMPRESSED

ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
"""Of files that hold rows."""
_NAME = re.compile(r"([\w.-]+/[\w.-]+)(?::(.+))?")
_SHARD = re.compile(r"data/(\w+)-\d{5}-of-\d{5}[^/]*")
_PARTS = re.compile(r"[-._ 0-9]+")
_KEYWORDS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_NO_ROWS = ("dataset_info.json", "dataset_infos.json", "config.json", "dataset_dict.json")
_FETCHED = (
    "README.md",
    *(f"*{ending}{packed}" for ending in ENDINGS for packed in ("", *COMPRESSED)),
)


def is_hub_name(path: Path) -> bool:
    """Whether a path that leads nowhere could be the name of a data set on the Hub."""
    return _NAME.fullmatch(path.as_posix()) is not None and table_ending(path) not in ENDINGS


def hub_files(name: str, *, offline: bool = False) -> tuple[Path, ...]:
    """Return the files of a split, from the Hub or its client's cache.

    Args:
        name: `org/name:split`, or `org/name:config/split` where there are several configurations.
        offline: Never reach for the Hub.

    Raises:
        InputError: No split is named, or there is no such split; the message has those that are.
        MissingPiece: The data set is neither cached nor to be had.
    """
    repo, split = name.partition(":")[::2]
    folder = hub_snapshot(repo, "dataset", _FETCHED, offline=offline)
    splits = splits_of(folder, repo)
    if not splits:
        raise InputError(
            f"the data set {repo} holds no file of rows",
            f"files that end in {', '.join(ENDINGS)}",
            "write its rows to one of these, and name the file",
        )
    if not split:
        raise InputError(
            f"the data set {repo} without a split",
            f"one of: {', '.join(splits)}",
            f"name it: {repo}:{next(iter(splits))}",
        )
    if split not in splits:
        raise UnknownName(f"split of {repo}", split, splits)
    return splits[split]


def splits_of(folder: Path, repo: str = "") -> dict[str, tuple[Path, ...]]:
    """Return the files of each split of a data set's folder.

    Args:
        folder: The folder.
        repo: What to call it in messages.

    Raises:
        InputError: The card's account of its files can't be read.
    """
    configs = _configs(folder, repo or folder.name)
    found = {
        (config, split): files
        for config, patterns in configs.items()
        for split, globs in patterns.items()
        if (files := _matching(folder, globs))
    }
    if not found:
        return _by_names(folder)
    several = len({config for config, _ in found}) > 1
    return {
        f"{config}/{split}" if several else split: files for (config, split), files in found.items()
    }


def hub_licence(name: Path, *, offline: bool = False) -> str:
    """Return the licence that the card of a data set on the Hub states; "" where it states none."""
    repo = str(name).partition(":")[0]
    card = hub_snapshot(repo, "dataset", _FETCHED, offline=offline) / "README.md"
    if not card.is_file():
        return ""
    from huggingface_hub import metadata_load

    try:
        stated = (metadata_load(card) or {}).get("license") or ""
    except Exception:  # a card is YAML that anyone wrote, and its reader raises anything
        return ""
    return ", ".join(map(str, stated)) if isinstance(stated, list) else str(stated)


def _configs(folder: Path, repo: str) -> dict[str, dict[str, list[str]]]:
    """Return a card's patterns of files, by configuration and split."""
    card = folder / "README.md"
    if not card.is_file():
        return {}
    from huggingface_hub import metadata_load

    try:
        stated = (metadata_load(card) or {}).get("configs") or []
        return {
            str(config.get("config_name", "default")): dict(_patterns(config["data_files"]))
            for config in stated
            if config.get("data_files")
        }
    except Exception as error:  # a card is YAML that anyone wrote, and its reader raises anything
        raise InputError(
            f"the card of {repo} can't be read ({in_one_line(error)})",
            "configs with data_files, as Hugging Face describes them",
            "name one of the data set's files in place of it",
        ) from error


def _patterns(files: Any) -> Iterator[tuple[str, list[str]]]:
    if isinstance(files, str):
        yield "train", [files]
    elif all(isinstance(each, str) for each in files):
        yield "train", list(files)
    else:
        for each in files:
            path = each["path"]
            yield str(each["split"]), [path] if isinstance(path, str) else [str(p) for p in path]


def _matching(folder: Path, patterns: list[str]) -> tuple[Path, ...]:
    inside = [p for p in patterns if not p.startswith("/") and ".." not in p.split("/")]
    return tuple(
        sorted({path for pattern in inside for path in folder.glob(pattern) if _has_rows(path)})
    )


def _has_rows(path: Path) -> bool:
    return path.is_file() and table_ending(path) in ENDINGS and path.name not in _NO_ROWS


def _by_names(folder: Path) -> dict[str, tuple[Path, ...]]:
    """Return the splits that names tell: of shards, else folders, else files; else `train`."""
    files = _matching(folder, ["**/*"])
    names = {path: path.relative_to(folder).as_posix() for path in files}
    for split_of in (_of_shard, _of_folders, _of_file):
        found: dict[str, tuple[Path, ...]] = {}
        for path in files:
            if (split := split_of(names[path])) is not None:
                found[split] = (*found.get(split, ()), path)
        if found:
            return found
    return {"train": files} if files else {}


def _of_shard(name: str) -> str | None:
    found = _SHARD.fullmatch(name)
    return found[1] if found else None


def _of_folders(name: str) -> str | None:
    return _keyword(name.split("/")[:-1])


def _of_file(name: str) -> str | None:
    return _keyword([name.split("/")[-1]])


def _keyword(parts: list[str]) -> str | None:
    words = {word for part in parts for word in _PARTS.split(part)}
    return next((split for split, known in _KEYWORDS.items() if words & set(known)), None)
