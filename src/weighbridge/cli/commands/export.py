"""Write runs in another tool's format.

FORMAT is inspect (--to FILE.eval or .json), hugging-face (--to FOLDER, the model's repository) or
tables (--to FILE.csv or .parquet, one row per sample).
"""

from pathlib import Path
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit
from weighbridge.documents.files import FilesDocument


def command(
    form: Annotated[str, typer.Argument(metavar="FORMAT", help="inspect, hugging-face or tables.")],
    run: Annotated[list[str], typer.Argument(help="Run ids (or their beginnings) or folders.")],
    to: Annotated[Path, typer.Option(help="File or folder to write.")],
    dataset: Annotated[
        str, typer.Option(help="Hub id of the data set; default: the benchmark's own.")
    ] = "",
    task: Annotated[str, typer.Option(help="The benchmark's task id on the Hub.")] = "",
    source_url: Annotated[str, typer.Option(help="URL where readers find the evidence.")] = "",
    percent: Annotated[bool, typer.Option(help="Write figures in percent.")] = False,
    overwrite: Annotated[bool, typer.Option(help="Replace existing files.")] = False,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.evidence import RunStore
    from weighbridge.evidence.exporting import ExportRequest, export_runs, find_exporter

    find_exporter(form)
    store = RunStore(runs)
    read = [store.read(name) for name in run]
    dataset = dataset or _on_the_hub(read[0].benchmark)
    request = ExportRequest(read, to, dataset, task, source_url, percent)
    written = export_runs(form, request, overwrite=overwrite)
    emit(FilesDocument(files=tuple(map(str, written))), "\n".join(map(str, written)), json)


def _on_the_hub(name: str) -> str:
    from weighbridge.evaluation.registry import benchmark_names, find_benchmark

    if name not in benchmark_names():
        return ""
    data = find_benchmark(name).asking.data
    return (data.hub or "") if data else ""
