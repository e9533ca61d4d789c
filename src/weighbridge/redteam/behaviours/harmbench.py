"""HarmBench (Mazeika et al. 2024, arXiv:2402.04249): 400 behaviours, some about a given text."""

from weighbridge.redteam.behaviour import BehaviourForm, cell, with_context

FORM = BehaviourForm(
    name="harmbench",
    title="HarmBench (Behavior, FunctionalCategory, SemanticCategory)",
    columns=frozenset({"Behavior", "FunctionalCategory", "SemanticCategory"}),
    text=lambda row: with_context(cell(row, "ContextString"), cell(row, "Behavior")),
    category=lambda row: cell(row, "SemanticCategory"),
)
