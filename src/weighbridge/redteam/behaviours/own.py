"""One's own file: a column `prompt`, and `category`, `kind` and `language` if you like.

A file with answers, such as XSTest's labelled completions or training data, is none: its prompts
are not all harmful, and nothing in a row says which are.
"""

from weighbridge.records.attack import BehaviourKind
from weighbridge.redteam.behaviour import BehaviourForm, Row, cell

_KINDS: dict[str, BehaviourKind] = {"": "harmful", "harmful": "harmful", "benign": "benign"}


def _kind(row: Row) -> BehaviourKind | None:
    return _KINDS.get(cell(row, "kind"))


FORM = BehaviourForm(
    name="own",
    title="your own (prompt; category, kind, language)",
    columns=frozenset({"prompt"}),
    text=lambda row: cell(row, "prompt"),
    category=lambda row: cell(row, "category"),
    kind=_kind,
    language=lambda row: cell(row, "language").lower() or "en",
    without=frozenset({"completion", "response", "answer", "label", "final_label"}),
)
