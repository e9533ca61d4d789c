"""Models taken apart: what `inspect` prints."""

from collections.abc import Sequence
from dataclasses import dataclass

from weighbridge.documents.form import ABSENT, Inlined, OrAbsent, Printed
from weighbridge.records import Anatomy, CountedModel, StoredWeights


@dataclass(frozen=True, kw_only=True)
class ParameterSplit:
    """Parameters by what a number is for.

    Attributes:
        embedding: In the embedding.
        linear: In all other matrices but experts'.
        norm: In norms.
        expert: In routed experts.
    """

    embedding: int
    linear: int
    norm: int
    expert: int


@dataclass(frozen=True, kw_only=True)
class LoraCount:
    """What a LoRA adapter trains.

    Attributes:
        rank: Of the update.
        targets: What it adapts: all-linear, or names of modules.
        trainable_parameters: How many numbers that is.
    """

    rank: int
    targets: Sequence[str]
    trainable_parameters: int


@dataclass(frozen=True, kw_only=True)
class AnatomyDocument:
    """A model of known structure, from its configuration alone.

    Attributes:
        anatomy: Its structure, memory and compute.
        total_parameters: `parameters` and `vision_parameters` together.
        kv_cache_bytes: The cache of one sequence of `context_tokens`, in bf16.
        split: `parameters` by what they are for.
        lora: An adapter of the rank and targets asked for.
        stored: How the weights lie in their files.
        copied_head_parameters: Numbers of a head that a file stores a second time; 0 for none.
        image: With `--image`: the picture that was written.
    """

    anatomy: Inlined[Anatomy]
    total_parameters: int
    kv_cache_bytes: int
    split: ParameterSplit
    lora: LoraCount
    stored: StoredWeights
    copied_head_parameters: int
    image: OrAbsent[str] = ABSENT


@dataclass(frozen=True, kw_only=True)
class CountedDocument:
    """A model whose structure is not known: counted, with null for what a count can't give.

    Attributes:
        counted: The count.
        active_parameters: Null.
        forward_flops_per_token: Null.
        kv_cache_bytes_per_token: Null.
        experts: Null.
        experts_per_token: Null.
        state_bytes_per_sequence: Null.
        lora: Null.
        stored: Null.
        total_parameters: `parameters` and `vision_parameters` together.
        split: `parameters` by what they are for.
    """

    counted: Inlined[CountedModel]
    active_parameters: None = None
    forward_flops_per_token: None = None
    kv_cache_bytes_per_token: None = None
    experts: None = None
    experts_per_token: None = None
    state_bytes_per_sequence: None = None
    lora: None = None
    stored: None = None
    total_parameters: int
    split: ParameterSplit


PRINTED = (
    Printed("inspect", AnatomyDocument),
    Printed("inspect", CountedDocument, "for a model whose structure is not known"),
)
