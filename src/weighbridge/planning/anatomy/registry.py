"""The folder is the registry: a family's name is its file's stem and its `model_type`."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weighbridge.errors import InputError, UnknownName
from weighbridge.folder_registry import defined_in, names_in
from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture

_FOLDER = Path(__file__).parent / "families"


@dataclass(frozen=True)
class Family:
    """Models that share a `model_type`, and so the code that builds them.

    Attributes:
        name: The `model_type`.
        needs: Fields that have no default; alternatives are divided by ``|``.
        read: Reads a configuration's fields into an architecture.
    """

    name: str
    needs: tuple[str, ...]
    read: Callable[[Fields], Architecture]


def family_names() -> tuple[str, ...]:
    """Names of all families."""
    return names_in(_FOLDER)


def find_family(name: str) -> Family:
    """Import exactly one family.

    Raises:
        UnknownName: No such family; near misses are suggested.
    """
    if name not in family_names():
        do = "nothing is guessed: a file in planning/anatomy/families adds it"
        raise UnknownName("architecture (model_type)", name, family_names(), do)
    found = defined_in(f"weighbridge.planning.anatomy.families.{name}", "FAMILY", Family)
    assert found.name == name, f"{name} defines {found!r}"
    return found


def has_family(config: Mapping[str, Any]) -> bool:
    """Whether a family reads configurations of this `model_type`."""
    return config.get("model_type") in family_names()


def relatives(config: Mapping[str, Any], most: int = 4) -> tuple[str, ...]:
    """Return families that a configuration may be close to, nearest first.

    Publishers of new models often keep a class that others wrote: Kimi K2's configuration names
    DeepseekV3ForCausalLM. Such classes come first, then families whose names begin alike.

    Args:
        config: The fields of a `config.json`.
        most: How many to return at most.
    """
    plain = {name.replace("_", ""): name for name in family_names()}
    classes = config.get("architectures")
    listed = classes if isinstance(classes, list) else []
    named = [str(name).partition("For")[0].lower() for name in listed]
    found = [plain[name] for name in named if name in plain]
    model_type = config.get("model_type")
    if isinstance(model_type, str):
        stem = re.match(r"[a-z]*", model_type.lower())
        start = stem[0] if stem and len(stem[0]) > 2 else model_type
        kin = [name for name in family_names() if name.startswith(start)]
        wanted = model_type.lower()
        kin.sort(key=lambda name: -difflib.SequenceMatcher(None, wanted, name).ratio())
        found += kin
    return tuple(dict.fromkeys(found))[:most]


def read_architecture(config: Mapping[str, Any], where: str) -> Architecture:
    """Read a model's architecture from its configuration.

    Args:
        config: The fields of a `config.json`.
        where: Name of the configuration in errors.

    Raises:
        InputError: Fields are missing, malformed or contradict each other.
        UnknownName: No family has this `model_type`.
    """
    return read_fields(Fields(config, where))


def read_fields(fields: Fields) -> Architecture:
    """Read a model's architecture from its fields; see `read_architecture`."""
    model_type = fields.values.get("model_type")
    if not isinstance(model_type, str):
        seen = "no model_type" if model_type is None else f"model_type {model_type!r}"
        raise InputError(
            f"{fields.where} has {seen}", "a name such as llama", "is it a model's config.json?"
        )
    family = find_family(model_type)
    _require_language_model(fields)
    fields.require(*family.needs)
    return family.read(fields)


def _require_language_model(fields: Fields) -> None:
    """Refuse a classifier or a bare encoder, which has the `model_type` but another head."""
    classes = fields.values.get("architectures")
    if not classes:
        return
    heads = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration")
    if not isinstance(classes, list) or not any(str(name).endswith(heads) for name in classes):
        raise fields.wrong("architectures", classes, "a language model, such as LlamaForCausalLM")
