"""Reads the text that a ladder of models learns: bytes of files, some of which are held out."""

import hashlib
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from weighbridge.errors import InputError
from weighbridge.sources.regular_files import DOCUMENT_BYTES, read_regular

Bytes = npt.NDArray[np.uint8]

HELD_OUT_SHARE = 20
"""One in this number of files is held out; of fewer files, this fraction of each."""

_FEW_FILES = 40
_LEAST = 0.02  # smallest share of bytes to hold out as whole files: chance may choose too few
_BETWEEN = b"\0"
_EXCLUDED_FOLDERS = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test"})


@dataclass(frozen=True, eq=False)
class Corpus:
    """Text, as bytes.

    Attributes:
        train: Bytes to train on, uint8, shape (n,).
        validation: Held-out bytes, on which losses are measured.
        name: The text's name in results.
        files: Number of files read.
        skipped: Number of files left out, because they aren't UTF-8 text or can't be read as
            regular files inside the folder.
        digest: Digest of both parts.
    """

    train: Bytes
    validation: Bytes
    name: str
    files: int
    skipped: int
    digest: str


def read_corpus(path: Path | None, pattern: str = "") -> Corpus:
    """Read a file or a folder's files, in the order of their names.

    Args:
        path: A file or folder. None takes the source of Python's standard library, without its
            tests, which are not installed everywhere.
        pattern: Files of a folder to read, such as ``*.md``; all where empty.

    Raises:
        InputError: There is no such path, or no text in it.
    """
    texts, skipped = [], 0
    within = path if path is not None and path.is_dir() else None
    for name, file in _files(path, pattern):
        try:
            text = read_regular(file, DOCUMENT_BYTES, "text to learn", within=within)
            text.decode("utf-8")
        except UnicodeDecodeError:
            skipped += 1
            continue
        except InputError:  # in a folder, such as a link that leads out of it
            if within is None:
                raise
            skipped += 1
            continue
        except OSError as error:
            raise InputError(
                f"{file} can't be read ({error.strerror})",
                "readable files",
                "check its permissions",
            ) from error
        if text:
            texts.append((name, text))
    train, validation = _split(texts)
    digest = hashlib.sha256(train.tobytes())
    digest.update(validation.tobytes())
    title = str(path) if path else f"Python {sysconfig.get_python_version()} standard library"
    corpus = Corpus(train, validation, title, len(texts), skipped, "sha256:" + digest.hexdigest())
    if not len(train):
        raise InputError(
            f"{title} holds no UTF-8 text" + (f" in files like {pattern}" if pattern else ""),
            "text to learn",
            "name a folder of text files with --corpus, and which of them with --files",
        )
    return corpus


def _files(path: Path | None, pattern: str) -> Iterator[tuple[str, Path]]:
    if path is None:
        root = Path(sysconfig.get_paths()["stdlib"])
        for file in sorted(root.rglob("*.py")):
            if not _EXCLUDED_FOLDERS & set(file.relative_to(root).parts):
                yield file.relative_to(root).as_posix(), file
        return
    if path.is_file():
        yield path.name, path
        return
    if not path.is_dir():
        raise InputError(f"{path} is neither a file nor a folder", "text to learn", "see --corpus")
    try:
        found = sorted(path.rglob(pattern or "*"))
    except (ValueError, NotImplementedError) as error:
        raise InputError(
            f"--files {pattern}", "a pattern within the folder, such as *.md"
        ) from error
    for file in found:
        hidden = any(part.startswith(".") for part in file.relative_to(path).parts)
        if file.is_file() and not hidden:
            yield file.relative_to(path).as_posix(), file


def _split(texts: list[tuple[str, bytes]]) -> tuple[Bytes, Bytes]:
    """Hold out whole files, or the end of each if whole files are too little or too much."""
    chosen = [_chosen(name) for name, _ in texts]
    share = sum(len(text) for (_, text), out in zip(texts, chosen, strict=True) if out)
    total = sum(len(text) for _, text in texts)
    by_files = len(texts) >= _FEW_FILES and _LEAST <= share / max(1, total) <= 1 / 4
    parts: tuple[list[bytes], list[bytes]] = ([], [])
    for (_, text), held_out in zip(texts, chosen, strict=True):
        if not by_files:
            cut = len(text) - len(text) // HELD_OUT_SHARE
            parts[0].append(text[:cut] + _BETWEEN)
            parts[1].append(text[cut:] + _BETWEEN)
        else:
            parts[held_out].append(text + _BETWEEN)
    train, validation = (np.frombuffer(b"".join(part), np.uint8) for part in parts)
    return train, validation


def _chosen(name: str) -> bool:
    """Whether a file is held out, by its name's digest."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT_SHARE == 0
