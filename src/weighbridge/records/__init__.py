"""What flows between the layers: frozen dataclasses, validated only at trust boundaries."""

from weighbridge.records.anatomy import (
    PART_NAMES,
    Anatomy,
    AnatomyPart,
    CountedModel,
    KeyValueHeads,
    PartRole,
    StoredWeights,
)
from weighbridge.records.benchmark_spec import BenchmarkRole, BenchmarkSpec, SkippedBenchmark
from weighbridge.records.charge import Charge, Price, Rate, charged_by
from weighbridge.records.comparison import Comparison, Difference, Flip, VarianceSplit, Verdict
from weighbridge.records.contamination import CleanSubset, Contamination
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
from weighbridge.records.prompting import PromptArm, PromptTried
from weighbridge.records.protocol_offset import AcrossProtocols, ProtocolOffset
from weighbridge.records.quantities import quantity
from weighbridge.records.run import (
    ALARM,
    Estimate,
    EvalRun,
    Figure,
    GroupMeans,
    Origin,
    Protocol,
    Provenance,
    Slice,
    Slicing,
    StoppedEarly,
    told_apart,
)
from weighbridge.records.run_settings import JudgeSettings, RunSettings, StopSettings
from weighbridge.records.safety import SafetyDelta, SafetyRate
from weighbridge.records.sample import Generation, Json, Message, Role, Sample, ScoredSample
from weighbridge.records.score import (
    OUTCOMES,
    Graded,
    Score,
    Ungraded,
    UngradedReason,
    outcome,
)

__all__ = [
    "ALARM",
    "OUTCOMES",
    "PART_NAMES",
    "AcrossProtocols",
    "Agreement",
    "Anatomy",
    "AnatomyPart",
    "BenchmarkRole",
    "BenchmarkSpec",
    "Charge",
    "CleanSubset",
    "Comparison",
    "Contamination",
    "CountedModel",
    "Difference",
    "Estimate",
    "EvalRun",
    "Figure",
    "Flip",
    "Generation",
    "Graded",
    "GroupMeans",
    "HumanAgreement",
    "HumanCorrected",
    "HumanLabel",
    "Json",
    "JudgeAudit",
    "JudgeSettings",
    "KeyValueHeads",
    "Message",
    "ModelRef",
    "Origin",
    "PartRole",
    "PositionConsistency",
    "Price",
    "PromptArm",
    "PromptTried",
    "Protocol",
    "ProtocolOffset",
    "Provenance",
    "Rate",
    "RepeatSpread",
    "Role",
    "RunSettings",
    "SafetyDelta",
    "SafetyRate",
    "Sample",
    "Score",
    "ScoredSample",
    "SelfPreference",
    "SkippedBenchmark",
    "Slice",
    "Slicing",
    "StopSettings",
    "StoppedEarly",
    "StoredWeights",
    "Ungraded",
    "UngradedReason",
    "VarianceSplit",
    "Verdict",
    "canonical_digest",
    "canonical_json",
    "charged_by",
    "outcome",
    "quantity",
    "told_apart",
]
