"""Reads and checks the keys of a user's TOML, and recognises its kind by them."""

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from weighbridge.errors import InputError, UnknownName
from weighbridge.evaluation.own.definition import Common, Definition
from weighbridge.evaluation.own.kind import Kind, find_kind, kind_names
from weighbridge.evaluation.own.template import parse_template
from weighbridge.sources.documents import read_toml

Keys = TypeVar("Keys")
_NAME = re.compile(r"[A-Za-z0-9_.-]+")


def read_definition(path: Path) -> tuple[Definition, Kind]:
    """Read the TOML, and find the kind that it is of.

    Raises:
        InputError: The file is missing or contradicts itself; UnknownName for a key or scorer.
    """
    values = _read_toml(path)
    kind = _kind(path, values)
    own = {field.name for field in fields(kind.options)}
    options = _validated(kind.options, {k: v for k, v in values.items() if k in own}, path)
    common = _validated(Common, {k: v for k, v in values.items() if k not in own}, path)
    _check(path, common, kind)
    prompt = parse_template(f"{path}: prompt", common.prompt)
    definition = Definition(path, common, options, prompt)
    kind.check(definition)
    return definition, kind


def _read_toml(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(f"no benchmark at {path}", "a TOML file", "check the path")
    values = read_toml(path)
    if "data" not in values:
        raise InputError(f"{path} names no data", 'data = "FILE.jsonl"')
    return values


def _kind(path: Path, values: Mapping[str, Any]) -> Kind:
    """Return the kind that is named, or that the keys tell."""
    kinds = {name: find_kind(name) for name in kind_names()}
    kind_of = {field.name: kind for kind in kinds.values() for field in fields(kind.options)}
    common = [field.name for field in fields(Common)]
    for key in values:
        if key not in common and key not in kind_of:
            raise UnknownName(f"key in {path}", key, (*common, *kind_of))
    told = {key: kind_of[key] for key in values if key in kind_of}
    named = values.get("scorer")
    if named is not None:
        if named not in kinds:
            raise UnknownName(f"scorer in {path}", str(named), kinds)
        for key, kind in told.items():
            if kind.name != named:
                expected = f'scorer = "{kind.name}", or no {key}'
                raise InputError(f"{path}: {key} with scorer = {named!r}", expected)
        return kinds[named]
    if len({kind.name for kind in told.values()}) > 1:
        first, *_ = told
        other = next(key for key, kind in told.items() if kind is not told[first])
        raise InputError(
            f"{path}: {first} is of kind {told[first].name}, {other} of kind {told[other].name}",
            "one kind a file",
            "split it into two files",
        )
    return next(iter(told.values()), kinds["exact"])


def _validated(keys: type[Keys], values: Mapping[str, Any], path: Path) -> Keys:
    try:
        # As JSON, because a list is then a tuple, and yet no text is a number.
        return TypeAdapter(keys).validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        key = first["loc"][0] if first["loc"] else ""
        raise InputError(f"{path}: {key} = {values.get(str(key))!r}", first["msg"]) from error


def _check(path: Path, common: Common, kind: Kind) -> None:
    alone = bool(common.target) and not kind.needs_question and not common.messages
    if bool(common.prompt) == bool(common.messages) and not alone:
        raise InputError(f"{path} has both or neither of prompt and messages", "exactly one")
    if common.name and not _NAME.fullmatch(common.name):
        raise InputError(f"{path}: name = {common.name!r}", "letters, digits, ., _ and -")
    if common.prompt and kind.needs_target and not common.target:
        raise InputError(f"{path} names no target", 'target = "COLUMN"')
    if common.shots is not None and (common.shots < 0 or not common.examples):
        raise InputError(f"{path}: shots = {common.shots}", 'examples = "FILE" and 0 or more')
    if common.max_tokens is not None and common.max_tokens < 1:
        raise InputError(f"{path}: max_tokens = {common.max_tokens}", "at least 1")
    if common.temperature < 0:
        raise InputError(f"{path}: temperature = {common.temperature:g}", "0 (greedy) or more")
