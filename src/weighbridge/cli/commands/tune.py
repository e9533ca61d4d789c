"""Tune a model with LoRA on your own conversations.

Killed at any moment, the same command goes on and ends with the same adapter, bit for bit.
"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import emit, emit_masks
from weighbridge.records import Json

if TYPE_CHECKING:
    from weighbridge.tuning import TuneResult
    from weighbridge.tuning.merging import Merged


def command(
    model: Annotated[str, typer.Argument(help="Alias, folder, .gguf or Hub id.")],
    train: Annotated[Path, typer.Option(help="File to learn from, or ORG/NAME:SPLIT of the Hub.")],
    validation: Annotated[Path | None, typer.Option(help="Likewise, to watch the loss on.")] = None,
    out: Annotated[Path | None, typer.Option(help="The run's folder.")] = None,
    rank: Annotated[int, typer.Option(help="Rank of the update.", min=1)] = 16,
    alpha: Annotated[float, typer.Option(help="Scaled by alpha / rank.")] = 32.0,
    dropout: Annotated[float, typer.Option(help="On the adapter's input.")] = 0.0,
    learning_rate: Annotated[float, typer.Option("--learning-rate", "--lr")] = 5e-4,
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    max_steps: Annotated[int | None, typer.Option(help="Stop after so many steps.")] = None,
    batch_size: Annotated[int, typer.Option(help="Rows in one pass.", min=1)] = 8,
    accumulation: Annotated[int, typer.Option(help="Passes in one step.", min=1)] = 1,
    max_tokens: Annotated[int | None, typer.Option(help="Longest row.")] = None,
    overflow: Annotated[str, typer.Option(help="refuse, drop or truncate_left.")] = "refuse",
    merge: Annotated[Path | None, typer.Option(help="Also write merged safetensors here.")] = None,
    show_mask: Annotated[int, typer.Option(help="Show what is learnt of N rows, and stop.")] = 0,
    runs: options.Runs = options.DEFAULT_RUNS,
    cache: options.Cache = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:
    """See the module's docstring, which is the help."""
    from weighbridge.cli.drawing import Drawn
    from weighbridge.opening.models import open_model
    from weighbridge.project.project_file import Tune
    from weighbridge.project.stages.tune import tuning_bar
    from weighbridge.project.tuning import (
        base_digest_of,
        masks_of,
        merge_tuned,
        read_tuning_files,
        run_folder,
        settings_from,
        tune_model,
    )
    from weighbridge.tuning.merging import merged_before, require_free

    around = options.surroundings(
        runs=runs, cache=cache, device=device, threads=threads, offline=offline
    )
    settings = settings_from(
        Tune(
            train=str(train), rank=rank, alpha=alpha, dropout=dropout,
            learning_rate=learning_rate, epochs=epochs, max_steps=max_steps,
            batch_size=batch_size, accumulation=accumulation, max_tokens=max_tokens,
            overflow=overflow, seed=seed,
        )
    )  # fmt: skip
    files = read_tuning_files(train, validation, offline=around.offline)
    if merge:
        require_free(merge)
    with open_model(model, around.cache, device, around.threads, around.offline) as opened:
        if show_mask:
            masks = masks_of(opened, files, show_mask)
            emit_masks([(mask.header, mask.parts) for mask in masks], json)
            return
        folder = out or run_folder(
            runs.parent / "tuning", base_digest_of(opened.ref), settings, files
        )
        merged = merged_before(merge, folder / "adapter", folder) if merge else None
        with tuning_bar(Drawn(), "tune") as on_event:
            result = tune_model(opened, model, settings, files, folder, on_event)
        if merge and not merged:
            merged = merge_tuned(opened, result, merge, files)
    emit(*_outcome(result, merged, files.notes), json)


def _outcome(
    result: "TuneResult", merged: "Merged | None", notes: tuple[str, ...]
) -> tuple[dict[str, Json], str]:
    """Return what a run came to, as JSON and as text."""
    validation = result.validation_lengths
    document: dict[str, Json] = {
        "adapter": str(result.adapter),
        "adapter_digest": result.adapter_file_digest,
        "trained_tokens": result.trained_tokens,
        "tokens": result.tokens,
        "tokens_per_second": result.tokens_per_second,
        "loss_first": result.loss_first,
        "loss_last": result.loss_last,
        "validation_loss_first": result.validation_loss_first,
        "validation_loss_last": result.validation_loss_last,
        "peak_memory_bytes": result.peak_memory_bytes,
        "predicted_memory_bytes": result.predicted_memory_bytes,
        "seconds": result.seconds,
        "predicted_seconds": result.predicted_seconds,
        "steps": result.steps,
        "data": asdict(result.lengths),
        "validation_data": asdict(validation) if validation else None,
        "template_date": result.template_date,
        "notes": [*notes, *result.notes],
        "merged": str(merged.path) if merged else None,
        "merged_before": merged.before if merged else False,
        "merged_max_logit_difference": merged.max_logit_difference if merged else None,
    }
    lines = [
        *result.told(),
        *notes,
        f"loss {result.loss_first:.3f} to {result.loss_last:.3f} in {result.steps} steps",
        f"{result.tokens_per_second:,.0f} tokens a second; peak memory "
        f"{result.peak_memory_bytes / 1e9:.2f} GB (forecast "
        f"{result.predicted_memory_bytes / 1e9:.2f})",
        f"adapter {result.adapter}",
    ]
    if merged:
        before = ", done before" if merged.before else ""
        lines.append(
            f"merged {merged.path} (logits differ by at most "
            f"{merged.max_logit_difference:.1e}{before})"
        )
    return document, "\n".join(lines)
