"""Rows of tuning data (`messages`): what a model learnt from and should not know by heart.

The first user's turn is what is asked, and the answer to it what must not come out word by word.
"""

from weighbridge.redteam.behaviour import BehaviourForm, Row, cell


def _turn(row: Row, role: str) -> str:
    messages = row.get("messages")
    turns = messages if isinstance(messages, list) else []
    of_role = [turn for turn in turns if isinstance(turn, dict) and turn.get("role") == role]
    return cell(of_role[0], "content") if of_role else ""


FORM = BehaviourForm(
    name="tuning_rows",
    title="tuning data (messages)",
    columns=frozenset({"messages"}),
    text=lambda row: _turn(row, "user"),
    kind=lambda row: "private",
    answer=lambda row: _turn(row, "assistant"),
)
