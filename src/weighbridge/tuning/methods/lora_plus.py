"""LoRA+: LoRA whose B learns faster than its A, which wide layers need to learn well.

A takes the learning rate, B `learning_rate_ratio` times it.
"""

from weighbridge.tuning.low_rank import LowRank
from weighbridge.tuning.methods.lora import METHOD as LORA

METHOD = LowRank(
    name="lora-plus",
    summary="LoRA whose B learns faster than its A",
    title="LoRA+",
    defaults={**LORA.defaults, "learning_rate": 2.5e-4, "learning_rate_ratio": 16.0},
    source=(
        "half of LoRA's, as peft's `create_loraplus_optimizer` advises, and the paper's ratio; "
        "method: Hayou et al. 2024, arXiv:2402.12354"
    ),
)
