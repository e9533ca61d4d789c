"""Tune open weights on one's own conversations: small, exact, resumable."""

from weighbridge.tuning.data import Conversation, ConversationSet, Turn, read_conversations
from weighbridge.tuning.masks import (
    MaskedConversation,
    MaskedRow,
    mask_answers,
    mask_conversation,
    show_mask,
)
from weighbridge.tuning.plan import LengthReport, plan_rows
from weighbridge.tuning.settings import (
    Checkpointed,
    Metric,
    Planned,
    StepDone,
    TuneEvent,
    TuneResult,
    TuneSettings,
    Validated,
)

__all__ = [
    "Checkpointed",
    "Conversation",
    "ConversationSet",
    "LengthReport",
    "MaskedConversation",
    "MaskedRow",
    "Metric",
    "Planned",
    "StepDone",
    "TuneEvent",
    "TuneResult",
    "TuneSettings",
    "Turn",
    "Validated",
    "mask_answers",
    "mask_conversation",
    "plan_rows",
    "read_conversations",
    "show_mask",
]
