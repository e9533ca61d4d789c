"""Reads Epoch AI's sheets and models.dev into the catalogue's models and scores."""

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from weighbridge.catalog.published import normalised

EFFORT = re.compile(
    r"(_(?:high|low|medium|minimal|none|xhigh|max|unknown|thinking|\d+k))+$|\s\((\d+K thinking)\)$",
    re.IGNORECASE,
)
"""How Epoch marks one model at several settings: `gpt-5-2025-08-07_high`."""
DAY = re.compile(r"-(\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$")
INSTRUCTED = re.compile(r"instruct|chat|-it$|thinking|hermes|tulu|vicuna|-sft|-rl$", re.IGNORECASE)
BASE = re.compile(r"\bbase\b|-hf$|-v0\.1$|-pt$", re.IGNORECASE)
FIRST_PARTY = ("openai", "anthropic", "google", "mistral", "xai", "deepseek", "alibaba", "cohere",
               "moonshotai", "zhipuai", "minimax", "perplexity", "amazon-bedrock")  # fmt: skip


class Sheets:
    """Epoch AI's sheets and models.dev, joined by normalised names.

    Attributes:
        aliases: Every other spelling that was met, with the catalogue's name.
    """

    def __init__(self, folder: Path, additions: dict[str, Any]) -> None:
        self._folder = folder
        self._same = {normalised(k): normalised(v) for k, v in additions["same"].items()}
        self._weights = {
            name: kind for kind, names in additions["weights"].items() for name in names
        }
        dev = json.loads((folder / "models_dev_compact.json").read_text())
        self._cards = {normalised(card["id"]): card for card in dev["models"]}
        self._prices = {
            normalised(offer["id"]): (offer["cost"]["input"], offer["cost"]["output"])
            for offer in reversed(dev["providers"])
            if offer["provider"] in FIRST_PARTY and offer["cost"] and offer["cost"].get("input")
        }
        self.aliases: dict[str, str] = {}

    def rows(self, file: str) -> Iterator[dict[str, str]]:
        """Yield a sheet's rows."""
        with (self._folder / "benchmark_data" / f"{file}.csv").open(newline="") as opened:
            yield from csv.DictReader(opened)

    def name_of(self, row: dict[str, str]) -> tuple[str, str]:
        """Return the catalogue's name of a row's model and its setting; "" where it has none."""
        written = (row.get("Model version") or row.get("Name") or "").strip()
        marked = EFFORT.search(written)
        setting = "" if marked is None else marked.group(0).strip(" _()").replace("_", " ")
        bare = written[: marked.start()] if marked else written
        name = normalised(bare)
        name = self._same.get(name, name)
        if written:
            self.aliases[written] = name
        return name, "" if setting == "unknown" else setting

    def models(self) -> dict[str, dict[str, Any]]:
        """Return every dated model of Epoch's index, by name."""
        found: dict[str, dict[str, Any]] = {}
        for row in self.rows("epoch_capabilities_index"):
            name, _ = self.name_of(row)
            access, card = row["Model accessibility"], self._card(name)
            weights = self._weights_of(name, access, card)
            earlier = found.get(name)
            if earlier is not None and earlier["weights"] != "unknown":
                continue
            if not row["Release date"]:
                continue
            sources = ["epoch-hub"]
            if name in self._weights:
                sources += ["weights-on-hub" if weights == "open" else "makers-pages"]
            elif not access and card is not None:
                sources += ["models.dev"]
            model = {
                "name": name,
                "title": (row["Model name"] or row["Display name"] or name).strip(),
                "organization": row["Organization"].strip(),
                "weights": weights,
                "terms": access.partition("(")[2].rstrip(")") if weights == "open" else "",
                "released": row["Release date"],
                "sources": sources,
            }
            price = self._priced(name)
            if price is not None:
                model["usd_per_million_tokens"] = list(price)
                model["sources"] = list(dict.fromkeys([*sources, "models.dev"]))
            found[name] = model
        return found

    def _card(self, name: str) -> dict[str, Any] | None:
        return self._cards.get(name) or self._cards.get(DAY.sub("", name))

    def _priced(self, name: str) -> tuple[float, float] | None:
        return self._prices.get(name) or self._prices.get(DAY.sub("", name))

    def _weights_of(self, name: str, access: str, card: dict[str, Any] | None) -> str:
        """Return whether anyone may download the weights; unknown where nothing says so."""
        if name in self._weights:
            return self._weights[name]
        if access:
            return "open" if access.startswith("Open weights") else "proprietary"
        return "unknown" if card is None else "open" if card["open_weights"] else "proprietary"


def read_scores(
    sheets: Sheets,
    listed: dict[str, Any],
    models: dict[str, Any],
    sources: list[dict[str, str]],
    left: Counter[str],
) -> list[dict[str, Any]]:
    """Return every score whose model is known; `sources` grows, `left` counts the others."""
    places: dict[tuple[str, str], int] = {}
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for sheet in listed["sheets"]:
        for row in sheets.rows(sheet["file"]):
            value = row.get(sheet["score"])
            if not value:
                left["without a score"] += 1
                continue
            name, setting = sheets.name_of(row)
            if name not in models:
                left["of a model whose date or access is not known"] += 1
                continue
            origin = source_of(row, sheet)
            if origin not in places:
                places[origin] = len(sources)
                sources.append(described(origin, sheet, listed["protocols"]))
            score = {
                "model": name,
                "benchmark": sheet["name"],
                "value": float(f"{float(value) / sheet.get('out_of', 1):.4f}"),
                "stderr": stderr_of(row, sheet),
                "variant": variant_of(name, row, models[name]),
                "shots": shots_of(row),
                "setting": joined([setting, *(row[c] for c in sheet.get("settings", ()))]),
                "source": places[origin],
            }
            found[tuple(score.values())] = score
    return list(found.values())


def source_of(row: dict[str, str], sheet: dict[str, Any]) -> tuple[str, str]:
    """Return where a score was published: its title and its address."""
    if sheet.get("own_runs"):
        return "Epoch AI's own runs", f"https://epoch.ai/benchmarks/{sheet['name']}"
    title = " ".join((row.get("Source") or "").split())
    url = (row.get(sheet.get("link", "Source link")) or "").strip()
    if title or url:
        return title or url, url or "https://epoch.ai/benchmarks"
    told: list[str] = sheet.get("source", [sheet["title"], "https://epoch.ai/benchmarks"])
    return told[0], told[1]


def described(
    origin: tuple[str, str], sheet: dict[str, Any], protocols: dict[str, str]
) -> dict[str, str]:
    """Return a source as the catalogue lists it, with how the models were asked."""
    title, url = origin
    protocol = protocols["own_runs"] if sheet.get("own_runs") else protocols.get(title, "")
    return {"title": title, "url": url, "protocol": protocol or "as that source describes",
            "from": "epoch-hub"}  # fmt: skip


def stderr_of(row: dict[str, str], sheet: dict[str, Any]) -> float | None:
    """Return a score's standard error where its sheet has one."""
    value = row.get(sheet.get("stderr", "")) or ""
    return float(f"{float(value) / sheet.get('out_of', 1):.4f}") if value else None


def variant_of(name: str, row: dict[str, str], model: dict[str, Any]) -> str:
    """Return base, instruct, as served, or unstated: the sheets have no column for it.

    Where the name of the version and the name as published contradict each other, it is unstated.
    """
    published = row.get("Name") or name
    if model["weights"] == "proprietary":
        return "as served" if model["released"] > "2022-06" else "base"
    instructed, said = INSTRUCTED.search(name), INSTRUCTED.search(published)
    if BASE.search(published) or BASE.search(name):
        return "base" if not said else "unstated"
    if instructed and (said or published == name):
        return "instruct"
    return "unstated"


def shots_of(row: dict[str, str]) -> int | None:
    """Return the number of worked examples; None where it isn't stated, or is "few-shot"."""
    told = re.match(r"\d+", row.get("Shots") or "")
    return int(told.group(0)) if told else None


def joined(parts: list[str]) -> str:
    """Return what is told of a setting, in one text."""
    return ", ".join(part.strip() for part in parts if part and part.strip())
