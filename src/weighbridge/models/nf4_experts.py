"""Routed experts held in four bits: bitsandbytes passes over tensors of three dimensions.

Each expert's matrix is put into four bits by itself, as `nf4` does with a layer's, and its bytes
are counted: a matrix that was not quantised is an error, not a larger model. In the module, a
placeholder of no memory stands for the tensor, so that peft finds its name and shape; products
unpack one expert's matrix at a time, forwards and backwards, and only of experts that had tokens.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from weighbridge.errors import WeighbridgeError
from weighbridge.models.grouped_experts import (
    Stack,
    Update,
    entry_name,
    forward_of,
    is_grouped,
    outermost_wrappers,
    run_experts,
)
from weighbridge.process_memory import page_out

Pack = Callable[[str, Tensor], tuple[Tensor, Any]]
"""Puts a named matrix into four bits: the bytes, and the state that unpacks them."""
Unpack = Callable[[Tensor, Any], Tensor]


def expert_modules(module: Any, block: int) -> tuple[list[tuple[str, Any]], list[str]]:
    """Return the modules whose experts can be held in four bits, and the names of the others."""
    chosen, left = [], []
    for name, part in module.named_modules():
        if not is_grouped(part) or not isinstance(part.down_proj, nn.Parameter):
            continue
        whole = all(getattr(part, one).shape[-1] % block == 0 for one in tensor_names(part))
        if whole:
            chosen.append((name, part))
        else:
            left.append(name)
    return chosen, left


def tensor_names(experts: Any) -> tuple[str, str]:
    """Return the names of a module's tensors of experts."""
    return entry_name(experts), "down_proj"


def hold(
    name: str,
    experts: Any,
    pack: Pack,
    unpack: Unpack,
    device: torch.device | str | None,
    dtype: torch.dtype | None,
) -> None:
    """Put a module's experts into four bits, one after the other.

    Raises:
        WeighbridgeError: An expert's bytes are not those of four bits.
    """
    experts.held_shapes, experts.packed, experts.stacks = {}, {}, {}
    for which in tensor_names(experts):
        weight = getattr(experts, which).data
        to, kind = device or weight.device, dtype or weight.dtype
        packed = [
            pack(f"{name}.{which}.{number}", matrix.to(to, kind).contiguous())
            for number, matrix in enumerate(weight)
        ]
        if weight.device.type == "cpu":
            page_out(weight.data_ptr(), weight.nbytes)
        experts.held_shapes[which] = weight.shape
        experts.packed[which] = packed
        experts.stacks[which] = _stack(experts, which, unpack)
        stand_in = torch.zeros(1, dtype=kind, device=to).expand(weight.shape)
        setattr(experts, which, nn.Parameter(stand_in, requires_grad=False))
    experts.forward = _plain_forward(experts)


def _stack(experts: Any, which: str, unpack: Unpack) -> Stack:
    packed, shape = experts.packed[which], experts.held_shapes[which]
    if experts.is_transposed:
        return Stack(lambda expert: unpack(*packed[expert]), shape[2])
    return Stack(lambda expert: unpack(*packed[expert]).T, shape[1])


def _plain_forward(experts: Any) -> Callable[..., Tensor]:
    def forward(hidden: Tensor, *chosen: Tensor, **named: Tensor) -> Tensor:
        index, weights = (*chosen, *named.values())
        if index.is_floating_point():  # by name, in another order
            index, weights = weights, index
        return run_experts(experts, experts.stacks, {}, hidden, index, weights)

    return forward


def require_bytes(name: str, numbers: int, packed: Tensor, state: Any, block: int) -> None:
    """Count a matrix's bytes: half a byte a number, a byte a block, four a group of 256 blocks.

    Raises:
        WeighbridgeError: They are others, so that it isn't in four bits with double quantisation.
    """
    blocks = numbers // block
    wanted = numbers // 2 + blocks + 4 * -(-blocks // 256) + 4
    nested = getattr(state, "state2", None)
    found = packed.nbytes + state.absmax.nbytes
    found += nested.absmax.nbytes + state.offset.nbytes if nested is not None else 0
    if found != wanted:
        raise WeighbridgeError(
            f"{name} takes {found:,} bytes after it was put into 4 bits",
            f"{wanted:,} for its {numbers:,} numbers",
            "check the version of bitsandbytes with `weighbridge doctor`",
        )


def is_held_experts(part: Any) -> bool:
    """Whether a module is one that `hold` changed."""
    return isinstance(getattr(part, "held_shapes", None), dict)


def held_experts(module: Any) -> Iterator[tuple[str, Any]]:
    """Yield the modules that `hold` changed."""
    for name, part in module.named_modules():
        if is_held_experts(part):
            yield name, part


def unpacked(experts: Any, which: str, unpack: Unpack) -> Tensor:
    """Return a tensor of experts with the numbers that it has in four bits."""
    return torch.stack([unpack(*one) for one in experts.packed[which]])


def give_back(experts: Any, which: str, weight: Tensor) -> None:
    """Put a tensor of experts back into a module, as an ordinary parameter."""
    setattr(experts, which, nn.Parameter(weight, requires_grad=False))
    del experts.held_shapes[which]
    if not experts.held_shapes:
        del experts.held_shapes, experts.packed, experts.stacks, experts.forward


def follow_updates(adapted: Any) -> None:
    """Let peft's wrappers of experts in four bits multiply with them, and not with placeholders."""
    for layer in outermost_wrappers(adapted):
        experts = layer.get_base_layer()
        if is_held_experts(experts):
            layer.forward = forward_of(layer, experts.stacks)


def merged_stack(experts: Any, which: str, update: Update) -> Stack:
    """Return a stack of experts' numbers of four bits with an update added to them."""
    stack, count = experts.stacks[which], experts.num_experts
    rank = len(update.a) // count

    def matrix(expert: int) -> Tensor:
        down = update.a[expert * rank : (expert + 1) * rank]
        change = (down.T @ update.b[:, expert::count].T) * update.scale
        merged: Tensor = stack.matrix(expert) + change
        return merged

    return Stack(matrix, stack.outputs)
