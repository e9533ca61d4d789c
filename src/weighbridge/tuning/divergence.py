"""How far a model on disk is from the one that it was made of: KL divergence, per token, in nats.

KL(p || q) = Σ p (ln p − ln q) over the vocabulary at each position, p of the model that was there
first. It is 0 where both give every token the same probability, and unlike a difference of logits
it weighs each token by how likely it is.

What a file may be off by depends on the type of its numbers:

* float32: two sums in another order. Logits that differ by at most d give at most d²/2 (Hoeffding's
  lemma); a merge may differ by 1e-3 in logits of up to 100, so that 1e-6 is never rounding.
* float16, bfloat16: each weight is rounded to 11 and 8 bits.
* GGUF's types: llama.cpp measured 2.5e-5 (F16 of a BF16 model), 1.4e-3 (Q8_0) and 3.1e-2 (Q4_K_M)
  in the mean for Llama 3 8B on Wikipedia (its tools/perplexity/README.md). Small models lose
  many times as much (SmolLM2-135M: 5.4e-3 and 9.2e-2, and 1.2e-2 for Q8_0 in llama.cpp, which
  rounds activations, too), so these bounds lie a factor of sixteen and more above; they are to
  catch a tensor in the wrong place, order or scale, which costs whole nats, and not to say what is
  good.

A float32 file is bounded at every token. For rounded weights the mean is: single tokens of which
the model is unsure move by many times the mean, and rightly.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from weighbridge.errors import WeighbridgeError

_AT_ONCE = 64  # positions whose probabilities are held in float64


@dataclass(frozen=True)
class Bound:
    """What a divergence may be at most, in nats; None where it is not bounded."""

    mean: float
    largest: float | None = None


BOUNDS: Mapping[str, Bound] = {
    "float32": Bound(1e-6, 1e-6),
    "float16": Bound(1e-3),
    "bfloat16": Bound(1e-2),
    "f16": Bound(1e-3),
    "q8_0": Bound(5e-2),
    "q4_k_m": Bound(0.5),
}
"""By the type of the numbers in a file."""


@dataclass(frozen=True)
class Divergence:
    """What was measured.

    Attributes:
        mean: Mean over positions, in nats.
        largest: Of one position.
        tokens: Positions.
        source: What text it was.
    """

    mean: float
    largest: float
    tokens: int
    source: str

    def told(self) -> str:
        """Say it in a phrase."""
        return (
            f"KL {self.mean:.1e} nats a token, at most {self.largest:.1e}, over {self.tokens:,} "
            f"tokens of {self.source}"
        )


@torch.no_grad()
def log_probabilities(module: Any, rows: Sequence[Sequence[int]]) -> list[Tensor]:
    """Return the log-probability of every token after each position of each row; (S, V) each."""
    module.eval()
    found = []
    for row in rows:
        ids = torch.tensor([list(row)], device=module.device)
        logits = module(input_ids=ids, use_cache=False).logits[0]
        found.append(torch.log_softmax(logits.float(), dim=-1).cpu())
    return found


@torch.no_grad()
def divergence(
    before: Sequence[Tensor], after: Sequence[Tensor], source: str = "text"
) -> Divergence:
    """Return KL(before || after) over all positions.

    Args:
        before: Log-probabilities as `log_probabilities` gives them.
        after: Those of the other model on the same rows.
        source: What the rows are.
    """
    total, largest, tokens = 0.0, 0.0, 0
    parts = ((a.split(_AT_ONCE), b.split(_AT_ONCE)) for a, b in zip(before, after, strict=True))
    for one, other in (pair for a, b in parts for pair in zip(a, b, strict=True)):
        # In float64: what two float32 sums differ by is below what is looked for.
        p = torch.log_softmax(one.double(), -1)
        q = torch.log_softmax(other.double(), -1)
        each = torch.nn.functional.kl_div(q, p, reduction="none", log_target=True).sum(-1)
        total += float(each.sum())
        largest = max(largest, float(each.max())) if bool(each.isfinite().all()) else float("nan")
        tokens += len(each)
    return Divergence(total / tokens, largest, tokens, source)


def require_close(found: Divergence, kind: str, what: str, do: str) -> Bound:
    """Refuse a file that is farther off than its numbers' type explains; return the bound.

    Args:
        found: What was measured.
        kind: The type, a key of `BOUNDS`.
        what: What the file is, such as "the merged model".
        do: What to do instead.

    Raises:
        WeighbridgeError: It is, or gives no finite probabilities.
    """
    bound = BOUNDS[kind]
    # A NaN is in no order, so that what is wanted is asked, not what isn't.
    if found.mean <= bound.mean and (bound.largest is None or found.largest <= bound.largest):
        return bound
    most = f", and {bound.largest:.0e} at each" if bound.largest else ""
    raise WeighbridgeError(
        f"{what} gives other probabilities than what it was made of: {found.told()}",
        f"a mean of at most {bound.mean:.0e} nats a token{most}, for {kind}",
        do,
    )
