"""How far forecasts of serving are off, by models, publishers and generations left out.

    python bench/serving_forecast.py --data FOLDER [--json]
    python bench/serving_forecast.py --data FOLDER --calibrate    # writes calibration.json anew

FOLDER, or its economics/, holds the four CSV files.

The last line is a JSON document. Errors are forecast over measured, less 1, without sign; every
forecast is by a fit that had not seen the row's model, or its publisher.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from weighbridge.errors import WeighbridgeError
from weighbridge.planning.serving import calibration, validation
from weighbridge.planning.serving.efficiency import FILE, to_json
from weighbridge.planning.serving.measurements import read_measurements

SOURCES = (
    "silicon_sample.csv: ai-dynamo/aiconfigurator @ 095f58a5 (a sample), Apache-2.0; largely "
    "InferenceX's measurements",
    "trtllm_v1.0_perf_overview.csv: NVIDIA/TensorRT-LLM @ 00f37686, Apache-2.0",
    "trtllm_perf_overview_1.2.csv: NVIDIA/TensorRT-LLM @ 03e27c7d, Apache-2.0",
    "mlperf_inference_v5.1_llm_closed.csv: mlcommons/inference_results_v5.1 @ 965182b",
)


def measure(folder: Path) -> dict[str, Any]:
    """Fit, leave out, and return everything that the page and the last line say."""
    inner = folder / "economics"
    read = read_measurements(inner if inner.is_dir() else folder)
    problem = calibration.prepare(read.rows)
    design = calibration.design_of(problem)
    linear, found, left = calibration.fit(problem, design)
    held = {
        name: validation.leave_out(problem, design, linear.point, by)
        for name, by in (
            ("model", validation.by_model),
            ("source", validation.by_publisher),
            ("generation", validation.by_generation),
        )
    }
    first, first_errors = validation.first_token_of(problem, found, left)
    constants = validation.assemble(
        problem, design, found, tuple(held.values()), SOURCES, datetime.now(UTC).date(), first
    )
    inside = {name: validation.coverage(one, tuple(held.values())) for name, one in held.items()}
    return {
        "read": read, "problem": problem, "left": left, "held": held, "inside": inside,
        "constants": constants, "first_errors": first_errors,
    }  # fmt: skip


def summary(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last line."""
    problem, held, inside = found["problem"], found["held"], found["inside"]
    judged = ("model", "source")
    errors = np.concatenate([held[name].errors for name in judged])
    refused = sum(problem.refused.values())
    wrong = np.concatenate([errors, np.full(len(judged) * refused, np.inf)])
    return {
        "cells": len(found["constants"].cells),
        "rows": len(problem.rows),
        "median_abs_error": round(float(np.median(errors)), 4),
        "coverage": round(float(np.mean(np.concatenate([inside[n] for n in judged]))), 4),
        "nominal_coverage": validation.NOMINAL,
        "leave_one_model_out": part(held["model"], inside["model"]),
        "leave_one_source_out": part(held["source"], inside["source"]),
        "leave_one_generation_out": part(held["generation"], inside["generation"]),
        "in_sample_median_abs_error": round(
            float(np.median(np.abs(np.exp(-found["left"]) - 1))), 4
        ),
        "refused": dict(problem.refused),
        "refused_share": round(refused / (len(problem.rows) + refused), 4),
        "median_abs_error_with_refused_as_wrong": round(float(np.median(wrong)), 4),
        "out_of_scope": dict(Counter(found["read"].out_of_scope)),
        "first_token_median_abs_error": round(
            float(np.median(np.abs(np.exp(-found["first_errors"]) - 1))), 4
        ),
    }


def part(held: validation.HeldOut, inside: Any) -> dict[str, Any]:
    """Return one way of leaving out, by group."""
    groups = np.array(held.groups)
    return {
        "median_abs_error": round(float(np.median(held.errors)), 4),
        "coverage": round(float(np.mean(inside)), 4),
        "groups": {
            name: {
                "rows": int((groups == name).sum()),
                "median_abs_error": round(float(np.median(held.errors[groups == name])), 4),
                "coverage": round(float(np.mean(inside[groups == name])), 4),
            }
            for name in sorted(set(held.groups))
        },
    }


def main() -> None:
    """Print a table and, last, one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--calibrate", action="store_true")
    arguments = parser.parse_args()
    try:
        found = measure(arguments.data)
    except WeighbridgeError as error:
        sys.exit(f"serving_forecast: {error}")
    if arguments.calibrate:
        text = json.dumps(to_json(found["constants"]), indent=1, ensure_ascii=False)
        FILE.write_text(text + "\n", encoding="utf-8")
    line = summary(found)
    if not arguments.json:
        for way in ("leave_one_model_out", "leave_one_source_out", "leave_one_generation_out"):
            print(f"{way}: median error {line[way]['median_abs_error']:.1%}")
            for name, one in line[way]["groups"].items():
                error, inside = one["median_abs_error"], one["coverage"]
                print(f"  {name:<22} {one['rows']:5d} rows  {error:6.1%}  inside {inside:.0%}")
    print(json.dumps(line))


if __name__ == "__main__":
    main()
