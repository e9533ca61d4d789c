"""StrongREJECT (Souly et al. 2024, arXiv:2402.10260): 313 forbidden prompts in six categories."""

from weighbridge.redteam.behaviour import BehaviourForm, cell

FORM = BehaviourForm(
    name="strongreject",
    title="StrongREJECT (forbidden_prompt, category)",
    columns=frozenset({"forbidden_prompt", "category"}),
    text=lambda row: cell(row, "forbidden_prompt"),
    category=lambda row: cell(row, "category"),
)
