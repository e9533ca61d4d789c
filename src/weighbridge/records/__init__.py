"""What flows between the layers: frozen dataclasses, validated only at trust boundaries."""

from weighbridge.records.comparison import Comparison, Flip, Verdict
from weighbridge.records.digest import canonical_digest, canonical_json
from weighbridge.records.model import ModelRef
from weighbridge.records.run import Estimate, EvalRun, GroupMeans, Origin, Protocol, Provenance
from weighbridge.records.sample import Generation, Json, Message, Sample, ScoredSample
from weighbridge.records.score import (
    OUTCOMES,
    Graded,
    Score,
    Ungraded,
    UngradedReason,
    outcome,
)

__all__ = [
    "OUTCOMES",
    "Comparison",
    "Estimate",
    "EvalRun",
    "Flip",
    "Generation",
    "Graded",
    "GroupMeans",
    "Json",
    "Message",
    "ModelRef",
    "Origin",
    "Protocol",
    "Provenance",
    "Sample",
    "Score",
    "ScoredSample",
    "Ungraded",
    "UngradedReason",
    "Verdict",
    "canonical_digest",
    "canonical_json",
    "outcome",
]
