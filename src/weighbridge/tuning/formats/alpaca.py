"""Alpaca: an `instruction`, perhaps an `input` to it, and the `output`; Dolly's columns, too.

The input follows the instruction after an empty line, as one turn of the user. LLaMA-Factory's
`system` and `history` (earlier exchanges, which are learnt as well) are read where they are.
"""

from collections.abc import Mapping
from typing import Any

from weighbridge.tuning.asked import SYSTEM, answer_of, history_of, system_of
from weighbridge.tuning.data_format import DataFormat, RawRow
from weighbridge.tuning.rows import Conversation, Turn
from weighbridge.tuning.turns import conversation_of

_INPUTS = ("input", "context")
_OUTPUTS = ("output", "response")


def _recognises(row: Mapping[str, Any]) -> bool:
    return "instruction" in row and any(name in row for name in _OUTPUTS)


def _read(row: RawRow) -> Conversation:
    output = next(name for name in _OUTPUTS if name in row.cells)
    asked = "\n\n".join(filter(None, (row.text("instruction"), row.first_text(_INPUTS))))
    if not asked.strip():
        raise row.refusal("an empty instruction", "text", "instruction")
    answer = answer_of(row, row.first_text(_OUTPUTS), output)
    turns = (*system_of(row), *history_of(row), Turn("user", asked), answer)
    return conversation_of(row, turns, output)


FORMAT = DataFormat(
    name="alpaca",
    title="Alpaca",
    example={
        "instruction": "Name the product in the message.",
        "input": "My Otter no longer boils.",
        "output": "Otter",
    },
    columns=frozenset({"id", "instruction", "history", *SYSTEM, *_INPUTS, *_OUTPUTS}),
    recognises=_recognises,
    read=_read,
)
