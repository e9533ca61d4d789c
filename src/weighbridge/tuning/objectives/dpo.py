"""DPO: the preferred answer becomes likelier than the other, measured from where the model started.

−log σ(β · (log π(c)/π₀(c) − log π(r)/π₀(r))) for each pair (Rafailov et al. 2023, arXiv:2305.18290,
eq. 7), averaged over a step's pairs. log π of an answer is the sum over its tokens, its end among
them; β says how firmly the model is held to π₀. That is the model before its first step, never a
second one: see `tuning.preferences`.
"""

from typing import TYPE_CHECKING

from weighbridge.tuning.pairwise import Pairwise

if TYPE_CHECKING:
    from torch import Tensor

    from weighbridge.tuning.batches import Batch


def _formula(
    chosen: "Tensor", rejected: "Tensor", batch: "Batch", beta: float
) -> "tuple[Tensor, Tensor, Tensor]":
    from torch.nn.functional import logsigmoid

    assert batch.reference is not None
    ours = beta * (chosen - batch.reference[:, 0])
    theirs = beta * (rejected - batch.reference[:, 1])
    return -logsigmoid(ours - theirs), ours, theirs


OBJECTIVE = Pairwise(
    name="dpo",
    summary="of two answers prefers the better, held to where it started",
    title="DPO",
    source=(
        "rate: with full tuning 1e-6, as the paper's appendix and TRL have it, ten times that with "
        "an adapter; beta: the paper's (Rafailov et al. 2023, arXiv:2305.18290)"
    ),
    slower=50.0,
    formula=_formula,
    needs_reference=True,
)
