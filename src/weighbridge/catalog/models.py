"""Configurations of named models, one JSON file each: `model_configs/` is the list.

A file holds `title`, `hub` (its repositories), `source`, and `config`: the fields of its
`config.json` that its structure depends on.
"""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.errors import UnknownName

_FOLDER = Path(__file__).parent / "model_configs"


@dataclass(frozen=True)
class CatalogModel:
    """A named model's facts.

    Attributes:
        name: The file's stem, such as `llama-3-8b`.
        title: What its publisher calls it.
        hub: Repositories with this configuration; the first one is the source.
        source: Where the facts come from.
        config: Fields as in `config.json`.
    """

    name: str
    title: str
    hub: tuple[str, ...]
    source: str
    config: Mapping[str, Any]


@functools.cache
def model_names() -> tuple[str, ...]:
    """Names of all models in the catalog."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.json")))


def find_model(name: str) -> CatalogModel:
    """Read one model's facts.

    Raises:
        UnknownName: No such model; near misses are suggested.
    """
    if name not in model_names():
        raise UnknownName("model in the catalog", name, model_names())
    facts = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return CatalogModel(name, facts["title"], tuple(facts["hub"]), facts["source"], facts["config"])


def find_model_by_repository(repository: str) -> CatalogModel | None:
    """Read the facts of a Hub repository (`org/name`, letters of any case); None if not listed."""
    wanted = repository.lower()
    for model in map(find_model, model_names()):
        if wanted in (listed.lower() for listed in model.hub):
            return model
    return None
