"""AdvBench (Zou et al. 2023, arXiv:2307.15043) in HarmBench's columns: 520, without categories."""

from weighbridge.redteam.behaviour import BehaviourForm, cell, with_context

FORM = BehaviourForm(
    name="advbench",
    title="AdvBench (Behavior, Category)",
    columns=frozenset({"Behavior", "Category"}),
    text=lambda row: with_context(cell(row, "ContextString"), cell(row, "Behavior")),
    category=lambda row: cell(row, "Category"),
)
