"""What flows between the layers: frozen dataclasses, validated only at trust boundaries."""

from weighbridge.records.anatomy import PART_NAMES, Anatomy, AnatomyPart, PartRole
from weighbridge.records.comparison import Comparison, Flip, Verdict
from weighbridge.records.digest import canonical_digest, canonical_json
from weighbridge.records.model import ModelRef
from weighbridge.records.quantities import quantity
from weighbridge.records.run import Estimate, EvalRun, GroupMeans, Protocol, Provenance
from weighbridge.records.sample import Generation, Json, Message, Role, Sample, ScoredSample
from weighbridge.records.score import Graded, Score, Ungraded, UngradedReason

__all__ = [
    "PART_NAMES",
    "Anatomy",
    "AnatomyPart",
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
    "PartRole",
    "Protocol",
    "Provenance",
    "Role",
    "Sample",
    "Score",
    "ScoredSample",
    "Ungraded",
    "UngradedReason",
    "Verdict",
    "canonical_digest",
    "canonical_json",
    "quantity",
]
