"""Tuning from files: where a run lives, and the settings that a project file or flags describe."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weighbridge.project.overlap import repeated_in
from weighbridge.project.project_file import Tune
from weighbridge.records import ModelRef, canonical_digest
from weighbridge.sources.digests import files_digest
from weighbridge.tuning.data import Conversation, read_conversations

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.tuning import ShownMask, TuneEvent, TuneResult, TuneSettings
    from weighbridge.tuning.merging import Merged


@dataclass(frozen=True)
class TuningFiles:
    """What a tuning run reads, checked before any weights are loaded."""

    train: Path
    validation: Path | None
    conversations: tuple[Conversation, ...]
    held_out: tuple[Conversation, ...]
    duplicates: int
    notes: tuple[str, ...] = ()
    train_files: tuple[Path, ...] = ()
    validation_files: tuple[Path, ...] = ()


def read_tuning_files(
    train: Path, validation: Path | None, *, offline: bool = False
) -> TuningFiles:
    """Read both sets, each a file or a split of a data set on the Hub.

    Raises:
        InputError: A file is missing or empty; MalformedRow names the row that is wrong.
    """
    learnt = read_conversations(train, offline=offline)
    held_out = read_conversations(validation, offline=offline) if validation else None
    kept = held_out.conversations if held_out else ()
    notes = (*learnt.notes, *(held_out.notes if held_out else ()))
    repeated = repeated_in(learnt.conversations, kept)
    return TuningFiles(
        train, validation, learnt.conversations, kept, learnt.duplicates,
        (*notes, *([repeated] if repeated else [])), learnt.files,
        held_out.files if held_out else (),
    )  # fmt: skip


def settings_from(tune: Tune) -> "TuneSettings":
    """Return tuning settings from a project file's `[tune]`."""
    from weighbridge.tuning import TuneSettings

    names = {field.name for field in fields(TuneSettings)}
    values: dict[str, Any] = {k: v for k, v in asdict(tune).items() if k in names}
    if isinstance(values["target"], list):
        values["target"] = tuple(values["target"])
    return TuneSettings(**values)


def base_digest_of(base: ModelRef) -> str:
    """Digest a base's weights and the settings under which they are another model."""
    return canonical_digest([base.weights_digest, base.settings_digest])


def run_folder(root: Path, base_digest: str, settings: "TuneSettings", files: TuningFiles) -> Path:
    """Return the folder of a tuning run: equal settings, data and base share one."""
    digest = canonical_digest([
        base_digest,
        settings.identity(),
        files_digest(files.train_files),
        files_digest(files.validation_files) if files.validation_files else None,
    ])  # fmt: skip
    return root / digest.removeprefix("sha256:")[:12]


def tune_model(
    model: "OpenWeights",
    base: str,
    settings: "TuneSettings",
    files: TuningFiles,
    folder: Path,
    on_event: "Callable[[TuneEvent], None]",
) -> "TuneResult":
    """Tune a loaded model; goes on where an earlier call stopped."""
    from weighbridge.tuning.loop import tune

    with model.network.as_built() as module:
        return tune(
            module,
            model.tokenizer,
            files.conversations,
            files.held_out,
            settings,
            folder,
            on_event,
            base=base,
            base_digest=base_digest_of(model.ref),
        )


def masks_of(model: "OpenWeights", files: TuningFiles, count: int) -> "list[ShownMask]":
    """Return the first conversations as text, with what of it is learnt.

    One that becomes several rows is several texts.
    """
    from weighbridge.tuning import mask_answers, shown_mask

    return [
        shown_mask(model.tokenizer, row)
        for conversation in files.conversations[:count]
        for row in mask_answers(model.tokenizer, conversation).rows
    ]


def merge_tuned(
    model: "OpenWeights", result: "TuneResult", folder: Path, files: TuningFiles
) -> "Merged":
    """Merge the adapter into the model, which it changes, and write safetensors, proven equal."""
    import torch

    from weighbridge.tuning import mask_conversation
    from weighbridge.tuning.merging import merge_adapter

    row = mask_conversation(model.tokenizer, files.conversations[0])
    probe = torch.tensor([row.token_ids[:128]], device=model.network.device)
    with model.network.as_built() as module:
        return merge_adapter(module, model.tokenizer, result.adapter, folder, probe)
