"""Sizes, training tokens and licences of the catalogue's models; nothing is guessed.

In this order: the model's own configuration, counted; Epoch AI's table, where it is confident; what
`additions.json` has from the maker's card; the size in the name of an open model. A proprietary
model has a size only if its maker published one.
"""

import csv
import re
from pathlib import Path
from typing import Any

from weighbridge.catalog.models import find_model, model_names
from weighbridge.catalog.published import normalised
from weighbridge.planning.anatomy import (
    active_parameters,
    parameters,
    read_architecture,
    vision_parameters,
)

NAMED = re.compile(r"(?<![\d.x])(\d+(?:\.\d+)?)b(?![a-z])", re.IGNORECASE)
ACTIVE = re.compile(r"(?<![\w.])a(\d+(?:\.\d+)?)b(?![a-z])", re.IGNORECASE)
ACTIVE_NOTE = re.compile(
    r"(\d+(?:\.\d+)?)\s*(?:b|billion)(?: of them)?(?: parameters)?(?: are)? activ|"
    r"activ\w+\s+(?:only\s+)?(\d+(?:\.\d+)?)\s*(?:b|billion)", re.IGNORECASE,
)  # fmt: skip
GUESSED = re.compile(r"rumou?r|speculat|estimat|presum|not stated|unclear|assum|guess", re.I)
LICENCES = (
    ("apache", "apache-2.0"), ("mit licen", "mit"), ("cc-by-nc", "cc-by-nc-4.0"),
    ("cc by-nc", "cc-by-nc-4.0"), ("llama4", "llama4"), ("llama 4", "llama4"),
    ("llama3_3", "llama3.3"), ("llama3_2", "llama3.2"), ("llama3/license", "llama3"),
    ("llama 2", "llama2"), ("qwen licen", "qwen"), ("gemma", "gemma"),
)  # fmt: skip


class Sizes:
    """What is known of models' sizes, by normalised name or title."""

    def __init__(self, data: Path, additions: dict[str, Any]) -> None:
        self._configurations = dict(additions["configurations"])
        for known in model_names():
            for repository in find_model(known).hub:
                self._configurations.setdefault(normalised(repository), known)
        self._stated = additions["sizes"]
        self._epoch: dict[str, dict[str, str]] = {}
        for file in ("frontier_ai_models", "notable_ai_models"):
            with (data / "catalog" / f"{file}.csv").open(newline="") as opened:
                self._epoch |= {normalised(row["Model"]): row for row in csv.DictReader(opened)}
        self._observed: dict[str, float] = {}
        table = data / "scaling" / "obs_scaling" / "base_llm_benchmark_eval.csv"
        with table.open(newline="") as opened:
            for row in csv.DictReader(opened):
                if row["Pretraining Data Size (T)"]:
                    trained = float(row["Pretraining Data Size (T)"]) * 1e12
                    self._observed[normalised(row["Model"])] = trained

    def complete(self, model: dict[str, Any]) -> None:
        """Put sizes, tokens and licence into a model's row, with where they came from."""
        row = self._epoch.get(normalised(model["title"]))
        self._size(model, row)
        self._tokens(model, row)
        if model["weights"] == "open" and "licence" not in model:
            notes = "" if row is None else row["Accessibility notes"].lower()
            told = next((name for words, name in LICENCES if words in notes), None)
            if told is not None:
                model["licence"] = told
                add(model, "epoch-models")

    def _size(self, model: dict[str, Any], row: dict[str, str] | None) -> None:
        name, is_open = model["name"], model["weights"] == "open"
        known = model.pop("configuration", None) or self._configurations.get(name)
        if known is not None and is_open:
            found = read_architecture(find_model(known).config, known)
            model["configuration"] = known
            model["parameters"] = parameters(found) + vision_parameters(found)
            if found.experts > 1:
                model["active_parameters"] = active_parameters(found)
            add(model, "model-configs")
            return
        if row is not None and row["Parameters"] and published(row):
            model["parameters"] = float(row["Parameters"])
            noted = ACTIVE_NOTE.search(row["Parameters notes"])
            active = ACTIVE.search(name)
            billions = active.group(1) if active else next(filter(None, noted.groups())) if noted \
                else None  # fmt: skip
            if billions is not None and float(billions) * 1e9 < model["parameters"]:
                model["active_parameters"] = float(billions) * 1e9
            add(model, "epoch-models")
            return
        if name in self._stated:
            for key, size in zip(("parameters", "active_parameters"), self._stated[name],
                                 strict=False):  # fmt: skip
                model[key] = size
            add(model, "makers-cards")
            return
        told = NAMED.findall(name)
        if is_open and told and not re.search(r"\dx\d", name):
            model["parameters"] = float(told[0]) * 1e9
            active = ACTIVE.search(name)
            if active:
                model["active_parameters"] = float(active.group(1)) * 1e9
            model["size_from_name"] = True

    def _tokens(self, model: dict[str, Any], row: dict[str, str] | None) -> None:
        if "training_tokens" in model:
            return
        observed = self._observed.get(model["name"])
        if observed is not None:
            model["training_tokens"] = observed
            add(model, "obs-scaling")
        elif row is not None and row["Training dataset size (total)"] and published(row):
            size = float(row["Training dataset size (total)"])
            if size >= 1e10:  # smaller figures count samples of a fine-tuning
                model["training_tokens"] = size
                add(model, "epoch-models")


def published(row: dict[str, str]) -> bool:
    """Whether a row's sizes were stated by the maker, not estimated by someone else."""
    return row["Confidence"] == "Confident" and not GUESSED.search(row["Parameters notes"])


def add(model: dict[str, Any], source: str) -> None:
    """Note a source once."""
    if source not in model["sources"]:
        model["sources"].append(source)
