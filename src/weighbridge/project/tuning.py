"""Tuning from files: what is read, where a run lives, and how its result is named and merged."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.models.adapter_origin import base_digest
from weighbridge.project.data_licence import licence_of
from weighbridge.project.mixing import Components, mixture_of, read_components
from weighbridge.project.overlap import asked_in, repeated_in
from weighbridge.records import Json, ModelRef, canonical_digest
from weighbridge.sources.digests import file_digest, files_digest
from weighbridge.sources.weights import WeightsLocation, find_weights
from weighbridge.tuning.data import read_rows
from weighbridge.tuning.lineage import LineageStep
from weighbridge.tuning.mixing import SAFETY, Mixed, Mixing
from weighbridge.tuning.registry import find_method, find_objective
from weighbridge.tuning.rows import Conversation, PreferencePair, TuningRow

if TYPE_CHECKING:
    from weighbridge.models.open_weights import OpenWeights
    from weighbridge.tuning import ShownMask, TuneEvent, TuneResult, TuneSettings
    from weighbridge.tuning.merging import Merged


@dataclass(frozen=True)
class TuningFiles:
    """What a tuning run reads, checked before any weights are loaded.

    Attributes:
        train: As it was named.
        validation: As it was named; None for none.
        rows: What is learnt from: conversations, or preference pairs.
        held_out: Rows of the same kind, to watch the loss on.
        duplicates: Rows to learn from that repeat an earlier one.
        notes: What was read over, each as a sentence.
        train_files: Where the rows stand.
        validation_files: Where the held-out rows stand.
        licence: Of the rows to learn from; "" where none is known.
        components: What is to be mixed in; None for nothing.
        mixed: What was mixed in. These rows stand in `rows`, after those of `train`.
    """

    train: Path
    validation: Path | None
    rows: tuple[TuningRow, ...]
    held_out: tuple[TuningRow, ...]
    duplicates: int
    notes: tuple[str, ...] = ()
    train_files: tuple[Path, ...] = ()
    validation_files: tuple[Path, ...] = ()
    licence: str = ""
    components: Components | None = None
    mixed: tuple[Mixed, ...] = ()

    @property
    def own_rows(self) -> tuple[TuningRow, ...]:
        """The rows of `train` alone."""
        return self.rows[: len(self.rows) - sum(one.rows for one in self.mixed)]


def read_tuning_files(
    train: Path,
    validation: Path | None,
    objective: str = "sft",
    licence: str = "",
    *,
    mixing: Mixing | None = None,
    locate: Callable[[str], Path] = Path,
    offline: bool = False,
) -> TuningFiles:
    """Read all sets, each a file or a split of a data set on the Hub, and the data's licence.

    Nothing is mixed in yet: see `with_mixture`.

    Args:
        train: What is learnt from.
        validation: What the loss is watched on.
        objective: What is learnt.
        licence: Of `train`, as a person states it.
        mixing: What is to be mixed in; None for nothing, of which no record is made.
        locate: Finds what `mixing` names.
        offline: Never reach for the Hub.

    Raises:
        InputError: A file is missing or empty, or holds what the objective can't learn from;
            MalformedRow names the row that is wrong.
    """
    kind = find_objective(objective).learns_from
    if mixing is not None:
        mixing.require_for(objective, kind)
    learnt = read_rows(train, kind, offline=offline)
    held_out = read_rows(validation, kind, offline=offline) if validation else None
    kept = held_out.rows if held_out else ()
    notes = (*learnt.notes, *(held_out.notes if held_out else ()))
    repeated = repeated_in(learnt.rows, kept)
    known, said = licence_of(train, licence, offline=offline)
    components = None
    if mixing is not None and kind == "conversations":
        components = read_components(mixing, learnt.rows, locate=locate, offline=offline)
        said = (*said, *components.notes)
    return TuningFiles(
        train, validation, learnt.rows, kept, learnt.duplicates,
        (*notes, *([repeated] if repeated else []), *said), learnt.files,
        held_out.files if held_out else (), known, components,
    )  # fmt: skip


def with_mixture(files: TuningFiles, seed: int, measured: Sequence[str] = ()) -> TuningFiles:
    """Return files with the rows mixed in that a person chose to have mixed in.

    Args:
        files: As they were read.
        seed: The run's.
        measured: Questions that the model will be measured with: rows that ask one of them, or a
            validation row's, are not mixed in.
    """
    if files.components is None or files.mixed:
        return files
    own = [row for row in files.rows if isinstance(row, Conversation)]
    held_out = [asked_in(row) for row in files.held_out]
    mixture = mixture_of(own, files.components, seed, [*measured, *held_out])
    return replace(
        files,
        rows=mixture.rows,
        mixed=mixture.mixed,
        notes=(*files.notes, *mixture.notes),
        components=None,
    )


def base_digest_of(base: ModelRef) -> str:
    """Digest a base's weights and the settings under which they are another model."""
    return base_digest(base.weights_digest, base.settings_digest)


def run_folder(root: Path, base_digest: str, settings: "TuneSettings", files: TuningFiles) -> Path:
    """Return the folder of a tuning run: equal settings, data and base share one."""
    digest = canonical_digest([
        base_digest,
        settings.identity(),
        files_digest(files.train_files),
        files_digest(files.validation_files) if files.validation_files else None,
        # Where nothing is mixed in, the folder is that of runs from before anything could be.
        *(one.rows_digest for one in files.mixed if one.rows_digest),
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
        result = tune(
            module,
            model.tokenizer,
            files.rows,
            files.held_out,
            settings,
            folder,
            on_event,
            base=base,
            base_digest=base_digest_of(model.ref),
            mixed=files.mixed,
        )
    # A finished run from before this was recorded learnt the same rows, or it would be another.
    return result if result.mixed else replace(result, mixed=files.mixed)


def quantised_twice(base: ModelRef, settings: "TuneSettings") -> tuple[str, ...]:
    """Return a sentence where a base that was stored quantised is quantised once more."""
    stored = base.quantization
    if find_method(settings.method).keeps_base or stored in (None, "F32", "F16", "BF16"):
        return ()
    return (
        f"the base's weights were stored as {stored} and are quantised once more: plain weights "
        "lose less",
    )


def tuned_weights(base: WeightsLocation, tuned: "TuneResult") -> WeightsLocation:
    """Return where the tuned model is: an adapter on its base, or a whole model."""
    if tuned.adapter is not None:
        return replace(base, adapter=tuned.adapter)
    return replace(find_weights(str(tuned.artefact)), name=f"{base.name}-tuned")


def tuned_name(base: str, tuned: "TuneResult") -> str:
    """Return what the tuned model is called at the command line."""
    return str(tuned.artefact) if tuned.adapter is None else f"{base}+{tuned.adapter}"


def masks_of(model: "OpenWeights", files: TuningFiles, count: int) -> "list[ShownMask]":
    """Return the first rows as text, with what of them is learnt.

    A conversation that becomes several rows is several texts, and a pair is one for each answer.
    Of data that is mixed in, as many are shown; safety examples never are, since their questions
    may be harmful.
    """
    from weighbridge.tuning import mask_answers, shown_mask

    return [
        shown_mask(model.tokenizer, replace(masked, id=f"{masked.id}{which}"))
        for row in _shown(files, count)
        for conversation, which in _conversations_of(row)
        for masked in mask_answers(model.tokenizer, conversation).rows
    ]


def _shown(files: TuningFiles, count: int) -> list[TuningRow]:
    shown = list(files.own_rows[:count])
    start = len(files.own_rows)
    for one in files.mixed:
        if one.name != SAFETY:
            shown += files.rows[start : start + min(count, one.rows)]
        start += one.rows
    return shown


def _conversations_of(row: TuningRow) -> list[tuple[Conversation, str]]:
    """Return what a row has the model read, each with how it is told from the others."""
    from weighbridge.tuning.paired_rows import both_of

    if isinstance(row, PreferencePair):
        return list(zip(both_of(row), (", chosen", ", rejected"), strict=True))
    return [(row, "")]


def merge_tuned(
    model: "OpenWeights",
    result: "TuneResult",
    folder: Path,
    files: TuningFiles,
    settings: "TuneSettings",
) -> "Merged":
    """Write the result as one folder of safetensors, proven equal; it may change the model."""
    import torch

    from weighbridge.tuning import mask_conversation
    from weighbridge.tuning.held_out import held_out_text

    (conversation, _), *_ = _conversations_of(files.rows[0])
    row = mask_conversation(model.tokenizer, conversation)
    probe = torch.tensor([row.token_ids[:128]], device=model.network.device)
    with model.network.as_built() as module:
        rows = int(module.get_input_embeddings().weight.shape[0])
        text = held_out_text(model.tokenizer, files.held_out, rows, model.context_tokens)
        return find_method(result.method).merge(
            module, model.tokenizer, result.artefact, folder, probe, text,
            origin_of(model.ref, result, files, settings),
        )  # fmt: skip


def origin_of(
    base: ModelRef, result: "TuneResult", files: TuningFiles, settings: "TuneSettings"
) -> tuple[LineageStep, ...]:
    """Return the steps from a base to what was tuned of it, for the record of a merged model."""
    read = (*files.train_files, *files.validation_files)
    licence: dict[str, Json] = {"licence": files.licence} if files.licence else {}
    recipe: dict[str, Json] = {
        "settings": settings.identity(),
        "method": result.method,
        "objective": result.objective,
        "run": result.identity,
        "steps": result.steps,
        "mixed": [one.as_json() for one in files.mixed],
    }
    return (
        LineageStep("base", base_digest_of(base), {"model": dict(asdict(base))}),
        LineageStep(
            "data",
            files_digest(read),
            {"files": {path.name: file_digest(path) for path in read}} | licence,
        ),
        LineageStep("recipe", canonical_digest(settings.identity()), recipe),
    )
