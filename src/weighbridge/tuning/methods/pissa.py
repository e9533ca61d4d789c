"""PiSSA: LoRA that starts from a weight's largest singular values instead of from 0.

A and B hold the principal part of W, and the base keeps the rest while it is trained. What is
saved is the change alone, B·A less what it was, as a LoRA adapter of twice the rank that fits the
base as it was.
"""

from weighbridge.tuning.low_rank import LowRank
from weighbridge.tuning.methods.lora import METHOD as LORA
from weighbridge.tuning.principal import attached_principal, save_change, unchecked

METHOD = LowRank(
    name="pissa",
    summary="LoRA that starts from the largest singular values",
    title="PiSSA",
    defaults={
        **{name: value for name, value in LORA.defaults.items() if name != "experts"},
        "learning_rate": 5e-5,
        "alpha": 16.0,
    },
    source=(
        "full fine-tuning's, since A and B are as large as the weights; the paper's scale of 1 "
        "(alpha = rank); method: Meng et al. 2024, arXiv:2404.02948"
    ),
    attached=attached_principal,
    check=unchecked,
    saved=save_change,
)
