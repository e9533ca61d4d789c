"""Open weights and endpoints behind one protocol: score() and generate()."""

from weighbridge.models.protocol import (
    Capability,
    Generated,
    GenerateRequest,
    Model,
    Progress,
    Prompt,
    Sampling,
    ScoreRequest,
    ScoreResult,
)

__all__ = [
    "Capability",
    "GenerateRequest",
    "Generated",
    "Model",
    "Progress",
    "Prompt",
    "Sampling",
    "ScoreRequest",
    "ScoreResult",
]
