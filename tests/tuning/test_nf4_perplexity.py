"""The order of Dettmers et al. 2023, table 2, on the embedded model: NF4 < FP4 < Int4."""

import math

import pytest
import torch

from rounding import round_all
from weighbridge.models.open_weights import load
from weighbridge.sources.weights import find_weights

ROWS, LONGEST = 4, 512
KINDS = ("plain", "nf4", "fp4", "int4")


@pytest.fixture(scope="module")
def rows(smollm2, repository):
    """Prose: the decisions that are written down in this repository."""
    pages = sorted((repository / "docs" / "adr").glob("00*.md"))[:12]
    ids = smollm2.tokenizer("\n".join(page.read_text() for page in pages))["input_ids"]
    return torch.tensor(ids[: ROWS * LONGEST]).reshape(ROWS, LONGEST)


@torch.no_grad()
def perplexity(module, rows):
    module.eval()
    total = 0.0
    for row in rows:
        logits = module(input_ids=row[None], use_cache=False).logits[0, :-1]
        total += float(torch.nn.functional.cross_entropy(logits, row[1:], reduction="sum"))
    return math.exp(total / (rows.numel() - len(rows)))


@pytest.mark.slow
@pytest.mark.soak
def test_nf4_costs_the_embedded_model_least_and_integers_most(rows, cache):
    found = {}
    for kind in KINDS:
        model = load(find_weights("smollm2-135m"), cache=cache, threads=2)
        with model.network.as_built() as module:
            if kind != "plain":
                round_all(module, kind)
            found[kind] = perplexity(module, rows)
    print(found)
    assert found["plain"] < found["nf4"] < found["fp4"] < found["int4"]
