"""The packages that sign and check, which only who has or trusts a feed needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from weighbridge.errors import EvidenceError, MissingPiece, boundary, in_one_line


def require_tuf() -> None:
    """See that the packages are here.

    Raises:
        MissingPiece: They are not.
    """
    missing = [
        name for name in ("tuf", "securesystemslib", "cryptography") if find_spec(name) is None
    ]
    if missing:
        raise MissingPiece(
            f"{', '.join(missing)} not installed",
            "the extra [release], to sign or check a revocation feed",
            "pip install 'weighbridge[release]'",
        )


@contextmanager
def feed_errors(where: str) -> Iterator[None]:
    """Turn what TUF refuses into one line that says which attack, or which neglect, it would be.

    What else goes wrong inside, such as a connection that breaks, is one line, too.
    """
    doing, do = f"reading the feed {where}", "try again; what is trusted here still holds"
    with boundary(doing, do), _refusals(where):
        yield


@contextmanager
def _refusals(where: str) -> Iterator[None]:
    from securesystemslib.exceptions import Error as SecureSystemsError
    from tuf.api import exceptions as tuf
    from tuf.api.serialization import DeserializationError

    try:
        yield
    except tuf.ExpiredMetadataError as error:
        raise EvidenceError(
            f"the feed {where} has expired ({error})",
            "one that was published within its validity",
            "ask its publisher: either nobody publishes, or somebody holds newer ones back",
        ) from error
    except tuf.BadVersionNumberError as error:
        raise EvidenceError(
            f"the feed {where} is older than the one trusted here ({error})",
            "versions that only grow",
            "do not use this copy: somebody may hide a revocation",
        ) from error
    except (tuf.LengthOrHashMismatchError, tuf.DownloadLengthMismatchError) as error:
        raise EvidenceError(
            f"files of the feed {where} don't belong together ({error})",
            "the files of one publication",
            "fetch it again; if it stays so, somebody mixed files of two",
        ) from error
    except tuf.UnsignedMetadataError as error:
        raise EvidenceError(
            f"the feed {where} is not signed by the keys that are trusted here ({error})",
            "its publisher's signatures",
            "do not use it; new keys come with a root that the old ones signed",
        ) from error
    except (tuf.RepositoryError, DeserializationError, SecureSystemsError) as error:
        raise EvidenceError(f"the feed {where}: {error}", "a revocation feed") from error
    except tuf.DownloadError as error:
        raise MissingPiece(
            f"the feed {where} can't be fetched ({in_one_line(error.__cause__ or error)})",
            "",
            "try again; what is trusted here still holds",
        ) from error
