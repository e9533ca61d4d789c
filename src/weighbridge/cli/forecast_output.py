"""What `weighbridge tune --dry-run` prints: a document, and lines of at most 80 columns."""

from typing import TYPE_CHECKING

from weighbridge.cli.output import emit, wrapped
from weighbridge.cli.tune_plan_output import memory_table
from weighbridge.documents.tuning import MixedDocument, RowsDocument
from weighbridge.documents.tuning_forecast import RunMemoryDocument, TuningForecastDocument
from weighbridge.errors import InputError
from weighbridge.records import quantity
from weighbridge.records.printable import printable_line
from weighbridge.tuning.registry import find_method, find_objective

if TYPE_CHECKING:
    from weighbridge.project.run_memory import RunMemory
    from weighbridge.project.tuning import TuningFiles
    from weighbridge.project.tuning_forecast import TuningForecast


def show_forecast(
    forecast: "TuningForecast", files: "TuningFiles", checks_memory: bool, json: bool
) -> None:
    """Print what a run would do; then refuse it as the run itself would.

    Raises:
        InputError: The run would be refused.
    """
    refusal = _refusal(forecast) if checks_memory else None
    emit(_document(forecast, files, refusal), _text(forecast, files), json)
    if refusal is not None:
        raise refusal


def _refusal(forecast: "TuningForecast") -> InputError | None:
    from weighbridge.project.run_memory import require_fit

    if forecast.setup is None or forecast.memory is None:
        return None
    try:
        require_fit(forecast.settings, forecast.setup, forecast.memory)
    except InputError as error:
        return error
    return None


def _document(
    forecast: "TuningForecast", files: "TuningFiles", refusal: InputError | None
) -> TuningForecastDocument:
    validation = forecast.validation_lengths
    return TuningForecastDocument(
        model=forecast.model,
        method=forecast.settings.method,
        objective=forecast.settings.objective,
        trainable_parameters=forecast.trainable_parameters,
        steps=forecast.steps,
        rows_per_step=forecast.settings.rows_per_step,
        tokens=forecast.tokens,
        trained_tokens=forecast.learnt_tokens,
        largest_pass_tokens=forecast.step_tokens,
        arrangement=forecast.arrangement,
        data=RowsDocument(**vars(forecast.lengths)),
        mixed=tuple(MixedDocument(**vars(one)) for one in files.mixed),
        validation_data=RowsDocument(**vars(validation)) if validation else None,
        data_licence=files.licence or None,
        memory=_memory_document(forecast),
        refusal=None if refusal is None else str(refusal),
        notes=files.notes,
    )


def _memory_document(forecast: "TuningForecast") -> RunMemoryDocument | None:
    from weighbridge.project.run_memory import FORMULA_ERROR, changed_options

    found, asked = forecast.memory, forecast.setup
    if found is None or asked is None:
        return None
    near = found.nearest
    return RunMemoryDocument(
        device=found.device,
        predicted_memory_bytes=found.memory.peak_bytes,
        breakdown_bytes=found.memory.items,
        moment=found.memory.moment,
        free_bytes=found.free_bytes,
        error_share=FORMULA_ERROR,
        fits=found.fits,
        nearest_options=changed_options(forecast.settings, asked, near) if near else (),
        nearest_peak_bytes=found.nearest_bytes,
        accelerator=found.accelerator,
    )


def _text(forecast: "TuningForecast", files: "TuningFiles") -> str:
    settings, lengths = forecast.settings, forecast.lengths
    validation, trained = forecast.validation_lengths, forecast.trainable_parameters
    said = [
        f"{printable_line(forecast.model)}: {find_method(settings.method).describe(settings)}; "
        f"{find_objective(settings.objective).bound(settings).describe()}"
        + (f"; {trained:,} parameters trained" if trained is not None else ""),
        *lengths.sentences("learns from"),
        *(validation.sentences("watches the loss on") if validation else ()),
        *(one.told() for one in files.mixed),
        f"{forecast.steps:,} steps of {settings.rows_per_step} rows: {forecast.tokens:,} tokens, "
        f"{forecast.learnt_tokens:,} of them learnt; the largest pass has "
        f"{forecast.step_tokens:,} positions, {forecast.arrangement}",
        *(f"note: {note}" for note in files.notes),
    ]
    lines = [line for sentence in said for line in wrapped(sentence)]
    if forecast.memory is None:
        return "\n".join([*lines, "memory: not forecast, since the architecture isn't known here"])
    return "\n".join([*lines, "", *_memory_lines(forecast.memory), "no weights were loaded"])


def _memory_lines(found: "RunMemory") -> list[str]:
    from weighbridge.project.run_memory import FORMULA_ERROR

    held = "driver, libraries" if found.device.startswith("cuda") else "process so far"
    lines = [f"memory on {found.device}, by the formula:", *memory_table(found.memory, held)]
    if found.free_bytes is None:
        return [*lines, "  what is free isn't known here"]
    verdict = {
        "yes": "it fits",
        "close": f"too near to tell: the forecast may be off by {FORMULA_ERROR:.0%}",
        "no": "it does not fit",
    }[found.fits]
    return [*lines, f"  {'free':<18}{quantity(found.free_bytes) + 'B':>8}  {verdict}"]
