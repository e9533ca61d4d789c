"""The compute that open models were trained with, each with its source."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_VARIANTS = ("-instruct", "-chat", "-it", "-base")
_FILE = Path(__file__).parent / "training_compute.json"


@dataclass(frozen=True)
class TrainingCompute:
    """What training a model took.

    Attributes:
        name: The model's.
        training_flops: Floating point operations.
        confidence: How sure the source is: "confident", "likely" or "speculative".
        source: Where it stands.
    """

    name: str
    training_flops: float
    confidence: str
    source: str


@cache
def _known() -> dict[str, TrainingCompute]:
    found = json.loads(_FILE.read_text("utf-8"))
    sources = {name: f"{one['title']}, {one['url']}" for name, one in found["sources"].items()}
    return {
        one["name"]: TrainingCompute(
            one["name"],
            float(one["training_flops"]),
            one["confidence"],
            sources.get(one["source"], one["source"]),
        )
        for one in found["models"]
    }


def training_compute(model: str) -> TrainingCompute | None:
    """Return what is known of a base by its name; None where nothing is.

    An instruction-tuned model is found by its base, which it took little more than.

    >>> training_compute("HuggingFaceTB/SmolLM2-135M-Instruct").name
    'smollm2-135m'
    """
    name = model.rpartition("/")[2].lower().removeprefix("meta-").replace("_", "-")
    for ending in _VARIANTS:
        name = name.removesuffix(ending)
    return _known().get(name)
