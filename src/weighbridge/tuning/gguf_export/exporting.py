"""From a loaded model to a proven GGUF file.

plan -> checked against the model -> written beside its place -> tensors read back
-> loaded by our reader, KL against the model -> llama.cpp's ids and logits, where installed
-> the file takes its name, and the record of where it comes from lies beside it
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import torch

from weighbridge.models.convert import as_safetensors
from weighbridge.models.open_weights import OpenWeights
from weighbridge.models.reading import end_tokens, read_model
from weighbridge.records import Json
from weighbridge.sources.artefacts import lineage_file
from weighbridge.sources.digests import file_digest
from weighbridge.sources.weights import WeightsLocation
from weighbridge.storage import new_file, write_whole
from weighbridge.tuning.divergence import Divergence, divergence, log_probabilities, require_close
from weighbridge.tuning.gguf_export import agreement, peer
from weighbridge.tuning.gguf_export.keys import add_keys, architecture_of, fields_of
from weighbridge.tuning.gguf_export.storing import FILE_TYPES, FileType
from weighbridge.tuning.gguf_export.tensors import file_tensors
from weighbridge.tuning.gguf_export.tokens import add_tokenizer, swallows_blanks
from weighbridge.tuning.gguf_export.writing import Plan, plan_file, write_file
from weighbridge.tuning.held_out import HeldOut
from weighbridge.tuning.lineage import LineageStep, lineage_text, measured_facts

_ELSE = "take a type of more bits, or use the model's safetensors"


@dataclass(frozen=True)
class GgufRequest:
    """What is to be written.

    Attributes:
        path: The file.
        type: Of its numbers.
        name: What the file calls the model.
        source_digest: Of the artefact that it is made from.
        steps: From the base to that artefact.
        held_out: Chooses the text on which it is compared, once the model is loaded.
        cache: Where the file is converted to when it is read back.
        threads: For arithmetic.
        overwrite: Whether a file of that name may be replaced.
        say: Told what is being done.
    """

    path: Path
    type: FileType
    name: str
    source_digest: str
    steps: Sequence[LineageStep]
    held_out: Callable[[OpenWeights], HeldOut]
    cache: Path
    threads: int
    overwrite: bool
    say: Callable[[str], None]


@dataclass(frozen=True)
class ExportedGguf:
    """A GGUF file that was written and proven.

    Attributes:
        path: The file.
        architecture: GGUF's name of it.
        type: Of its numbers.
        digest: SHA-256 of the file.
        bytes: Its size.
        source_digest: Of the artefact that it was made from.
        tensors: How many it holds; each was read back.
        texts: How many texts' ids were compared.
        divergence: From the model, as our reader loads the file.
        kl_bound: What its mean may be at most.
        peer: llama.cpp by name and version; None where it is not installed.
        peer_divergence: From the model, as llama.cpp computes; None likewise.
        notes: What must be known.
    """

    path: Path
    architecture: str
    type: str
    digest: str
    bytes: int
    source_digest: str
    tensors: int
    texts: int
    divergence: Divergence
    kl_bound: float
    peer: str | None
    peer_divergence: Divergence | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Source:
    """What is kept of the model once it is let go of, so that two are never in memory."""

    text: HeldOut
    log_probabilities: list[torch.Tensor]
    rotary: dict[str, Any]
    tokenizer: Any
    texts: list[str]
    architecture: str
    tensors: int
    notes: tuple[str, ...]


def export_gguf(source: AbstractContextManager[OpenWeights], request: GgufRequest) -> ExportedGguf:
    """Write a model as a GGUF file, or leave nothing behind.

    Args:
        source: Opens the model, in float32 on the CPU.
        request: What is to be written.

    Raises:
        InputError: The model can't be expressed in GGUF, or a file of that name is there.
        MissingPiece: Its type needs llama.cpp, which is not here.
        WeighbridgeError: What was written is not the model.
        StorageError: The disk is full or can't be written; an older file is kept.
    """
    if request.type.stores is None:
        peer.require_quantiser(request.type.name)
    with new_file(request.path, replace=request.overwrite) as partial:
        with source as opened, opened.network.as_built() as module:
            model = _written(module, opened, request, partial)
        quantised_by = _quantise(request, partial)
        request.say("reading it back")
        found, bound = _read_back(model, request, partial)
        by, their, apart = _asked_of_peer(model, request, partial)
        size, digest = partial.stat().st_size, file_digest(partial)
        lineage_file(request.path).unlink(missing_ok=True)  # it is not of the new file
    facts = measured_facts(found, request.type.name, bound)
    facts |= {
        "file": request.path.name,
        "source_digest": request.source_digest,
        "texts": len(model.texts),
        "quantised_by": quantised_by,
        "compared_with": by,
        "notes": [*model.notes, *apart],
        "peer_kl_mean": their.mean if their else None,
        "peer_kl_max": their.largest if their else None,
    }
    write_whole(lineage_file(request.path), _record(request, digest, facts))
    return ExportedGguf(
        request.path, model.architecture, request.type.name, digest, size, request.source_digest,
        model.tensors, len(model.texts), found, bound, by, their, (*model.notes, *apart),
    )  # fmt: skip


def _record(request: GgufRequest, digest: str, facts: dict[str, Json]) -> str:
    return lineage_text((*request.steps, LineageStep("gguf", digest, facts)))


def _written(module: Any, opened: OpenWeights, request: GgufRequest, path: Path) -> _Source:
    """Plan the file, check the plan against the model, write it, and read every tensor back."""
    tokenizer, config = opened.tokenizer, fields_of(module.config)
    ends = sorted(end_tokens(module, tokenizer))
    plan = _plan(module, tokenizer, ends, request)
    header, where = plan.header(), str(request.path)
    read = agreement.require_settings(module.config, header, where)
    agreement.require_names(header, read, set(agreement.own_tensors(module)))
    _, texts = agreement.require_tokens(tokenizer, header, where)
    notes = agreement.require_ends(ends, header)
    text = request.held_out(opened)
    request.say(f"writing {plan.bytes / 1e9:.2f} GB")
    write_file(plan, path)
    agreement.require_stored(path, plan.tensors, plan.kinds, header)
    return _Source(
        text, log_probabilities(module, text.rows), dict(agreement.rotary(module)), tokenizer,
        texts, architecture_of(config).architecture, len(plan.tensors), notes,
    )  # fmt: skip


def _plan(module: Any, tokenizer: Any, ends: list[int], request: GgufRequest) -> Plan:
    config = fields_of(module.config)
    writer = gguf.GGUFWriter(None, architecture_of(config).architecture)
    writer.add_type("model")
    writer.add_name(f"Phi-3 {request.name}" if swallows_blanks(tokenizer) else request.name)
    stores = request.type.stores or gguf.GGMLQuantizationType.F16
    number = request.type.number if request.type.stores else FILE_TYPES["f16"].number
    writer.add_file_type(number)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_string("weighbridge.source_digest", request.source_digest)
    rows = int(module.get_input_embeddings().weight.shape[0])
    add_keys(writer, config, rows)
    add_tokenizer(writer, tokenizer, rows, ends)
    return plan_file(writer, file_tensors(module, config), stores)


def _quantise(request: GgufRequest, path: Path) -> str | None:
    """Turn the float16 file into the type that llama.cpp makes."""
    if request.type.stores is not None:
        return None
    request.say(f"quantising to {request.type.name}")
    with new_file(path.with_name(f"{path.name}.quantised")) as made:
        by = peer.quantise(path, made, request.type.name, request.type.number, request.threads)
        made.replace(path)
        return by


def _read_back(model: _Source, request: GgufRequest, path: Path) -> tuple[Divergence, float]:
    """Load the file as any GGUF file is loaded, and measure how far it is from the model."""
    location = WeightsLocation(request.path.stem, "gguf", path, f"gguf:{request.path.name}")
    folder, _ = as_safetensors(location, request.cache)
    back, _ = read_model(folder, torch.float32, "cpu")
    agreement.require_rotary(model.rotary, back)
    after = log_probabilities(back, model.text.rows)
    found = divergence(model.log_probabilities, after, model.text.source)
    return found, require_close(found, request.type.name, "the GGUF file", _ELSE).mean


def _asked_of_peer(
    model: _Source, request: GgufRequest, path: Path
) -> tuple[str | None, Divergence | None, tuple[str, ...]]:
    """Compare with llama.cpp's own tokenizer and logits, where it is installed."""
    by = peer.peer_name()
    if by is None:
        return None, None, ()
    request.say(f"asking {by}")
    texts = agreement.peer_texts(model.texts)
    ids = peer.peer_ids(path, texts)
    apart = agreement.require_peer_ids(model.tokenizer, texts, ids, by)
    after = peer.peer_log_probabilities(path, model.text.rows, request.threads)
    found = divergence(model.log_probabilities, after, model.text.source)
    require_close(found, request.type.name, f"the GGUF file in {by}", _ELSE)
    return by, found, apart
