"""LoRA: the base is frozen, and each linear layer learns a low-rank update B·A beside it."""

from weighbridge.tuning.low_rank import LowRank

METHOD = LowRank(
    name="lora",
    summary="a low-rank update of each linear layer",
    title="LoRA",
    defaults={
        "learning_rate": 5e-4,
        "rank": 16,
        "alpha": 32.0,
        "dropout": 0.0,
        "target": "all-linear",
        "experts": False,
    },
    source=(
        "ten times what full fine-tuning takes "
        "(Schulman et al. 2025, LoRA Without Regret); method: Hu et al. 2021, arXiv:2106.09685"
    ),
)
