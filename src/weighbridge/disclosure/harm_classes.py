"""The classes of harm that a report names, each with its place in AVID's taxonomy.

The taxonomy's words are those of AVID's own data model (avidtools, `SepEnum`), taxonomy 0.2.
"""

from dataclasses import dataclass
from typing import Literal, get_args

HarmClass = Literal[
    "harmful_instructions", "physical_harm", "self_harm", "toxicity", "bias", "misinformation",
    "privacy", "memorisation", "safeguard_bypass", "model_compromise", "over_refusal",
    "child_safety",
]  # fmt: skip
HARM_CLASSES: tuple[HarmClass, ...] = get_args(HarmClass)
RiskDomain = Literal["Security", "Ethics", "Performance"]
NO_CONTENT: frozenset[HarmClass] = frozenset({"child_safety"})
"""Classes whose content may not be held by anybody: such a report names digests and counts alone,
and goes to the authorities on the day that it comes in."""
BENIGN: frozenset[HarmClass] = frozenset({"over_refusal"})
"""Classes in which the model does too little: the request should be answered."""


@dataclass(frozen=True)
class AvidPlace:
    """Where AVID's taxonomy has a class.

    Attributes:
        domain: Its risk domain.
        sep: Its category in the view of security, ethics and performance.
    """

    domain: RiskDomain
    sep: str


AVID: dict[HarmClass, AvidPlace] = {
    "harmful_instructions": AvidPlace("Performance", "P0400: Safety"),
    "physical_harm": AvidPlace("Performance", "P0402: Physical safety"),
    "self_harm": AvidPlace("Performance", "P0401: Psychological Safety"),
    "toxicity": AvidPlace("Ethics", "E0301: Toxicity"),
    "bias": AvidPlace("Ethics", "E0101: Group fairness"),
    "misinformation": AvidPlace("Ethics", "E0402: Generative Misinformation"),
    "privacy": AvidPlace("Performance", "P0300: Privacy"),
    "memorisation": AvidPlace("Security", "S0301: Information Leak"),
    "safeguard_bypass": AvidPlace("Security", "S0403: Adversarial Example"),
    "model_compromise": AvidPlace("Security", "S0201: Model Compromise"),
    "over_refusal": AvidPlace("Performance", "P0204: Accuracy"),
    "child_safety": AvidPlace("Performance", "P0400: Safety"),
}
