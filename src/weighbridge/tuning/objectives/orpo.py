"""ORPO: the preferred answer is learnt as in SFT, and its odds are raised over the other's.

−log P(c) − λ · log σ(log odds(c)/odds(r)) for each pair (Hong et al. 2024, arXiv:2403.07691, eq. 1,
6 and 7), averaged over a step's pairs. log P of an answer is the mean over its tokens, its end
among them, and odds = P / (1 − P). λ is called beta, as in TRL. There is no reference. The prompt
isn't learnt, as in the paper's eq. 1 and its authors' code with ``disable_prompt_loss``; TRL learns
the prompt, too.
"""

from typing import TYPE_CHECKING

from weighbridge.tuning.pairwise import Pairwise

if TYPE_CHECKING:
    from torch import Tensor

    from weighbridge.tuning.batches import Batch

_CERTAIN = -1e-7
"""Log-probability above which an answer is as good as certain: its odds would be infinite."""


def _formula(
    chosen: "Tensor", rejected: "Tensor", batch: "Batch", beta: float
) -> "tuple[Tensor, Tensor, Tensor]":
    from torch.nn.functional import logsigmoid

    from weighbridge.tuning.preferences import answer_lengths

    lengths, other_lengths = answer_lengths(batch)
    chosen, rejected = chosen / lengths, rejected / other_lengths
    ahead = logsigmoid(_log_odds(chosen) - _log_odds(rejected))
    return -chosen - beta * ahead, beta * chosen, beta * rejected


def _log_odds(log_probs: "Tensor") -> "Tensor":
    """Return log(P / (1 − P)); 1 − P by whichever of two forms loses no digits (Mächler 2012)."""
    import torch

    below = log_probs.clamp(max=_CERTAIN)
    likely = below > -0.6931
    # Each form is given values that it can take: a gradient through the other would be NaN.
    near = torch.log(-torch.expm1(torch.where(likely, below, -0.5)))
    far = torch.log1p(-torch.exp(torch.where(likely, -1.0, below)))
    return below - torch.where(likely, near, far)


OBJECTIVE = Pairwise(
    name="orpo",
    summary="learns the better of two answers, and away from the other",
    title="ORPO",
    source=(
        "rate: with full tuning 5e-6, as the authors' run_mistral_orpo_beta.sh has it, ten times "
        "that with an adapter; beta: theirs and TRL's (Hong et al. 2024, arXiv:2403.07691)"
    ),
    slower=10.0,
    formula=_formula,
)
