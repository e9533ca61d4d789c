"""What `weighbridge tune` prints of a finished run: a document, and lines of text."""

from typing import TYPE_CHECKING

from weighbridge.cli.artefact_output import divergence_document, merged_lines
from weighbridge.cli.output import wrapped
from weighbridge.documents.tuning import (
    CheckDocument,
    ExpertLayerDocument,
    MixedDocument,
    RewardsDocument,
    RowsDocument,
    SelfTestDocument,
    TuningDocument,
)
from weighbridge.sources.artefacts import artefact_digest

if TYPE_CHECKING:
    from weighbridge.project.tuning import TuningFiles
    from weighbridge.tuning import TuneResult
    from weighbridge.tuning.merging import Merged
    from weighbridge.tuning.rewards import Rewards


def _self_test_document(result: "TuneResult") -> SelfTestDocument | None:
    made = result.self_test
    if made is None:
        return None
    checks = tuple(CheckDocument(**vars(one)) for one in made.checks)
    return SelfTestDocument(checks=checks, seconds=made.seconds)


def outcome(
    result: "TuneResult", merged: "Merged | None", files: "TuningFiles"
) -> tuple[TuningDocument, str]:
    """Return what a run came to, as a document and as text."""
    validation, whole = result.validation_lengths, result.adapter is None
    document = TuningDocument(
        method=result.method,
        objective=result.objective,
        adapter=None if whole else str(result.artefact),
        adapter_digest=None if whole else result.artefact_digest,
        model=str(result.artefact) if whole else None,
        model_digest=result.artefact_digest if whole else None,
        trainable_parameters=result.trainable_parameters,
        trained_tokens=result.trained_tokens,
        tokens=result.tokens,
        tokens_per_second=result.tokens_per_second,
        loss_first=result.loss_first,
        loss_last=result.loss_last,
        validation_loss_first=result.validation_loss_first,
        validation_loss_last=result.validation_loss_last,
        rewards_first=_rewards(result.rewards, 0),
        rewards_last=_rewards(result.rewards, 1),
        validation_rewards_first=_rewards(result.validation_rewards, 0),
        validation_rewards_last=_rewards(result.validation_rewards, 1),
        peak_memory_bytes=result.peak_memory_bytes,
        predicted_memory_bytes=result.predicted_memory_bytes,
        seconds=result.seconds,
        predicted_seconds=result.predicted_seconds,
        steps=result.steps,
        kept_step=result.kept_step,
        arrangement=result.arrangement,
        computed_tokens=result.computed_tokens,
        padded_tokens=result.padded_tokens,
        data=RowsDocument(**vars(result.lengths)),
        mixed=tuple(MixedDocument(**vars(one)) for one in result.mixed),
        validation_data=RowsDocument(**vars(validation)) if validation else None,
        template_date=result.template_date,
        data_licence=files.licence or None,
        notes=(*files.notes, *result.notes),
        self_test=_self_test_document(result),
        experts=tuple(ExpertLayerDocument(**vars(one)) for one in result.experts),
        merged=str(merged.path) if merged else None,
        merged_before=merged.before if merged else False,
        merged_max_logit_difference=merged.max_logit_difference if merged else None,
        merged_digest=artefact_digest(merged.path) if merged else None,
        merged_divergence=divergence_document(merged.divergence, merged.kl_bound, merged.dtype)
        if merged
        else None,
    )
    lines = [
        *(line for said in (*result.told(), *files.notes) for line in wrapped(said)),
        f"loss {result.loss_first:.3f} to {result.loss_last:.3f} in {result.steps} steps",
        *_told_rewards("at the last step", result.rewards),
        *_told_rewards("on validation pairs", result.validation_rewards),
        f"{result.tokens_per_second:,.0f} tokens a second; peak memory "
        f"{result.peak_memory_bytes / 1e9:.2f} GB (forecast "
        f"{result.predicted_memory_bytes / 1e9:.2f})",
        f"{result.output} {result.artefact}",
    ]
    lines += merged_lines(merged) if merged else []
    return document, "\n".join(lines)


def _rewards(measured: "tuple[Rewards, Rewards] | None", place: int) -> RewardsDocument | None:
    return RewardsDocument(**vars(measured[place])) if measured else None


def _told_rewards(where: str, measured: "tuple[Rewards, Rewards] | None") -> tuple[str, ...]:
    if not measured:
        return ()
    first, last = measured
    before = f" ({first.accuracy:.0%} before)" if first.accuracy else ""  # DPO starts at 0
    return (f"{where} {last}{before}",)
