"""Files of a repository on the Hugging Face Hub, downloaded or from the client's own cache."""

from pathlib import Path
from typing import Literal

from weighbridge.errors import (
    InputError,
    MissingPiece,
    StorageError,
    WeighbridgeError,
    in_one_line,
)


def hub_snapshot(
    repo: str,
    kind: Literal["model", "dataset"],
    files: tuple[str, ...] = (),
    *,
    revision: str | None = None,
    offline: bool = False,
) -> Path:
    """Return the folder of a repository's files at one commit; the folder's name is the commit.

    The Hub is asked for the current commit, so that an interrupted download is completed. If it
    can't be reached, the cache is used as it is.

    Args:
        repo: `org/name`.
        kind: What the repository holds.
        files: Patterns of the files that are needed; empty for all.
        revision: A branch, tag or commit; None for the default branch.
        offline: Never reach for the Hub.

    Raises:
        MissingPiece: Neither cached nor to be had; says what the Hub answered.
        StorageError: The cache can't be written.
    """
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            repo,
            repo_type=kind,
            revision=revision,
            allow_patterns=list(files) or None,
            local_files_only=offline,
        )
    except ValueError as error:  # a name that no repository can have
        saw = f"{repo[:80]!r} can't be looked up on the Hub ({in_one_line(error)})"
        raise InputError(saw, f"org/name of a {_what(kind)}", "check the name") from error
    except OSError as error:  # of which all of the client's other errors are
        raise _explained(error, repo, kind, revision, offline) from error
    except _http_errors() as error:
        raise MissingPiece(
            f"the download of {repo} was cut off ({error})",
            "a steady connection",
            "run the same command again: it goes on with what is missing",
        ) from error
    return Path(folder)


def _what(kind: str) -> str:
    return "data set" if kind == "dataset" else "model"


def _http_errors() -> type[Exception]:
    """Return the exceptions of the HTTP library that this version of the client uses."""
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    errors: type[Exception] = HTTPError
    return errors


def _explained(
    error: OSError, repo: str, kind: str, revision: str | None, offline: bool
) -> WeighbridgeError:
    """Return our error for the Hub's answer, or for a failing disk."""
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    what = _what(kind)
    get_it = f"hf download {'--repo-type dataset ' if kind == 'dataset' else ''}{repo}"
    if isinstance(error, LocalEntryNotFoundError):
        how = "run once without --offline" if offline else "check the connection"
        return MissingPiece(
            f"{repo} is not in the Hub cache and can't be fetched",
            f"the {what} in the cache, or a way to the Hub",
            f"{how}, or: {get_it}",
        )
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code if error.response is not None else "no answer"
        return MissingPiece(
            f"the Hub answered {status} for {repo}" + (f"@{revision}" if revision else ""),
            f"a {what} that you may read",
            f"check the name; if it is gated, log in with: hf auth login; then: {get_it}",
        )
    return StorageError(
        f"{repo} could not be stored ({error.strerror or error})",
        "room and a writable cache",
        "free some space, or set HF_HUB_CACHE to another folder",
    )
