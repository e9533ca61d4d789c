"""A model that was written to disk, as a document and as text."""

from typing import TYPE_CHECKING

from weighbridge.cli.output import wrapped
from weighbridge.documents.artefacts import DivergenceDocument, GgufDocument, MergedDocument
from weighbridge.sources.artefacts import artefact_digest, lineage_file

if TYPE_CHECKING:
    from weighbridge.tuning.divergence import Divergence
    from weighbridge.tuning.gguf_export.exporting import ExportedGguf
    from weighbridge.tuning.merging import Merged


def divergence_document(
    found: "Divergence | None", bound: float | None, kind: str
) -> DivergenceDocument | None:
    """Return what was measured; None where nothing was."""
    if found is None or bound is None:
        return None
    return DivergenceDocument(
        kl_mean=found.mean,
        kl_max=found.largest,
        kl_bound=bound,
        tokens=found.tokens,
        text=found.source,
        type=kind,
    )


def merged_lines(merged: "Merged") -> list[str]:
    """Return lines on a merged folder."""
    if merged.copied:
        before = ", done before" if merged.before else ""
        return [f"nothing to merge: the model is whole; copied to {merged.path}{before}"]
    before = ", done before" if merged.before else ""
    lines = [
        f"merged {merged.path} (logits differ by at most {merged.max_logit_difference:.1e}{before})"
    ]
    if merged.in_four_bits:
        lines.append("  into the base's numbers in four bits, on which the adapter was trained")
    return lines + (wrapped(f"read back: {merged.divergence.told()}") if merged.divergence else [])


def merged_outcome(merged: "Merged") -> tuple[MergedDocument, str]:
    """Return a merged folder as a document and as text."""
    digest = artefact_digest(merged.path)
    document = MergedDocument(
        folder=str(merged.path),
        digest=digest,
        max_logit_difference=merged.max_logit_difference,
        divergence=divergence_document(merged.divergence, merged.kl_bound, merged.dtype),
    )
    return document, "\n".join([*merged_lines(merged), f"digest {digest}"])


def gguf_outcome(found: "ExportedGguf") -> tuple[GgufDocument, str]:
    """Return a GGUF file as a document and as text."""
    measured = divergence_document(found.divergence, found.kl_bound, found.type)
    assert measured is not None
    document = GgufDocument(
        file=str(found.path),
        digest=found.digest,
        bytes=found.bytes,
        architecture=found.architecture,
        type=found.type,
        source_digest=found.source_digest,
        tensors=found.tensors,
        texts=found.texts,
        divergence=measured,
        peer=found.peer,
        peer_divergence=divergence_document(found.peer_divergence, found.kl_bound, found.type),
        notes=found.notes,
    )
    return document, "\n".join(_gguf_lines(found))


def _gguf_lines(found: "ExportedGguf") -> list[str]:
    lines = [
        f"written {found.path} ({found.architecture}, {found.type}, {found.bytes / 1e9:.2f} GB)",
        *wrapped(
            f"read back: {found.tensors} tensors, token ids of {found.texts} texts, "
            f"{found.divergence.told()} (bound {found.kl_bound:g})"
        ),
    ]
    if found.peer_divergence:
        lines += wrapped(f"in {found.peer}: the same token ids, {found.peer_divergence.told()}")
    else:
        lines += wrapped("not compared with llama.cpp: pip install llama-cpp-python does that")
    lines += [line for note in found.notes for line in wrapped(f"note: {note}")]
    return [*lines, f"digest {found.digest}", f"origin {lineage_file(found.path)}"]
