"""The two keys of a feed, as files for their owner alone.

    feed-offline.pem   signs which keys are trusted, and what is revoked; belongs in a safe
    feed-online.pem    signs that the feed is fresh; may lie where it is renewed each day

Who steals the online key can hold revocations back for as long as the list's own validity, and
can't invent or remove one.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.errors import InputError, LibraryError, in_one_line
from weighbridge.sources.text_files import read_bytes
from weighbridge.storage import storage_errors, write_whole

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

OFFLINE, ONLINE = "feed-offline.pem", "feed-online.pem"
_PRIVATE_FILE, _PRIVATE_FOLDER = 0o600, 0o700


def make_keys(folder: Path) -> None:
    """Make both keys; those that are there stay.

    Raises:
        StorageError: The folder can't be written.
    """
    from securesystemslib.signer import CryptoSigner

    with storage_errors(folder):
        folder.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    for name in (OFFLINE, ONLINE):
        if not (folder / name).exists():
            made = CryptoSigner.generate_ed25519()
            write_whole(folder / name, made.private_bytes, _PRIVATE_FILE)


def read_key(folder: Path, name: str) -> "CryptoSigner":
    """Read one key.

    Raises:
        InputError: It is not there, or is none.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    path = folder / name
    if not path.is_file():
        raise InputError(
            f"no key {path}", "the feed's key",
            "name its folder with --keys; `release feed init` makes the keys of a new feed",
        )  # fmt: skip
    try:
        return CryptoSigner(load_pem_private_key(read_bytes(path, "a private key"), None))
    except (ValueError, TypeError) as error:
        raise LibraryError(f"reading the key {path}: {in_one_line(error)}") from error
