"""Published models and scores: one file of facts, each with its source.

`published.json` is written by `scripts/build_catalog.py` from Epoch AI's sheets (CC BY 4.0),
models.dev (MIT), ObsScaling (Apache-2.0) and a short list of additions. Credit and licence of each
are in the file. A model of `catalog.models` whose architecture is known here is linked to by its
`configuration`, and its size is counted from that.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

from weighbridge.errors import UnknownName

FILE = Path(__file__).with_name("published.json")

Weights = Literal["open", "proprietary"]


@dataclass(frozen=True)
class Source:
    """Where facts were taken from.

    Attributes:
        title: Who published them, and under what name.
        url: Its address.
        licence: Of the table of facts; "" for a source of single scores.
        protocol: How models were asked there; "" for tables without scores.
        credit: Through which table a single score came, by its key.
    """

    title: str
    url: str
    licence: str = ""
    protocol: str = ""
    credit: str = ""


@dataclass(frozen=True)
class Benchmark:
    """The scale of a benchmark.

    Attributes:
        name: As `--benchmark` takes it.
        title: As people write it.
        chance: Score of guessing.
        ceiling: Best score that is possible; below 1 where questions are known to be wrong. None
            for a scale without an end.
        ceiling_source: Why it is below 1.
        unit: "" for a share of items, else what the numbers are.
    """

    name: str
    title: str
    chance: float = 0.0
    ceiling: float | None = None
    ceiling_source: str = ""
    unit: str = ""


@dataclass(frozen=True)
class PublishedModel:
    """A model's facts; what is not published is None.

    Attributes:
        name: The catalogue's name.
        title: The model, whatever its version: versions with one title are one model.
        organization: Who made it.
        weights: Whether anyone may download them.
        terms: Of open weights: unrestricted, restricted use, or non-commercial.
        licence: Its identifier, where it is known.
        released: The day.
        retires: The day on which its maker's API stops to serve it.
        parameters: All of them.
        active_parameters: Those that one token uses, of a mixture.
        training_tokens: Seen in pretraining.
        size_from_name: Whether `parameters` are only the round number in its name.
        configuration: Its name in `catalog.models`; "" where its architecture isn't there.
        usd_per_million_tokens: Its maker's list price, input and output, as models.dev had it.
        sources: Keys of the catalogue's sources.
    """

    name: str
    title: str
    organization: str
    weights: Weights
    released: date
    terms: str = ""
    licence: str | None = None
    retires: date | None = None
    parameters: float | None = None
    active_parameters: float | None = None
    training_tokens: float | None = None
    size_from_name: bool = False
    configuration: str = ""
    usd_per_million_tokens: tuple[float, float] | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Score:
    """One published score.

    Attributes:
        model: A model's name in the catalogue.
        benchmark: A benchmark's name.
        value: A share of items, or in the benchmark's unit.
        stderr: Standard error, where it was published.
        variant: base, instruct, as served, or unstated.
        shots: Worked examples in the prompt; None where not stated.
        setting: What tells this row from another of the same model: effort, agent, version.
        source: Where it was published, and by which protocol.
    """

    model: str
    benchmark: str
    value: float
    stderr: float | None
    variant: str
    shots: int | None
    setting: str
    source: Source


@dataclass(frozen=True)
class Catalogue:
    """All published facts.

    Attributes:
        newest: Release day of its newest model: what came later is not in it.
        models: By name.
        benchmarks: By name.
        scores: All of them.
        sources: The tables that facts were taken from, with licence and credit, by key.
        aliases: Other spellings of models' names.
    """

    newest: date
    models: Mapping[str, PublishedModel]
    benchmarks: Mapping[str, Benchmark]
    scores: tuple[Score, ...]
    sources: Mapping[str, Source]
    aliases: Mapping[str, str]

    def benchmark(self, name: str) -> Benchmark:
        """Return a benchmark by name.

        Raises:
            UnknownName: It is not in the catalogue; near misses are suggested.
        """
        known = normalised(name).replace("_", "-")
        if known not in self.benchmarks:
            raise UnknownName("benchmark in the catalog", name, self.benchmarks)
        return self.benchmarks[known]

    def model(self, name: str) -> PublishedModel:
        """Return a model by its name or any spelling of it.

        Raises:
            UnknownName: It is not in the catalogue; near misses are suggested.
        """
        known = self.aliases.get(name.strip(), normalised(name))
        if known not in self.models:
            raise UnknownName("published model", name, self.models)
        return self.models[known]

    def scores_on(self, benchmark: str) -> tuple[Score, ...]:
        """Return all scores on one benchmark."""
        return tuple(score for score in self.scores if score.benchmark == benchmark)


def normalised(name: str) -> str:
    """Return a model's name as the catalogue spells it.

    Letters are lower case, words are joined by hyphens, and what stands before a slash is left out:
    the organisation, or the host of a run.

    >>> normalised("meta-llama/Meta-Llama-3-70B"), normalised("PaLM 2-L ")
    ('meta-llama-3-70b', 'palm-2-l')
    """
    return "-".join(name.rpartition("/")[2].lower().split())


@cache
def catalogue() -> Catalogue:
    """Read the catalogue; it is kept once read."""
    read = json.loads(FILE.read_text(encoding="utf-8"))
    sources = {
        key: Source(row["title"], row["url"], row["licence"], credit=row.get("from", ""))
        for key, row in read["sources"].items()
    }
    places = [
        Source(row["title"], row["url"], protocol=row["protocol"], credit=row["from"])
        for row in read["score_sources"]
    ]
    models = {row["name"]: _model(row) for row in read["models"]}
    return Catalogue(
        newest=date.fromisoformat(read["newest"]),
        models=models,
        benchmarks={name: Benchmark(name, **row) for name, row in read["benchmarks"].items()},
        scores=tuple(_score(row, places) for row in read["scores"]),
        sources=sources,
        aliases=read["aliases"],
    )


def configuration_of(name: str) -> str | None:
    """Return what `catalog.models` calls a published model's architecture; None where unknown.

    >>> configuration_of("DeepSeek-V3-0324"), configuration_of("gpt-5")
    ('deepseek-v3', None)
    """
    facts = catalogue()
    model = facts.models.get(facts.aliases.get(name.strip(), normalised(name)))
    return (model.configuration or None) if model is not None else None


def _model(row: Mapping[str, Any]) -> PublishedModel:
    price, retires = row.get("usd_per_million_tokens"), row.get("retires")
    known = {key: value for key, value in row.items() if key not in _READ}
    return PublishedModel(
        **known,
        released=date.fromisoformat(row["released"]),
        retires=None if retires is None else date.fromisoformat(retires),
        usd_per_million_tokens=None if price is None else (price[0], price[1]),
        sources=tuple(row["sources"]),
    )


def _score(row: Sequence[Any], places: Sequence[Source]) -> Score:
    model, benchmark, value, stderr, variant, shots, setting, source = row
    return Score(model, benchmark, value, stderr, variant, shots, setting, places[source])


_READ = ("released", "retires", "usd_per_million_tokens", "sources")
"""Columns that are not plain values in the file."""
