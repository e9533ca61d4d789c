"""QLoRA: LoRA on a base that is held in four bits, for models that don't fit the memory otherwise.

The base takes 0.52 bytes a parameter instead of 4, or 2 in bf16. It saves memory, not time: each
product unpacks its matrix, forwards and backwards.
"""

from weighbridge.tuning.four_bits import (
    attached_in_four_bits,
    loaded_in_four_bits,
    merged_in_four_bits,
    save_with_record,
)
from weighbridge.tuning.low_rank import LowRank
from weighbridge.tuning.methods.lora import METHOD as LORA

METHOD = LowRank(
    name="qlora",
    summary="LoRA on a base held in four bits",
    title="QLoRA",
    defaults={**LORA.defaults, "learning_rate": 2e-4, "alpha": 16.0},
    source=(
        "the paper's for models of 7 and 13 billion parameters, and its alpha; "
        "method: Dettmers et al. 2023, arXiv:2305.14314"
    ),
    keeps_base=False,
    attached=attached_in_four_bits,
    saved=save_with_record,
    loads=loaded_in_four_bits,
    merges=merged_in_four_bits,
)
