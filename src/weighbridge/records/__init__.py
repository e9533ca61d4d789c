"""What flows between the layers: frozen dataclasses, validated only at trust boundaries."""

from weighbridge.records.comparison import Comparison, Flip, VarianceSplit, Verdict
from weighbridge.records.contamination import CleanSubset, Contamination
from weighbridge.records.digest import canonical_digest, canonical_json
from weighbridge.records.model import ModelRef
from weighbridge.records.run import (
    Estimate,
    EvalRun,
    GroupMeans,
    Protocol,
    Provenance,
    Stopped,
)
from weighbridge.records.sample import Generation, Json, Message, Sample, ScoredSample
from weighbridge.records.score import Graded, Score, Ungraded, UngradedReason

__all__ = [
    "CleanSubset",
    "Comparison",
    "Contamination",
    "Estimate",
    "EvalRun",
    "Flip",
    "Generation",
    "Graded",
    "GroupMeans",
    "Json",
    "Message",
    "ModelRef",
    "Protocol",
    "Provenance",
    "Sample",
    "Score",
    "ScoredSample",
    "Stopped",
    "Ungraded",
    "UngradedReason",
    "VarianceSplit",
    "Verdict",
    "canonical_digest",
    "canonical_json",
]
