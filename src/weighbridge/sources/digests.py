"""Digests that identify a set of weights independent of the file that it came from."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from weighbridge.records import canonical_digest
from weighbridge.sources.regular_files import open_regular


def weights_digest(
    tensors: Iterable[tuple[str, str, tuple[int, ...], Iterable[memoryview]]],
) -> str:
    """Digest tensors as computed with.

    Args:
        tensors: `(name, dtype, shape, stretches of bytes)`, in the order of their names; bytes are
            row-major, and may be cut in any way.

    Returns:
        ``sha256:<hex>``.
    """
    digest = hashlib.sha256()
    for name, dtype, shape, stretches in tensors:
        digest.update(f"{name}\0{dtype}\0{','.join(map(str, shape))}\0".encode())
        for data in stretches:
            digest.update(data)
    return f"sha256:{digest.hexdigest()}"


def text_digest(text: str) -> str:
    """Digest a text, such as a chat template or a rendered prompt, as UTF-8.

    A lone surrogate, which a model can write but UTF-8 can't encode, is digested as three bytes.
    """
    return "sha256:" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def file_digest(path: Path) -> str:
    """Digest a file's bytes.

    Raises:
        InputError: It is no regular file.
        OSError: It can't be read.
    """
    with open_regular(path) as file:
        return "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()


def files_digest(paths: Sequence[Path]) -> str:
    """Digest files that are one whole: of a single one its own digest.

    Raises:
        InputError: As `file_digest`, as well as OSError.
    """
    digests = [file_digest(path) for path in paths]
    return digests[0] if len(digests) == 1 else canonical_digest(digests)
