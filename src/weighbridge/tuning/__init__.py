"""Tune open weights on one's own conversations: small, exact, resumable."""

from weighbridge.tuning.data import (
    ConversationSet,
    TuningData,
    read_conversations,
    read_tuning_data,
)
from weighbridge.tuning.expert_layer import ExpertLayer
from weighbridge.tuning.masks import (
    MaskedConversation,
    MaskedRow,
    ShownMask,
    mask_answers,
    mask_conversation,
    show_mask,
    shown_mask,
)
from weighbridge.tuning.mixing import Mixed
from weighbridge.tuning.plan import LengthReport, plan_rows
from weighbridge.tuning.rewards import Rewards
from weighbridge.tuning.rows import Conversation, PlainText, PreferencePair, ToolCall, Turn
from weighbridge.tuning.self_test.findings import CheckResult, SelfTest
from weighbridge.tuning.settings import (
    Checked,
    Checkpointed,
    Metric,
    Planned,
    Referenced,
    StepDone,
    TuneEvent,
    TuneResult,
    TuneSettings,
    Validated,
)

__all__ = [
    "CheckResult",
    "Checked",
    "Checkpointed",
    "Conversation",
    "ConversationSet",
    "ExpertLayer",
    "LengthReport",
    "MaskedConversation",
    "MaskedRow",
    "Metric",
    "Mixed",
    "PlainText",
    "Planned",
    "PreferencePair",
    "Referenced",
    "Rewards",
    "SelfTest",
    "ShownMask",
    "StepDone",
    "ToolCall",
    "TuneEvent",
    "TuneResult",
    "TuneSettings",
    "TuningData",
    "Turn",
    "Validated",
    "mask_answers",
    "mask_conversation",
    "plan_rows",
    "read_conversations",
    "read_tuning_data",
    "show_mask",
    "shown_mask",
]
