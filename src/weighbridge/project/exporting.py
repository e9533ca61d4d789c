"""A model as a file for others: merged safetensors, or GGUF; named as at the command line."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.errors import InputError
from weighbridge.opening.models import open_model
from weighbridge.project.tuning import base_digest_of
from weighbridge.sources.artefacts import artefact_files
from weighbridge.sources.weights import WeightsLocation, find_weights
from weighbridge.tuning.data import read_tuning_data
from weighbridge.tuning.lineage import LineageStep, folder_step, lineage_checks, read_lineage
from weighbridge.tuning.rows import TuningRow

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.tuning.gguf_export.exporting import ExportedGguf
    from weighbridge.tuning.held_out import HeldOut
    from weighbridge.tuning.merging import Merged


@dataclass(frozen=True)
class ModelExport:
    """What is written, and with what.

    Attributes:
        model: As named at the command line.
        to: File or folder.
        validation: Rows on which it is compared; None is the text that is shipped.
        cache: Where converted weights are kept.
        threads: For arithmetic.
        offline: Never reach for the network.
        say: Told what is being done.
    """

    model: str
    to: Path
    validation: Path | None
    cache: Path
    threads: int
    offline: bool
    say: Callable[[str], None]


def export_as_gguf(wanted: ModelExport, kind: str, *, overwrite: bool) -> "ExportedGguf":
    """Write a folder of safetensors as one GGUF file, proven.

    Raises:
        InputError: It is no such folder, or can't be expressed in GGUF; or the file is there.
    """
    from weighbridge.tuning.gguf_export.exporting import GgufRequest, export_gguf
    from weighbridge.tuning.gguf_export.storing import find_file_type

    file_type = find_file_type(kind)
    if wanted.to.suffix != ".gguf":
        raise InputError(f"--to {wanted.to}", "a file that ends in .gguf")
    location = find_weights(wanted.model, offline=wanted.offline)
    _require_folder(location, wanted)
    steps = _steps_to(location.path, location.name)
    rows = _validation(wanted)
    request = GgufRequest(
        wanted.to, file_type, location.name, steps[-1].digest, steps,
        lambda opened: _held_out(opened, rows), wanted.cache, wanted.threads, overwrite,
        wanted.say,
    )  # fmt: skip
    # In float32, whatever else is here: a graphics card would round the weights first.
    opened = open_model(location, wanted.cache, "cpu", wanted.threads, wanted.offline)
    return export_gguf(opened, request)


def export_merged(wanted: ModelExport) -> "Merged":
    """Write a base with an adapter as one folder of safetensors, proven.

    Raises:
        InputError: There is no adapter, it doesn't fit, or the folder is taken.
    """
    location = find_weights(wanted.model, offline=wanted.offline)
    if location.adapter is None:
        raise InputError(
            f"{wanted.model} has no adapter on it", "BASE+ADAPTER, or an adapter's folder"
        )
    from weighbridge.models.reading import with_own_tokens
    from weighbridge.tuning.merging import merge_adapter, require_free

    require_free(wanted.to)
    rows = _validation(wanted)
    base = replace(location, adapter=None)
    with open_model(base, wanted.cache, "cpu", wanted.threads, wanted.offline) as opened:
        tokenizer = with_own_tokens(opened.tokenizer, location.adapter)
        text = _held_out(opened, rows)
        origin = LineageStep("base", base_digest_of(opened.ref), {"model": asdict(opened.ref)})
        wanted.say("merging, and reading it back")
        with opened.network.as_built() as module:
            return merge_adapter(
                module, tokenizer, location.adapter, wanted.to, text.probe(module.device), text,
                (origin,),
            )  # fmt: skip


def _require_folder(location: WeightsLocation, wanted: ModelExport) -> None:
    if location.adapter is not None:
        raise InputError(
            f"{wanted.model} is a base with an adapter on it",
            "one model: llama.cpp's file holds whole weights",
            f"merge it first: weighbridge export safetensors {wanted.model} --to FOLDER",
        )
    if location.kind == "gguf":
        raise InputError(
            f"{wanted.model} is a GGUF file already",
            "a folder of safetensors, whose numbers were not rounded yet",
            "name the folder that it was made from",
        )


def _steps_to(folder: Path, name: str) -> tuple[LineageStep, ...]:
    """Return the steps to a folder; those of its record, if it has one and is as recorded."""
    steps = read_lineage(folder)
    if not steps:
        return (folder_step("model", artefact_files(folder), {"name": name}),)
    for check in lineage_checks(folder):
        if not check.ok:
            raise InputError(
                f"{folder}, {check.detail}",
                "a folder that is as its record says",
                "merge again; or remove the record, if the change is meant",
            )
    return steps


def _validation(wanted: ModelExport) -> tuple[TuningRow, ...]:
    if wanted.validation is None:
        return ()
    return read_tuning_data(wanted.validation, offline=wanted.offline).rows


def _held_out(opened: "OpenWeights", rows: tuple[TuningRow, ...]) -> "HeldOut":
    from weighbridge.tuning.held_out import held_out_text

    vocabulary = int(opened.module.get_input_embeddings().weight.shape[0])
    return held_out_text(opened.tokenizer, rows, vocabulary, opened.context_tokens)
