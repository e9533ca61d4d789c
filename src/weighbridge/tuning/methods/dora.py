"""DoRA: each weight's direction learns as in LoRA, and its columns' lengths by themselves.

Every forward pass forms B·A to take those lengths, so it is slower than LoRA and keeps more.
"""

from weighbridge.tuning.low_rank import LowRank
from weighbridge.tuning.methods.lora import METHOD as LORA

METHOD = LowRank(
    name="dora",
    summary="LoRA for directions, lengths learnt apart",
    title="DoRA",
    defaults={name: value for name, value in LORA.defaults.items() if name != "experts"},
    source="LoRA's; method: Liu et al. 2024, arXiv:2402.09353",
    options={"use_dora": True},
    kept_outputs=2,
)
