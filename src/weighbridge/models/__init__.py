"""Open weights and endpoints behind one protocol: score() and generate()."""

from weighbridge.models.protocol import (
    Capability,
    Generated,
    GenerateRequest,
    Model,
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
    "Prompt",
    "Sampling",
    "ScoreRequest",
    "ScoreResult",
]
