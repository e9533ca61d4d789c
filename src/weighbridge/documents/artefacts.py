"""Models written to disk, and how far they are from what they were made of."""

from dataclasses import dataclass

from weighbridge.documents.form import Printed


@dataclass(frozen=True, kw_only=True)
class DivergenceDocument:
    """KL divergence of a written model from the one before it, in nats per token.

    Attributes:
        kl_mean: Mean over the tokens.
        kl_max: Of one token.
        kl_bound: What the mean may be at most; above it nothing is written.
        tokens: How many.
        text: What they are: validation rows, or the shipped text.
        type: The type of the written numbers.
    """

    kl_mean: float
    kl_max: float
    kl_bound: float
    tokens: int
    text: str
    type: str


@dataclass(frozen=True, kw_only=True)
class MergedDocument:
    """A base and an adapter as one folder of safetensors.

    Attributes:
        folder: Where it is.
        digest: SHA-256 over its files and their names, the last step of its
            `weighbridge_lineage.json`.
        max_logit_difference: Largest difference of one logit between adapter on base and the
            folder, loaded again.
        divergence: How far the folder, loaded again, is from adapter on base.
    """

    folder: str
    digest: str
    max_logit_difference: float
    divergence: DivergenceDocument | None


@dataclass(frozen=True, kw_only=True)
class GgufDocument:
    """A model as one GGUF file, read back and compared.

    Attributes:
        file: Where it is.
        digest: SHA-256 of the file, the last step of the record beside it.
        bytes: Its size.
        architecture: What GGUF calls the model's architecture.
        type: The type of its numbers.
        source_digest: SHA-256 of the folder that it was made from.
        tensors: How many it holds; each was read back.
        texts: How many texts' token ids were compared.
        divergence: How far the file, loaded by this program, is from the folder.
        peer: llama.cpp by name and version; null where it is not installed.
        peer_divergence: How far the file is from the folder in llama.cpp; null likewise.
        notes: What must be known of it.
    """

    file: str
    digest: str
    bytes: int
    architecture: str
    type: str
    source_digest: str
    tensors: int
    texts: int
    divergence: DivergenceDocument
    peer: str | None
    peer_divergence: DivergenceDocument | None
    notes: tuple[str, ...]


PRINTED = (
    Printed("export", MergedDocument, "with the format safetensors"),
    Printed("export", GgufDocument, "with the format gguf"),
)
