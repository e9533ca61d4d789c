"""Where a benchmark's items are found, in the order that the design fixes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError, MissingPiece, StorageError
from weighbridge.sources.packages import package_file


@dataclass(frozen=True)
class DataPlaces:
    """Where to look, from the command line, the project file and the environment.

    Attributes:
        named: Paths by data set name; the nearest to the user first wins.
        root: A folder that holds data sets by name (`$WEIGHBRIDGE_DATA`).
        offline: Never reach for the Hub; its local cache is still used.
    """

    named: Mapping[str, Path]
    root: Path | None = None
    offline: bool = False


def find_data(
    name: str,
    places: DataPlaces,
    *,
    package: str | None = None,
    package_file_name: str | None = None,
    hub: str | None = None,
    get_it: str = "",
) -> Path:
    """Find a data set: named path, data root, installed package, Hub cache, Hub.

    Raises:
        InputError: A path was named and nothing is there.
        MissingPiece: It is nowhere; says the command that gets it.
    """
    if name in places.named:
        path = Path(places.named[name]).expanduser()
        if not path.exists():
            raise InputError(f"no data for {name} at {path}", "a file or folder", "check the path")
        return path
    if places.root is not None and (places.root / name).exists():
        return places.root / name
    if package and package_file_name:
        path_or_none = package_file(package, package_file_name)
        if path_or_none is not None:
            return path_or_none
    if hub:
        found = _from_hub(hub, places.offline)
        if found is not None:
            return found
    raise MissingPiece(
        f"the data of {name} is not on this machine",
        f"--data {name}=PATH" + (f", or the Hub data set {hub}" if hub else ""),
        f"get it with: {get_it}" if get_it else "",
    )


def _from_hub(repo: str, offline: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repo, repo_type="dataset", local_files_only=True))
    except LocalEntryNotFoundError:
        if offline:
            return None
    try:
        return Path(snapshot_download(repo, repo_type="dataset"))
    except (LocalEntryNotFoundError, HfHubHTTPError, ConnectionError):
        return None
    except OSError as error:
        if error.errno in (28, 30, 13):  # no space, read-only, no permission
            raise StorageError(
                f"{repo} could not be stored ({error})", "a writable cache"
            ) from error
        return None
