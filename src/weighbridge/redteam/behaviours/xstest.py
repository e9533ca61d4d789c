"""XSTest (Röttger et al. 2023, arXiv:2308.01263): 250 safe prompts and 200 unsafe ones."""

from weighbridge.records.attack import BehaviourKind
from weighbridge.redteam.behaviour import BehaviourForm, Row, cell

_KINDS: dict[str, BehaviourKind] = {"safe": "benign", "unsafe": "harmful"}


def _kind(row: Row) -> BehaviourKind | None:
    return _KINDS.get(cell(row, "label"))


FORM = BehaviourForm(
    name="xstest",
    title="XSTest (prompt, type, label)",
    columns=frozenset({"prompt", "type", "label"}),
    text=lambda row: cell(row, "prompt"),
    category=lambda row: cell(row, "type"),
    kind=_kind,
)
