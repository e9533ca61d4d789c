"""Reads published measurements of serving: four files of three publishers, as one kind of row.

Each row is in scope, or is counted by the reason why it is not. No row is dropped for being far
from a forecast; `calibration.prepare` refuses only rows that are physically impossible.
"""

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.planning.serving.layout import Layout
from weighbridge.sources.regular_files import DOCUMENT_BYTES
from weighbridge.sources.text_files import read_text

INFERENCEX, NVIDIA, MLPERF = "InferenceX", "TensorRT-LLM table", "MLPerf"
OFFLINE, SERVER, INTERACTIVE = "offline", "server", "interactive"


@dataclass(frozen=True)
class Latency:
    """Latency limits in seconds: for the first token, and for each one after it."""

    first: float
    each: float


@dataclass(frozen=True)
class Workload:
    """MLPerf's task for a model: mean lengths, and latency limits by scenario."""

    input_tokens: float
    output_tokens: float
    limits: Mapping[str, Latency]


MLPERF_WORKLOADS = {
    "llama2-70b": Workload(
        294.0, 294.45, {SERVER: Latency(2.0, 0.2), INTERACTIVE: Latency(0.45, 0.04)}
    ),
    "mixtral-8x7b": Workload(294.0, 144.84, {SERVER: Latency(2.0, 0.2)}),
    "llama3.1-405b": Workload(
        9428.0, 684.68, {SERVER: Latency(6.0, 0.175), INTERACTIVE: Latency(4.5, 0.08)}
    ),
    "llama3.1-8b": Workload(
        778.0, 128.0, {SERVER: Latency(2.0, 0.1), INTERACTIVE: Latency(0.5, 0.03)}
    ),
    "deepseek-r1": Workload(800.0, 3886.23, {SERVER: Latency(2.0, 0.08)}),
}
"""Output lengths: the reference's tokens a sample, in its submission checker (mlcommons/inference).
Input lengths and limits are recalled from the task forces' pages at mlcommons.org, not re-read."""

MODELS = {
    "Llama-3.3-70B": "llama-3.3-70b",
    "Llama-3.1-405B": "llama-3.1-405b",
    "Llama-3.1-8B": "llama-3.1-8b",
    "Llama-4-Maverick": "llama-4-maverick",
    "Llama-4-Scout": "llama-4-scout",
    "Qwen3-235B-A22B": "qwen3-235b-a22b",
    "Qwen3-235B-A22B-FP8": "qwen3-235b-a22b",
    "Qwen3-30B-A3B": "qwen3-30b-a3b",
    "Qwen3-32B": "qwen3-32b",
    "Qwen3-32B-NVFP4": "qwen3-32b",
    "Qwen3.5-397B-A17B": "qwen3.5-397b-a17b",
    "DeepSeek-R1": "deepseek-v3",
    "DeepSeek-R1-0528": "deepseek-v3",
    "DeepSeek-R1-NVFP4": "deepseek-v3",
    "DeepSeek-V3": "deepseek-v3",
    "DeepSeek-V3.1-NVFP4": "deepseek-v3",
    "gpt-oss-120b": "gpt-oss-120b",
    "gpt-oss-20b": "gpt-oss-20b",
    "MiniMax-M2.5": "minimax-m2",
    "Kimi-K2.5": "kimi-k2",
    "GLM-5": "glm-5",
    "Llama-3.1-70B": "llama-3.1-70b",
    "Llama-3.1-8B-Instruct": "llama-3.1-8b",
    "Llama-3.1-8B-Instruct-FP8": "llama-3.1-8b",
    "llama2-70b": "llama-2-70b",
    "llama3.1-405b": "llama-3.1-405b",
    "llama3.1-8b": "llama-3.1-8b",
    "mixtral-8x7b": "mixtral-8x7b",
    "deepseek-r1": "deepseek-r1",
}
"""Names in the files, each with the catalog's name of a model of the same structure."""

ACCELERATORS = {
    "H100": "h100-sxm",
    "H200": "h200-sxm",
    "B200": "b200-sxm",
    "GB200": "gb200",
    "RTX6000Pro": "rtx-pro-6000",
    "h100_sxm": "h100-sxm",
    "h200_sxm": "h200-sxm",
    "b200_sxm": "b200-sxm",
    "b300_sxm": "b300-sxm",
    "gb200": "gb200",
    "gb300": "gb300",
    "AMD Instinct MI300X 192GB HBM3": "mi300x",
    "AMD Instinct MI325X 256GB HBM3e": "mi325x",
    "NVIDIA B200-SXM-180GB": "b200-sxm",
    "NVIDIA GB200": "gb200",
    "NVIDIA GB300": "gb300",
    "NVIDIA H100-SXM-80GB": "h100-sxm",
    "NVIDIA H200-NVL-141GB": "h200-nvl",
    "NVIDIA H200-SXM-141GB": "h200-sxm",
    "Virtualized NVIDIA H200-SXM-141GB": "h200-sxm",
    "NVIDIA L40S": "l40s",
    "NVIDIA RTX PRO 6000 Blackwell Server Edition": "rtx-pro-6000",
}

NVIDIA_EDITIONS = {
    "trtllm_v1.0_perf_overview.csv": date(2025, 9, 15),
    "trtllm_perf_overview_1.2.csv": date(2026, 1, 15),
}
"""TensorRT-LLM's tables, with the approximate release date of the version; not re-read."""
MLPERF_ROUND = date(2025, 8, 1)
"""Day of submission of MLPerf Inference v5.1."""
_UNDATED = {
    ("trtllm", "1.0.0rc3"): date(2025, 7, 15),
    ("sglang", "0.5.6.post2"): date(2025, 12, 15),
    ("vllm", "0.12.0"): date(2025, 12, 15),
}
"""Approximate release dates of versions, for InferenceX's rows without a day. Other versions
without a day count as of 2026-01-15."""


@dataclass(frozen=True)
class Measurement:
    """One published rate.

    Attributes:
        id: Id of the row.
        publisher: Who measured; validation leaves out a publisher as a whole.
        edition: The publisher's file or edition.
        measured: Day of the measurement, or the approximate release date of the edition.
        model: The model's name in the catalog.
        accelerator: The accelerator's name in the catalog.
        accelerators: Number of accelerators.
        layout: How the model was spread; None where it isn't stated.
        precision: Precision of the weights.
        scenario: offline, server, interactive, or concurrency.
        concurrency: Requests at once, over all groups; None for as many as fit.
        limit: Latency limits that had to be met; None for none.
        input_tokens: Mean tokens of a prompt.
        output_tokens: Mean tokens of an answer.
        tokens_per_second: Output tokens a second of the whole system.
        first_seconds: Time to the first token; None where it was not measured.
        each_seconds: Time of each later token; None where it was not measured.
    """

    id: str
    publisher: str
    edition: str
    measured: date
    model: str
    accelerator: str
    accelerators: int
    layout: Layout | None
    precision: str
    scenario: str
    concurrency: float | None
    limit: Latency | None
    input_tokens: float
    output_tokens: float
    tokens_per_second: float
    first_seconds: float | None = None
    each_seconds: float | None = None


@dataclass(frozen=True)
class Measurements:
    """The contents of the files.

    Attributes:
        rows: The rows in scope.
        out_of_scope: Number of other rows, by the reason why they are out of scope.
    """

    rows: tuple[Measurement, ...]
    out_of_scope: Mapping[str, int]


class _OutOfScope(Exception):
    """A row that is out of scope; the exception's text is the reason."""


def read_measurements(folder: Path) -> Measurements:
    """Read all four files of a folder.

    Raises:
        InputError: A file is missing.
    """
    counted: Counter[str] = Counter()
    found: dict[str, Measurement] = {}
    for name, read in _READERS.items():
        path = folder / name
        if not path.is_file():
            raise InputError(f"no file {path}", f"the files {', '.join(_READERS)}")
        text = read_text(path, "a table of measurements", limit=DOCUMENT_BYTES)
        for index, row in enumerate(csv.DictReader(io.StringIO(text, newline=""))):
            try:
                one = read(row, name, index)
            except _OutOfScope as reason:
                counted[str(reason)] += 1
                continue
            key = f"{one.publisher} {one.id}"
            if key in found:
                counted["the same run twice in the file"] += 1
            found.setdefault(key, one)
    return Measurements(tuple(found.values()), dict(counted))


def _model(name: str) -> str:
    if name not in MODELS:
        raise _OutOfScope(f"architecture not in the catalog: {name}")
    return MODELS[name]


def _machine(name: str) -> str:
    if name not in ACCELERATORS:
        raise _OutOfScope(f"no data sheet of {name or 'an accelerator without a name'}")
    return ACCELERATORS[name]


def _precision(model: str, written: str) -> str:
    if model.startswith("gpt-oss"):
        return "fp4"  # its weights are published so; NVIDIA's table names the arithmetic's type
    known = {"bf16": "bf16", "fp8": "fp8", "fp4": "fp4", "int4": "int4", "uint4": "int4"}
    if written.lower() not in known:
        raise _OutOfScope(f"precision {written or 'not stated'}")
    return known[written.lower()]


def _nvidia(row: Mapping[str, str], name: str, index: int) -> Measurement:
    """One cell of TensorRT-LLM's table: as many requests as the engine takes."""
    gpus, model = int(row["gpus"]), _model(row["model"])
    return Measurement(
        id=f"{name}:{index + 2}",
        publisher=NVIDIA,
        edition=name,
        measured=NVIDIA_EDITIONS[name],
        model=model,
        accelerator=_machine(row["gpu"]),
        accelerators=gpus,
        layout=_nvidia_layout(row.get("parallel", ""), gpus),
        precision=_precision(model, row["precision"]),
        scenario=OFFLINE,
        concurrency=None,
        limit=None,
        input_tokens=float(row["isl"]),
        output_tokens=float(row["osl"]),
        tokens_per_second=float(row["out_tok_s_per_gpu"]) * gpus,
    )


def _nvidia_layout(text: str, gpus: int) -> Layout | None:
    found = re.fullmatch(r"(TP|DEP)(\d+)(?:\+PP(\d+))?", text)
    if not found:
        return None  # the older table names the GPUs alone
    tensor, stages = int(found[2]), int(found[3] or 1)
    together = found[1] == "DEP" and tensor > 1
    return Layout(tensor, stages, max(1, gpus // (tensor * stages)), together)


def _mlperf(row: Mapping[str, str], name: str, index: int) -> Measurement:
    """One result; the stricter accuracy target is often the same run as the other."""
    benchmark = re.sub(r"-99(\.9)?$", "", row["model"])
    if benchmark not in MLPERF_WORKLOADS:
        raise _OutOfScope(f"no workload known for {row['model']}")
    model, machine = _model(benchmark), _machine(row["accelerator"])
    task, scenario = MLPERF_WORKLOADS[benchmark], row["scenario"].lower()
    precision = _precision(model, row["weight_data_types"])
    gpus = int(row["nodes"]) * int(row["accelerators_per_node"])
    return Measurement(
        id=f"{row['id']} {benchmark} {scenario} {row['performance_result']}",
        publisher=MLPERF,
        edition="v5.1",
        measured=MLPERF_ROUND,
        model=model,
        accelerator=machine,
        accelerators=gpus,
        layout=None,
        precision=precision,
        scenario=scenario,
        concurrency=None,
        limit=task.limits.get(scenario),
        input_tokens=task.input_tokens,
        output_tokens=task.output_tokens,
        tokens_per_second=float(row["performance_result"]),
    )


def _inferencex(row: Mapping[str, str], name: str, index: int) -> Measurement:
    """A measured latency at a concurrency; the rate follows from it."""
    if row["mode"] != "agg":
        raise _OutOfScope("prefill and decode on separate accelerators")
    if not row["precision"]:
        raise _OutOfScope("precision not stated")
    model = _model(row["model_path"].rpartition("/")[2])
    machine = _machine(row["system"])
    layout = _inferencex_layout(row)
    first, each = float(row["silicon_ttft_ms"]) / 1e3, float(row["silicon_tpot_ms"]) / 1e3
    found = re.search(r"silicon_concurrency=(\d+)", row["silicon_data_source"])
    if not found:
        raise _OutOfScope("concurrency not stated")
    concurrency, output = int(found[1]), float(row["osl"])
    if not (first > 0 and each > 0 and math.isfinite(first + each)):
        raise _OutOfScope("a latency that is not above 0")
    return Measurement(
        id="|".join(row[k] for k in ("system", "backend", "precision", "isl", "osl"))
        + f"|{model}|{concurrency}|{layout.title}|{first:.9f}|{each:.9f}",
        publisher=INFERENCEX,
        edition=f"{row['backend']} {row['backend_version']}".strip(),
        measured=_day(row),
        model=model,
        accelerator=machine,
        accelerators=layout.accelerators,
        layout=layout,
        precision=_precision(model, row["precision"]),
        scenario="concurrency",
        concurrency=float(concurrency),
        limit=None,
        input_tokens=float(row["isl"]),
        output_tokens=output,
        tokens_per_second=concurrency * output / (first + (output - 1) * each),
        first_seconds=first,
        each_seconds=each,
    )


def _inferencex_layout(row: Mapping[str, str]) -> Layout:
    """Read how the model was spread.

    Where both degrees were recorded, the file's `tp_size` is tensor parallel times expert parallel,
    so that 64 means 8. The id states what was run; where it doesn't, both factors are equal.
    """
    named = re.search(r"_tp(\d+)(?:_0)?_ep(?:\d+|none)", row["id"])
    parts = [int(row[k] or 0) or 1 for k in ("tp_size", "attention_dp_size", "moe_tp_size")]
    tensor, copies, moe_tensor = parts
    experts = int(row["moe_ep_size"] or 0) or 1
    stages = int(row["pp_size"] or 1)
    together = copies > 1
    if named:
        return Layout(int(named[1]), stages, 1, together)
    size = tensor * copies
    if moe_tensor == experts and size == moe_tensor * experts:
        size = experts
    elif together:
        size = max(tensor, copies)
    return Layout(size, stages, 1, together)


def _day(row: Mapping[str, str]) -> date:
    found = re.search(r"measured=(\d{4})-(\d\d)-(\d\d)", row["silicon_data_source"])
    if found:
        return date(int(found[1]), int(found[2]), int(found[3]))
    return _UNDATED.get((row["backend"], row["backend_version"]), date(2026, 1, 15))


_READERS = {
    "silicon_sample.csv": _inferencex,
    **dict.fromkeys(NVIDIA_EDITIONS, _nvidia),
    "mlperf_inference_v5.1_llm_closed.csv": _mlperf,
}


def group_of(model: str) -> str:
    """Return the name of a model's group, which validation leaves out together.

    The models of a group differ in their vocabulary at most.
    """
    if model == "deepseek-r1":
        return "deepseek-v3"
    return "llama 70B" if re.fullmatch(r"llama-(2|3|3\.1|3\.3)-70b", model) else model
