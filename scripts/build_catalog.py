"""Build the catalogue of published models and scores from public tables of facts.

    python scripts/build_catalog.py DATA          # or: make catalog DATA=FOLDER

DATA holds `catalog/` (Epoch AI's sheets, models.dev), `scaling/obs_scaling` and `economics/`
(measured serving rates, which go into a file of their own). What none of them
has stands in `scripts/catalog/additions.json`, each fact with its source; which column of a sheet
is its score stands in `scripts/catalog/sheets.json`. The result is one JSON file with one fact a
line, so that two builds can be compared; the script prints what it left out and why.
"""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from catalog_rows import Sheets, read_scores
from catalog_serving import measured_rates
from catalog_sizes import Sizes

from weighbridge.catalog.published import FILE, normalised
from weighbridge.catalog.serving_rates import FILE as SERVING
from weighbridge.storage import replace_file

HERE = Path(__file__).parent / "catalog"
SOURCES = {
    "epoch-hub": {
        "title": "Epoch AI, AI Benchmarking Hub",
        "url": "https://epoch.ai/benchmarks",
        "licence": "CC BY 4.0",
        "from": "madhu24raj/bayes-llm-saturation @ 4a91fc02",
    },
    "epoch-models": {
        "title": "Epoch AI, Data on AI Models",
        "url": "https://epoch.ai/data/ai-models",
        "licence": "CC BY 4.0",
        "from": "georgetown-cset/aixbiodata @ d88993e4",
    },
    "models.dev": {
        "title": "models.dev",
        "url": "https://models.dev",
        "licence": "MIT",
        "from": "anomalyco/models.dev @ f3fc6922",
    },
    "obs-scaling": {
        "title": "Ruan et al. 2024, Observational Scaling Laws (arXiv:2405.10938)",
        "url": "https://github.com/ryoungj/ObsScaling",
        "licence": "Apache-2.0",
        "from": "ryoungj/ObsScaling @ 4d6e1e43",
    },
    "model-configs": {
        "title": "config.json of the model, counted by `weighbridge inspect`",
        "url": "https://huggingface.co",
        "licence": "facts of public files",
    },
}


def build(data: Path) -> tuple[dict[str, Any], Counter[str]]:
    """Return the catalogue and how much was left out, by reason."""
    additions = json.loads((HERE / "additions.json").read_text())
    listed = json.loads((HERE / "sheets.json").read_text())
    sheets = Sheets(data / "catalog", additions)
    sizes = Sizes(data, additions)
    models = {name: row for name, row in sheets.models().items() if row["weights"] != "unknown"}
    for added in additions["models"]:
        models[added["name"]] = added_model(added)
    left: Counter[str] = Counter()
    sources: list[dict[str, str]] = []
    scores = read_scores(sheets, listed, models, sources, left)
    scores += added_scores(additions, sources)
    # Models of the additions stay without a score: their sizes and tokens are what is asked for.
    used = {row["model"] for row in scores} | {added["name"] for added in additions["models"]}
    for name in sorted(models):
        if name not in used:
            del models[name]
            continue
        sizes.complete(models[name])
    retire(models, additions)
    aliases = {
        alias: name
        for alias, name in sorted(sheets.aliases.items())
        if name in models and normalised(alias) != name
    }
    catalogue = {
        "made_by": "scripts/build_catalog.py",
        "newest": max(row["released"] for row in models.values()),
        "sources": SOURCES | additions["sources"],
        "benchmarks": benchmarks(listed),
        "score_sources": sources,
        "models": [models[name] for name in sorted(models)],
        "scores": sorted(map(compact, scores), key=json.dumps),
        "aliases": aliases,
    }
    return catalogue, left


def added_model(added: dict[str, Any]) -> dict[str, Any]:
    """Return a model of `additions.json` in the catalogue's own form."""
    kept = {key: value for key, value in added.items() if key != "source"}
    return kept | {"sources": [added["source"]]}


def added_scores(additions: dict[str, Any], sources: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Return the scores of `additions.json`; their sources join the others."""
    places = {}
    for key in dict.fromkeys(row["source"] for row in additions["scores"]):
        found = additions["sources"][key]
        places[key] = len(sources)
        sources.append({
            "title": found["title"], "url": found["url"], "protocol": found["protocol"],
            "from": key,
        })  # fmt: skip
    return [row | {"source": places[row["source"]]} for row in additions["scores"]]


def retire(models: dict[str, Any], additions: dict[str, Any]) -> None:
    """Put in the day on which a model leaves, or left, its maker's API."""
    for row in additions["retires"]:
        for name in row["models"]:
            if name in models:
                models[name]["retires"] = row["date"]
                models[name]["sources"].append(row["source"])


def benchmarks(listed: dict[str, Any]) -> dict[str, Any]:
    """Return what is known of each benchmark's scale."""
    found = {}
    for sheet in listed["sheets"]:
        kept = ("title", "chance", "ceiling", "ceiling_source", "unit")
        found[sheet["name"]] = {key: sheet[key] for key in kept if key in sheet}
        if "unit" not in sheet:
            found[sheet["name"]] |= {"chance": sheet.get("chance", 0.0),
                                     "ceiling": sheet.get("ceiling", 1.0)}  # fmt: skip
    return found


def compact(row: dict[str, Any]) -> list[Any]:
    """Return a score as a list in the order of the file's columns."""
    keys = (
        "model", "benchmark", "value", "stderr", "variant", "shots", "setting", "source",
    )  # fmt: skip
    return [row.get(key) for key in keys]


def text_of(catalogue: dict[str, Any]) -> str:
    """Return the file: one model, score or source on each line."""
    lines = ["{"]
    for key, value in catalogue.items():
        end = "" if key == list(catalogue)[-1] else ","
        if isinstance(value, list):
            rows = ",\n".join(f"  {dumped(row)}" for row in value)
            lines.append(f' "{key}": [\n{rows}\n ]{end}')
        elif isinstance(value, dict):
            rows = ",\n".join(f"  {dumped(name)}: {dumped(row)}" for name, row in value.items())
            lines.append(f' "{key}": {{\n{rows}\n }}{end}')
        else:
            lines.append(f' "{key}": {dumped(value)}{end}')
    return "\n".join([*lines, "}", ""])


def dumped(value: Any) -> str:
    """Return compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    """Write the catalogue and say what is in it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, help="folder with catalog/ and scaling/")
    parser.add_argument("--to", type=Path, default=FILE)
    asked = parser.parse_args()
    catalogue, left = build(asked.data)
    replace_file(asked.to, text_of(catalogue).encode())
    replace_file(SERVING, text_of(measured_rates(asked.data / "economics")).encode())
    print(f"{asked.to}: {len(catalogue['models'])} models, {len(catalogue['scores'])} scores, "
          f"{asked.to.stat().st_size:,} bytes")  # fmt: skip
    for reason, count in left.most_common():
        print(f"  left out: {count} rows, {reason}")


if __name__ == "__main__":
    main()
