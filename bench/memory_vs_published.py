"""The memory formula against 116 published tuning runs, each from its configuration alone.

    python bench/memory_vs_published.py --data FOLDER [--json]

FOLDER holds `peft_metamathqa_memory.csv` (peft's method comparison: what the allocator reserved at
most after a training step, on an L40S) and `litgpt_config_hub_memory.csv` (LitGPT's configurations:
what tensors took at most, on an A10G). `memory_vs_published.json` has what the tables leave out and
the programs' own files say, and an older table of LitGPT's (A100 of 40 GB, October 2023) that was
looked at only when the formula was finished: `held_out` tells of it alone.

One constant is fitted: what PyTorch's allocator reserves beyond what tensors take, as a share of
what comes and goes in a step, on peft's rows, each time without the method that is forecast.
LitGPT's rows have none: leaving a model out changes nothing.

A row is set aside, and counted, if its published peak is below the weights, gradients and moments
of its own published configuration: no formula can be right about it.
"""

import argparse
import csv
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weighbridge.catalog.models import find_model
from weighbridge.errors import InputError
from weighbridge.planning.anatomy import (
    ALL_LINEAR,
    Architecture,
    Layer,
    Weight,
    parameters,
    read_architecture,
)
from weighbridge.planning.tuning_memory import (
    CONTEXT_BYTES,
    FRAGMENTATION_SHARE,
    LITGPT,
    PEFT,
    Footprint,
    TuningMemory,
    TuningSetup,
    forecast,
    lora_footprint,
)
from weighbridge.planning.tuning_memory.shapes import shape_of

FACTS = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
PEFT_FILE, LITGPT_FILE = "peft_metamathqa_memory.csv", "litgpt_config_hub_memory.csv"
DEVICE_BYTES = {"A10G": 24e9, "L40S": 48e9, "A100": 40e9}


@dataclass(frozen=True)
class Row:
    """One published run and its forecast.

    Attributes:
        table: Which of the three.
        name: The run.
        group: The model or method that is left out when a constant is fitted.
        published_bytes: None where the run ended without memory.
        device_bytes: What its device has.
        memory: Forecast of what tensors take.
        floor_bytes: Weights, gradients and moments by themselves.
        forecast_bytes: To be compared with what was published.
    """

    table: str
    name: str
    group: str
    published_bytes: float | None
    device_bytes: float
    memory: TuningMemory
    floor_bytes: int
    forecast_bytes: float = 0.0

    @property
    def error(self) -> float | None:
        """Forecast over published, minus 1."""
        if self.published_bytes is None:
            return None
        return self.forecast_bytes / self.published_bytes - 1

    @property
    def impossible(self) -> bool:
        """Whether the published peak is below what the published configuration must hold."""
        return self.published_bytes is not None and self.published_bytes < self.floor_bytes

    @property
    def fits(self) -> bool:
        """Whether the forecast is that it fits, with what the allocator and the driver take."""
        gaps = FRAGMENTATION_SHARE * self.memory.passing_bytes
        return self.memory.peak_bytes + gaps + CONTEXT_BYTES <= self.device_bytes


def forecast_all(folder: Path) -> list[Row]:
    """Forecast every row of both tables, and of the one that was held out."""
    return [
        *_peft_rows(_read(folder / PEFT_FILE)),
        *_litgpt_rows(_read(folder / LITGPT_FILE)),
        *_held_out_rows(),
    ]


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise InputError(f"no file {path}", "the published runs", "name their folder with --data")
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def fragmentation_share(rows: Sequence[Row]) -> float:
    """Fit what the allocator reserves beyond tensors, as a share of what comes and goes."""
    return statistics.median(
        (row.published_bytes - row.memory.peak_bytes) / row.memory.passing_bytes
        for row in rows
        if row.published_bytes is not None
    )


def _litgpt_rows(table: Sequence[Mapping[str, str]]) -> list[Row]:
    rows = []
    for line in table:
        stem, method = line["config"].removesuffix(".yaml").split("/")
        facts = FACTS["litgpt"]
        model = facts["names"].get(stem, stem)
        architecture = litgpt_architecture(model)
        setup = _litgpt_setup(model, method, int(line["max_seq"]), int(line["micro_batch"]))
        memory = forecast(architecture, setup, LITGPT, _litgpt_adapter(architecture, setup))
        peak = line["peak_gb"].removesuffix(" GB")
        rows.append(
            Row(
                table="litgpt",
                name=f"{line['config']} on {line['machine']}",
                group=model,
                published_bytes=None if peak == "OOM" else 1e9 * float(peak),
                device_bytes=DEVICE_BYTES["A10G"],
                memory=memory,
                floor_bytes=_floor(architecture, setup),
                forecast_bytes=memory.peak_bytes,
            )
        )
    return rows


def _held_out_rows() -> list[Row]:
    """LitGPT's table of 2023, whose longest row comes first: no step before has left anything."""
    facts, first_step = FACTS["held_out"], replace(LITGPT, keeps_last_graph=False)
    rows = []
    for model, quantization, batch, peak in facts["rows"]:
        architecture = litgpt_architecture(model)
        method = "lora" if quantization == "none" else "qlora"
        setup = replace(
            _adapted(method, 8, "qv"), row_tokens=facts["tokens"][model], batch_size=batch,
            double_quantised=quantization == "nf4-dq",
        )  # fmt: skip
        memory = forecast(architecture, setup, first_step)
        rows.append(
            Row(
                table="held out",
                name=f"{model} {quantization}, batch {batch}",
                group=model,
                published_bytes=None if peak is None else 1e9 * peak,
                device_bytes=DEVICE_BYTES["A100"],
                memory=memory,
                floor_bytes=0,
                forecast_bytes=memory.peak_bytes,
            )
        )
    return rows


def _litgpt_setup(model: str, method: str, tokens: int, batch: int) -> TuningSetup:
    facts = FACTS["litgpt"]
    common = TuningSetup(row_tokens=tokens, batch_size=batch, loss="whole")
    if method == "full":
        devices, accumulation = facts["full"][model]
        return replace(
            common, method="full", devices=devices, accumulation=accumulation,
            checkpointing=devices > 1,  # as LitGPT does wherever it shards
        )  # fmt: skip
    rank, targets = {**facts["lora"], **(facts["qlora"] if method == "qlora" else {})}[model]
    return replace(_adapted(method, rank, targets), row_tokens=tokens, batch_size=batch)


def _adapted(method: str, rank: int, targets: str) -> TuningSetup:
    """LitGPT's LoRA; its QLoRA quantises the head as well and pages AdamW's moments."""
    setup = TuningSetup(
        method="lora", rank=rank, dropout=True, accumulation=2, loss="whole",
        targets=("q_proj", "v_proj") if targets == "qv" else ALL_LINEAR,
    )  # fmt: skip
    if method == "lora":
        return setup
    return replace(
        setup, method="qlora", double_quantised=False, quantised_head=True,
        optimizer="adamw-paged",
    )  # fmt: skip


def _litgpt_adapter(architecture: Architecture, setup: TuningSetup) -> Footprint:
    """LoRA by its targets; "all" takes the head in as well."""
    made = lora_footprint(architecture, setup, LITGPT)
    if setup.method == "full" or setup.targets != ALL_LINEAR:
        return made
    head = next(w for w in architecture.outer if w.name == "lm_head")
    more = setup.rank * (head.inputs + head.outputs)
    return replace(made, trainable_parameters=made.trainable_parameters + more)


def litgpt_architecture(model: str) -> Architecture:
    """Read a model as LitGPT builds it: a head of its own, projections apart.

    LitGPT joins queries, keys and values itself; its LoRA tells them apart.
    """
    own = FACTS["litgpt"]["configs"]
    config = own[model] if model in own else find_model(model).config
    found = read_architecture(config, model)
    outer = tuple(replace(w, kind="linear") if w.name == "lm_head" else w for w in found.outer)
    made = {layer: _apart(layer) for layer in found.kinds_of_layers}
    return replace(found, outer=outer, layers=tuple(made[layer] for layer in found.layers))


def _apart(layer: Layer) -> Layer:
    queries = layer.attention.heads * layer.attention.key_width
    keys = layer.attention.cached // 2
    weights: list[Weight] = []
    for weight in layer.weights:
        if weight.role == "attention" and weight.outputs == queries + 2 * keys:
            parts = (("q_proj", queries), ("k_proj", keys), ("v_proj", keys))
        elif weight.name.endswith("gate_up_proj"):
            parts = (("gate_proj", weight.outputs // 2), ("up_proj", weight.outputs // 2))
        else:
            parts = ((weight.name, weight.outputs),)
        weights += (replace(weight, name=name, outputs=width) for name, width in parts)
    return replace(layer, weights=tuple(weights))


def _floor(architecture: Architecture, setup: TuningSetup) -> int:
    """What a full run must hold on each device when gradients have been summed up."""
    if setup.method != "full":
        return 0
    return 4 * setup.element_bytes * parameters(architecture) // setup.devices


def _peft_rows(table: Sequence[Mapping[str, str]]) -> list[Row]:
    architecture = read_architecture(find_model("llama-3.2-3b").config, "llama-3.2-3b")
    rows = [_peft_row(architecture, line) for line in table]
    found = []
    for row in rows:
        others = [one for one in rows if one.group != row.group]
        share = fragmentation_share(others)
        reserved = row.memory.peak_bytes + share * row.memory.passing_bytes
        found.append(replace(row, forecast_bytes=reserved))
    return found


def _peft_row(architecture: Architecture, line: Mapping[str, str]) -> Row:
    full = not line["peft_type"]
    setup = TuningSetup(
        method="full" if full else "lora",
        row_tokens=int(line["max_seq"]),
        batch_size=int(line["batch"]),
        checkpointing=line["grad_ckpt"] == "True",
        loss="whole",
    )
    adapter = Footprint(0, 2) if full else peft_footprint(architecture, line)
    memory = forecast(architecture, setup, PEFT, adapter)
    return Row(
        table="peft",
        name=line["experiment"],
        group=line["peft_type"] or "full",
        published_bytes=float(line["reserved_max_bytes"]),
        device_bytes=DEVICE_BYTES["L40S"],
        memory=memory,
        floor_bytes=_floor(architecture, setup) // 2 if full else 0,
    )


def peft_footprint(architecture: Architecture, line: Mapping[str, str]) -> Footprint:
    """Return what a method of peft keeps, by what its code keeps of each tensor."""
    facts = FACTS["peft"]
    kept = facts["variants"].get(line["experiment"]) or facts[line["peft_type"]]
    trained = int(line["trainable"])
    shape = shape_of(architecture.layers[0], architecture.hidden_size)
    count = len(architecture.layers)
    names = line["targets"].split("+")
    adapted = [p for p in shape.products if p.name.rpartition(".")[2] in names]
    rank = int(line["r"] or 0)
    token = sum(
        kept.get("input", 0) * p.inputs
        + kept.get("output", 0) * p.outputs
        + kept.get("inner", 0) * rank
        for p in adapted
    )
    token += (kept.get("once", 0) + 2 * kept.get("norms", 0)) * shape.hidden
    if kept.get("ia3"):
        token += sum(
            4 * (p.outputs if p.reads == "attention" or p.reads == "heads" else p.inputs)
            for p in adapted
        )
    held = sum(
        kept.get("matrix", 0) * p.inputs * p.outputs
        + kept.get("square", 0) * p.inputs * p.inputs
        + kept.get("inner_by_output", 0) * rank * p.outputs
        for p in adapted
    )
    return _virtual(architecture, kept, trained, count * token, count * held)


def _virtual(
    architecture: Architecture, kept: Mapping[str, Any], trained: int, token: int, held: int
) -> Footprint:
    """Add what stands outside of adapted layers."""
    shape = shape_of(architecture.layers[0], architecture.hidden_size)
    count, tokens = len(architecture.layers), int(kept.get("virtual_tokens", 0))
    if kept.get("prompt"):
        tokens = trained // architecture.hidden_size
    if kept.get("prefix"):
        held += 4 * count * 2 * shape.queries * (trained // (count * 2 * shape.keys)) * 4
    if kept.get("embeddings"):
        words = next(w for w in architecture.outer if w.role == "embedding")
        held += 2 * kept["embeddings"] * words.parameters
    if kept.get("whole_svd"):
        sizes = ((p.inputs, p.outputs) for p in shape.products)
        held += 2 * count * sum(min(i, o) * (i + o) for i, o in sizes)
    return Footprint(trained, 4, token, held, tokens)


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """Return the figures that the last line has."""
    of = {
        table: [row for row in rows if row.table == table]
        for table in ("peft", "litgpt", "held out")
    }
    told = [row for row in (*of["peft"], *of["litgpt"]) if not row.impossible]
    return {
        **_errors(told),
        "out_of_memory": sum(row.published_bytes is None for row in told),
        "impossible_rows": [row.name for row in rows if row.impossible],
        "peft": _errors(of["peft"]),
        "litgpt": _errors([row for row in of["litgpt"] if not row.impossible]),
        "with_impossible_rows": _errors([*of["peft"], *of["litgpt"]]),
        "held_out": _errors(of["held out"]),
        "fragmentation_share": round(fragmentation_share(of["peft"]), 4),
    }


def _errors(rows: Sequence[Row]) -> dict[str, Any]:
    errors = [abs(row.error) for row in rows if row.error is not None]
    return {
        "rows": len(rows),
        "median_abs_error": round(statistics.median(errors), 4),
        "max_abs_error": round(max(errors), 4),
        "fits_wrong": sum(row.fits != (row.published_bytes is not None) for row in rows),
    }


def line_of(row: Row) -> str:
    """Return one row as text."""
    said = "fits" if row.fits else "does not fit"
    if row.published_bytes is None:
        return f"{row.table:<8} {row.name:<62} {'OOM':>6} {row.forecast_bytes / 1e9:6.2f}   {said}"
    note = "  impossible as published" if row.impossible else ""
    return (
        f"{row.table:<8} {row.name:<62} {row.published_bytes / 1e9:6.2f} "
        f"{row.forecast_bytes / 1e9:6.2f} {row.error:+7.1%}  {said}{note}"
    )


def main() -> None:
    """Print a line a row and, last, one of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the two tables")
    parser.add_argument("--json", action="store_true", help="only the last line")
    asked = parser.parse_args()
    try:
        rows = forecast_all(asked.data)
    except InputError as error:
        print(error, file=sys.stderr)
        raise SystemExit(error.exit_code) from None
    if not asked.json:
        print(f"{'table':<8} {'run':<62} {'GB':>6} {'ours':>6}   error")
    for row in rows:
        print(line_of(row))
    print(json.dumps(summary(rows)))


if __name__ == "__main__":
    main()
