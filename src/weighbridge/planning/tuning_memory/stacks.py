"""What a training program keeps in memory beyond the numbers that any program needs.

Two programs that train the same adapter on the same rows can differ by gigabytes: in what their
automatic differentiation keeps, in how many copies of the logits exist at once, and in the type of
the adapter. Every entry was read from the program's own code; none is fitted.
"""

from dataclasses import dataclass
from typing import Literal

AdapterInput = Literal["shared", "own in fp32", "dropped out"]
"""What LoRA's matrix A keeps of its input.

shared: the tensor that the layer reads anyway, kept once for all adapters that read it
own in fp32: a copy in float32 for each adapted layer (peft casts to the adapter's type)
dropped out: a copy after dropout, and dropout's mask of one byte per number
"""


@dataclass(frozen=True)
class Stack:
    """A training program.

    Attributes:
        name: The name by which users ask for it.
        source: The code from which the entries were read.
        adapter_input: See `AdapterInput`.
        adapter_bytes: Bytes of one number of the adapter.
        expands_keys: Whether keys and values of grouped heads are repeated for every query head
            before attention, and kept so.
        joins_projections: Whether queries, keys and values are one layer even where the published
            model has three; where no head is shared, its values are then a view that keeps all of
            the layer's output.
        keeps_quantised_inputs: Whether a quantised linear layer keeps its input, although no
            gradient of its weight is wanted (bitsandbytes keeps it on its context).
        keeps_last_graph: Whether what bitsandbytes kept in one step lives until the next forward
            pass has ended, because the loop still holds the logits.
        dequantised_bytes: Bytes of one number of the matrix that is dequantised for a product.
        whole_logit_bytes: Bytes for each position and word of the vocabulary at the loss's peak,
            where logits of all positions exist at once.
        keeps_masks: Whether each layer keeps an attention mask of its own: a number for each pair
            of a row's positions.
        chunk_rows: Positions in a chunk of a chunked loss; None where the program has no such loss.
        kept_outputs: How many times an adapted layer's output is kept besides, as DoRA does.
        steps_by_tensor: Whether the optimizer goes through its tensors one by one, as PyTorch does
            on a CPU, so that its temporaries are never of all of them.
    """

    name: str
    source: str
    adapter_input: AdapterInput
    adapter_bytes: int
    expands_keys: bool
    joins_projections: bool
    keeps_quantised_inputs: bool
    keeps_last_graph: bool
    dequantised_bytes: int
    whole_logit_bytes: int
    keeps_masks: bool
    chunk_rows: int | None
    kept_outputs: int = 0
    steps_by_tensor: bool = False


WEIGHBRIDGE = Stack(
    name="weighbridge",
    source="weighbridge.tuning: LoRA as one function, loss in chunks of 256 learnt positions",
    adapter_input="shared",
    adapter_bytes=4,
    expands_keys=False,
    joins_projections=False,
    keeps_quantised_inputs=False,
    keeps_last_graph=False,
    dequantised_bytes=2,
    whole_logit_bytes=10,
    keeps_masks=False,
    chunk_rows=256,
)
PEFT = Stack(
    name="peft",
    source="huggingface/peft method_comparison/MetaMathQA/run.py with transformers 5's Llama",
    adapter_input="own in fp32",
    adapter_bytes=4,
    expands_keys=True,  # rows of unequal length come with a mask, and a mask repeats the keys
    joins_projections=False,
    keeps_quantised_inputs=False,  # bitsandbytes of 2025 and later
    keeps_last_graph=False,
    dequantised_bytes=2,
    # Logits in bf16, their float32 copy and its log-softmax; in the backward pass the copy's place
    # is taken by the gradient.
    whole_logit_bytes=2 + 4 + 4,
    keeps_masks=True,
    chunk_rows=None,
)
LITGPT = Stack(
    name="litgpt",
    source="Lightning-AI/litgpt litgpt/{model,lora,utils}.py, finetune/{lora,full}.py of mid-2024",
    adapter_input="dropped out",
    adapter_bytes=2,
    expands_keys=True,
    joins_projections=True,
    keeps_quantised_inputs=True,
    keeps_last_graph=True,
    dequantised_bytes=2 + 2,  # dequantised to fp16, then copied to bf16
    # The step before's logits in float32 (the loop holds them), this step's in bf16, and the
    # float32 copies that Fabric makes of a module's output.
    whole_logit_bytes=4 + 2 + 4,
    keeps_masks=False,
    chunk_rows=None,
)
STACKS = {stack.name: stack for stack in (WEIGHBRIDGE, PEFT, LITGPT)}
