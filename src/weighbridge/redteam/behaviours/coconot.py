"""CoCoNot (Brahman et al. 2024, arXiv:2407.12043): requests not to comply with, and a contrast set.

The contrast set, which a model should answer, has the same columns as the others: no row says which
of the two it belongs to, so that the campaign states the kind.
"""

from weighbridge.redteam.behaviour import BehaviourForm, cell

FORM = BehaviourForm(
    name="coconot",
    title="CoCoNot (prompt, category, subcategory, response)",
    columns=frozenset({"prompt", "category", "subcategory", "response"}),
    text=lambda row: cell(row, "prompt"),
    category=lambda row: cell(row, "category"),
    kind=lambda row: None,
)
