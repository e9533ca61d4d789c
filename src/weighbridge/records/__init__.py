"""What flows between the layers: frozen dataclasses, validated only at trust boundaries."""

from weighbridge.records.comparison import Comparison, Flip, Verdict
from weighbridge.records.digest import canonical_digest, canonical_json
from weighbridge.records.judge_audit import (
    Agreement,
    HumanAgreement,
    HumanCorrected,
    HumanLabel,
    JudgeAudit,
    PositionConsistency,
    RepeatSpread,
    SelfPreference,
)
from weighbridge.records.model import ModelRef
from weighbridge.records.protocol_offset import AcrossProtocols, ProtocolOffset
from weighbridge.records.run import (
    Estimate,
    EvalRun,
    GroupMeans,
    Protocol,
    Provenance,
    Slice,
    Slicing,
)
from weighbridge.records.sample import Generation, Json, Message, Sample, ScoredSample
from weighbridge.records.score import Graded, Score, Ungraded, UngradedReason

__all__ = [
    "AcrossProtocols",
    "Agreement",
    "Comparison",
    "Estimate",
    "EvalRun",
    "Flip",
    "Generation",
    "Graded",
    "GroupMeans",
    "HumanAgreement",
    "HumanCorrected",
    "HumanLabel",
    "Json",
    "JudgeAudit",
    "Message",
    "ModelRef",
    "PositionConsistency",
    "Protocol",
    "ProtocolOffset",
    "Provenance",
    "RepeatSpread",
    "Sample",
    "Score",
    "ScoredSample",
    "SelfPreference",
    "Slice",
    "Slicing",
    "Ungraded",
    "UngradedReason",
    "Verdict",
    "canonical_digest",
    "canonical_json",
]
