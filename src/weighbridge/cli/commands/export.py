"""Write runs in another tool's format, or a model as one for other programs.

FORMAT of runs: inspect (--to FILE.eval or .json), hugging-face (--to FOLDER, the model's
repository), every-eval-ever (--to FOLDER, schema 0.3.0) or tables (--to FILE.csv or .parquet, one
row per sample).

FORMAT of a model: safetensors merges BASE+ADAPTER (--to FOLDER); gguf makes one file for llama.cpp
of a folder of safetensors (--to FILE.gguf). Both are read back and compared with what they were
made of, on --validation or on a text that is shipped, before they are there.
"""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit
from weighbridge.documents.files import FilesDocument
from weighbridge.errors import InputError, UnknownName

_OF_RUNS = "Runs"
_OF_MODELS = "Models"
MODEL_FORMATS = ("gguf", "safetensors")


def command(
    form: Annotated[
        str,
        typer.Argument(
            metavar="FORMAT",
            help="inspect, hugging-face, every-eval-ever, tables, gguf or safetensors.",
        ),
    ],
    run: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN|MODEL", help="Run ids (or their beginnings) or folders; or one model."
        ),
    ],
    to: Annotated[Path, typer.Option(help="File or folder to write.")],
    kind: Annotated[
        str,
        typer.Option(
            "--type",
            metavar="NAME",
            help="Of a GGUF file's numbers: f16, q8_0, or q4_k_m with llama.cpp. [default: f16]",
            rich_help_panel=_OF_MODELS,
        ),
    ] = "",
    validation: Annotated[
        Path | None,
        typer.Option(
            help="Tuning data on which the written model is compared; else a shipped text.",
            rich_help_panel=_OF_MODELS,
        ),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            help="Hub id of the data set; default: the benchmark's own.", rich_help_panel=_OF_RUNS
        ),
    ] = "",
    task: Annotated[
        str, typer.Option(help="The benchmark's task id on the Hub.", rich_help_panel=_OF_RUNS)
    ] = "",
    source_url: Annotated[
        str, typer.Option(help="URL where readers find the evidence.", rich_help_panel=_OF_RUNS)
    ] = "",
    percent: Annotated[
        bool,
        typer.Option("--percent", help="Write figures in percent.", rich_help_panel=_OF_RUNS),
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    runs: options.Runs = options.DEFAULT_RUNS,
    cache: options.Cache = None,
    threads: options.Threads = 0,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    if form in MODEL_FORMATS:
        _refuse("of runs", form, {"--dataset": dataset, "--task": task, "--percent": percent,
                                  "--source-url": source_url})  # fmt: skip
        if len(run) != 1:
            raise InputError(f"{len(run)} models", f"one for each {form} export")
        around = options.surroundings(cache=cache, threads=threads, offline=offline)
        _export_model(form, run[0], to, kind, validation, overwrite, around, json)
        return
    _refuse("of models", form, {"--type": kind, "--validation": validation})
    from weighbridge.evidence import RunStore
    from weighbridge.evidence.exporting import (
        ExportRequest,
        export_runs,
        exporter_names,
        find_exporter,
    )

    if form not in exporter_names():
        raise UnknownName("format", form, (*exporter_names(), *MODEL_FORMATS))
    find_exporter(form)
    store = RunStore(runs)
    read = [store.read(name) for name in run]
    dataset = dataset or _on_the_hub(read[0].benchmark)
    request = ExportRequest(read, to, dataset, task, source_url, percent)
    written = export_runs(form, request, overwrite=overwrite)
    emit(FilesDocument(files=tuple(map(str, written))), "\n".join(map(str, written)), json)


def _refuse(whose: str, form: str, given: dict[str, object]) -> None:
    """Refuse an option that would be passed over."""
    for name, value in given.items():
        if value:
            raise InputError(
                f"{name} with the format {form}", f"it with a format {whose}", f"leave {name} out"
            )


def _export_model(
    form: str,
    model: str,
    to: Path,
    kind: str,
    validation: Path | None,
    overwrite: bool,
    around: options.Surroundings,
    json: bool,
) -> None:
    from weighbridge.cli.artefact_output import gguf_outcome, merged_outcome
    from weighbridge.cli.drawing import Drawn
    from weighbridge.project.exporting import ModelExport, export_as_gguf, export_merged

    wanted = ModelExport(
        model, to, validation, around.cache, around.threads, around.offline, Drawn().say
    )
    if form == "gguf":
        emit(*gguf_outcome(export_as_gguf(wanted, kind or "f16", overwrite=overwrite)), json)
        return
    _refuse("of GGUF files", form, {"--type": kind, "--overwrite": overwrite})
    emit(*merged_outcome(export_merged(wanted)), json)


def _on_the_hub(name: str) -> str:
    from weighbridge.evaluation.registry import benchmark_names, find_benchmark

    if name not in benchmark_names():
        return ""
    data = find_benchmark(name).asking.data
    return (data.hub or "") if data else ""
