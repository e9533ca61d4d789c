"""Where a benchmark's items are found, in the order that the design fixes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from weighbridge.errors import InputError, MissingPiece
from weighbridge.sources.hub import hub_snapshot
from weighbridge.sources.packages import package_file


@dataclass(frozen=True)
class DataPlaces:
    """Places to look for data: from the command line, the project file and the environment.

    Attributes:
        named: Paths by data set name; the command line wins over the project file.
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
    hub_files: tuple[str, ...] = (),
    get_it: str = "",
) -> Path:
    """Find a data set: named path, data root, installed package, the Hub or its local cache.

    Args:
        name: The data set's own name.
        places: Where to look.
        package: Package that carries it.
        package_file_name: Where in the package.
        hub: Its repository on the Hub.
        hub_files: Patterns of the files there that are needed; empty for all.
        get_it: The command that gets it.

    Raises:
        InputError: A path was named and doesn't exist.
        MissingPiece: It was not found; says the command that gets it.
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
    why = ""
    if hub:
        try:
            return hub_snapshot(hub, "dataset", hub_files, offline=places.offline)
        except MissingPiece as missing:
            why = f" ({missing.saw})"
    raise MissingPiece(
        f"the data of {name} is not on this machine{why}",
        f"--data {name}=PATH" + (f", or the Hub data set {hub}" if hub else ""),
        f"get it with: {get_it}" if get_it else "",
    )
