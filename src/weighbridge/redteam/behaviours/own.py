"""One's own file: a column `prompt`, and `category`, `kind`, `language` and `id` if you like.

A file with other columns is none: answers, labels or types would say that its prompts are not all
harmful, and would be passed over.
"""

from weighbridge.records.attack import BehaviourKind
from weighbridge.redteam.behaviour import BehaviourForm, Row, cell

_KINDS: dict[str, BehaviourKind] = {"": "harmful", "harmful": "harmful", "benign": "benign"}


def _kind(row: Row) -> BehaviourKind | None:
    return _KINDS.get(cell(row, "kind"))


FORM = BehaviourForm(
    name="own",
    title="your own (prompt; at most category, kind, language and id beside it)",
    columns=frozenset({"prompt"}),
    text=lambda row: cell(row, "prompt"),
    category=lambda row: cell(row, "category"),
    kind=_kind,
    language=lambda row: cell(row, "language").lower() or "en",
    only=frozenset({"prompt", "category", "kind", "language", "id"}),
)
