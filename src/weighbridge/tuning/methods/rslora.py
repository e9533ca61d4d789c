"""rsLoRA: LoRA scaled by alpha / √rank, so that a higher rank learns as fast as a low one.

The default alpha gives the scale that LoRA's defaults have: 2.
"""

from weighbridge.tuning.low_rank import LowRank
from weighbridge.tuning.methods.lora import METHOD as LORA

METHOD = LowRank(
    name="rslora",
    summary="LoRA scaled by alpha / √rank",
    title="rsLoRA",
    defaults={**LORA.defaults, "alpha": 8.0},
    source="LoRA's, since the scale is the same; method: Kalajdzievski 2023, arXiv:2312.03732",
    options={"use_rslora": True},
)
