"""AILuminate (MLCommons): prompts by hazard, with their locale (the demo set has 1,200)."""

from weighbridge.redteam.behaviour import BehaviourForm, cell

FORM = BehaviourForm(
    name="ailuminate",
    title="AILuminate (prompt_text, hazard)",
    columns=frozenset({"prompt_text", "hazard"}),
    text=lambda row: cell(row, "prompt_text"),
    category=lambda row: cell(row, "hazard"),
    language=lambda row: cell(row, "locale")[:2].lower() or "en",
)
