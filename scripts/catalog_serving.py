"""Measured serving rates of the models that the article's claims are held against."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from weighbridge.planning.serving.measurements import MLPERF, NVIDIA, OFFLINE, read_measurements

MODELS = ("llama-3.1-405b", "llama-3.3-70b", "qwen3-235b-a22b", "llama-4-maverick", "gpt-oss-120b",
          "gpt-oss-20b", "deepseek-v3", "qwen3-30b-a3b", "llama-2-70b", "mixtral-8x7b")  # fmt: skip
SOURCES = {
    "trtllm_v1.0_perf_overview.csv": {
        "title": "NVIDIA, TensorRT-LLM 1.0, performance overview",
        "url": "https://github.com/NVIDIA/TensorRT-LLM/tree/00f37686",
        "licence": "Apache-2.0",
    },
    "trtllm_perf_overview_1.2.csv": {
        "title": "NVIDIA, TensorRT-LLM 1.2, performance overview",
        "url": "https://github.com/NVIDIA/TensorRT-LLM/blob/03e27c7d/docs/source/developer-guide/perf-overview.md",
        "licence": "Apache-2.0",
    },
    MLPERF: {
        "title": "MLCommons, MLPerf Inference v5.1, closed division, offline",
        "url": "https://github.com/mlcommons/inference_results_v5.1",
        "licence": "facts of a public benchmark",
    },
}


def measured_rates(folder: Path) -> dict[str, Any]:
    """Return the best rate of each model, accelerator, precision, load and source."""
    best: dict[tuple[Any, ...], tuple[float, int]] = defaultdict(lambda: (0.0, 0))
    days = {}
    for row in read_measurements(folder).rows:
        if row.publisher not in (NVIDIA, MLPERF) or row.scenario != OFFLINE:
            continue
        if row.model not in MODELS:
            continue
        source = MLPERF if row.publisher == MLPERF else row.edition
        days[source] = row.measured.isoformat()
        key = (row.model, row.accelerator, row.precision, row.input_tokens, row.output_tokens,
               source)  # fmt: skip
        each = round(row.tokens_per_second / row.accelerators, 1)
        best[key] = max(best[key], (each, row.accelerators))
    sources = list(SOURCES)
    return {
        "made_by": "scripts/build_catalog.py",
        "sources": [SOURCES[name] | {"day": days[name]} for name in sources],
        "rates": [
            [*key[:-1], count, each, sources.index(key[-1])]
            for key, (each, count) in sorted(best.items())
        ],
    }
