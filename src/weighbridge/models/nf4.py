"""A base whose linear layers are held in four bits: NF4 with double quantisation.

64 numbers that follow each other are held as quantiles of a normal distribution and one scale, and
256 scales as 8 bits each and one scale of theirs: 0.516 bytes a number (Dettmers et al. 2023,
arXiv:2305.14314). bitsandbytes makes them and multiplies with them. Three things are kept from it:

* a matrix whose rows are no whole blocks stays as it is: on CPUs with AVX-512, bitsandbytes (0.50)
  gives such a matrix back with scales of other blocks;
* in evaluation, on CPUs with AVX-512 BF16, it rounds the scales to bf16 for good;
* whatever comes back is compared with what went in.

What an adapter was trained against is written beside it. Wherever the adapter is put on a base, the
base's weights become those of four bits first: with the original ones it would be another model.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.models import nf4_experts
from weighbridge.models.bitsandbytes_library import bitsandbytes
from weighbridge.models.nf4_layers import BLOCK, choose, matrix_of
from weighbridge.models.nf4_record import Nf4Record, read_record
from weighbridge.process_memory import page_out
from weighbridge.sources.safetensors_files import StoredTensor

_BROKEN = 0.5  # of a matrix's length; NF4 loses 0.09 of normal numbers, and never 0.35
_RECORDS: "WeakKeyDictionary[Any, Nf4Record]" = WeakKeyDictionary()
_ROUNDED: "WeakKeyDictionary[Any, Nf4Record]" = WeakKeyDictionary()


def record_of(module: Any) -> Nf4Record | None:
    """Return the record of a model whose layers are in four bits now; None for any other."""
    return _RECORDS.get(module)


def quantise(
    module: Any,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
    read: Callable[[str, Any], None] = lambda name, layer: None,
) -> Nf4Record:
    """Hold a model's linear layers in four bits, one after the other.

    No second copy of the weights stands at any time: each layer's own are dropped once its four
    bits are made.

    Args:
        module: Changed in place.
        device: Where the four bits go, and the rest; None leaves all where they are.
        dtype: What numbers become before they are put into four bits, and the rest for good; None
            leaves them as they are.
        read: Called with a layer's name and the layer just before it is put into four bits; gives
            it weights that were not in memory until then.

    Raises:
        InputError: No layer can be held so.
        MissingPiece: bitsandbytes is not here.
    """
    library = bitsandbytes()
    made = _Making(module, library)
    for name, layer in made.chosen:
        read(name, layer)
        weight = made.packed(name, layer, device, dtype)
        module.set_submodule(name, _layer_of(library, layer, weight))
        drop(layer)
    for name, experts in made.experts:
        nf4_experts.hold(name, experts, made.packed_expert, made.unpack, device, dtype)
    _bring(module, library, device, dtype)
    module.is_loaded_in_4bit = True  # peft asks for it
    _RECORDS[module] = made.record()
    return _RECORDS[module]


def round_weights(module: Any) -> Nf4Record:
    """Give a model's linear layers the numbers that they have in four bits, as plain weights.

    Args:
        module: Changed in place.

    Raises:
        InputError: No layer can be held so.
        MissingPiece: bitsandbytes is not here.
    """
    library = bitsandbytes()
    made = _Making(module, library)
    for name, layer in made.chosen:
        numbers = _unpacked(library, made.packed(name, layer))
        _put(layer, numbers)
    for name, experts in made.experts:
        for which in nf4_experts.tensor_names(experts):
            weight = getattr(experts, which)
            weight.data = torch.stack([
                made.unpack(*made.packed_expert(f"{name}.{which}.{number}", matrix))
                for number, matrix in enumerate(weight.data)
            ])  # fmt: skip
    _ROUNDED[module] = made.record()
    return _ROUNDED[module]


def dequantise(module: Any) -> None:
    """Turn layers in four bits into plain ones with the same numbers, one after the other."""
    record = _RECORDS.pop(module, None)
    if record is None:
        return
    library = bitsandbytes()
    for name, layer in list(module.named_modules()):
        if isinstance(layer, library.nn.Linear4bit):
            plain = layer.stands_for
            _put(plain, _unpacked(library, layer.weight))
            module.set_submodule(name, plain)
    for _, experts in nf4_experts.held_experts(module):
        for which in nf4_experts.tensor_names(experts):
            unpack = library.functional.dequantize_4bit
            nf4_experts.give_back(experts, which, nf4_experts.unpacked(experts, which, unpack))
    del module.is_loaded_in_4bit
    _ROUNDED[module] = record


def put_back(module: Any, weights: Mapping[str, Tensor]) -> None:
    """Undo `quantise`.

    Args:
        module: Changed in place.
        weights: Of each layer that could be in four bits, as `plain_weights` gave them.
    """
    library = bitsandbytes()
    for name, weight in weights.items():
        owner, _, which = name.rpartition(".")
        layer = module.get_submodule(owner)
        if nf4_experts.is_held_experts(layer):
            nf4_experts.give_back(layer, which, weight.to(getattr(layer, which).device))
        if isinstance(layer, library.nn.Linear4bit):
            device, layer = layer.weight.device, layer.stands_for
            module.set_submodule(name.removesuffix(".weight"), layer)
            layer.weight.data = weight.to(device)
    if _RECORDS.pop(module, None) is not None:
        del module.is_loaded_in_4bit


def plain_weights(module: Any) -> dict[str, Tensor]:
    """Return the weights that `quantise` would put into four bits, by their names."""
    layers, experts = choose(module)[0], nf4_experts.expert_modules(module, BLOCK)[0]
    return {
        **{f"{name}.weight": layer.weight.data for name, layer in layers},
        **{
            f"{name}.{which}": getattr(part, which).data
            for name, part in experts
            for which in nf4_experts.tensor_names(part)
        },
    }


def trained_against(module: Any, folder: Path) -> Nf4Record | None:
    """Give a base the weights that an adapter was trained against, where they were of four bits.

    Args:
        module: The base; plain weights are rounded in place, those of four bits are compared.
        folder: The adapter's.

    Raises:
        InputError: They are not those that the adapter was trained against.
        MissingPiece: bitsandbytes is not here.
    """
    wanted = read_record(folder)
    if wanted is None:
        return None
    found = _RECORDS.get(module) or _ROUNDED.get(module) or round_weights(module)
    # The mean of the scales is summed up in another order on another kind of device.
    if found.device == wanted.device and found.digest != wanted.digest:
        raise InputError(
            f"the adapter in {folder} was trained against other weights in four bits than this "
            f"base's (by bitsandbytes {wanted.bitsandbytes}; here {found.bitsandbytes})",
            "the base that it was trained on, quantised by the same release",
            "take that base, or install that release of bitsandbytes",
        )
    return wanted


def forget(module: Any) -> None:
    """Take no more note of a model whose weights have become others."""
    _ROUNDED.pop(module, None)


def keep_scales(module: Any) -> None:
    """Keep bitsandbytes from rounding scales to bf16 in evaluation, in layers of its own."""
    for layer in module.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            layer.support_avx512bf16_for_cpu = False


def is_held(layer: Any) -> bool:
    """Whether a layer is one that `quantise` made."""
    return hasattr(layer, "stands_for")


def plain_layer(layer: Any, update: Tensor) -> nn.Linear:
    """Return a plain layer with a held layer's numbers and an update (outputs, inputs) of them."""
    made = nn.Linear(layer.in_features, layer.out_features, bias=False, device="meta")
    made.weight = nn.Parameter(_unpacked(bitsandbytes(), layer.weight) + update, False)
    made.bias = layer.bias
    return made


def drop(layer: Any) -> None:
    """Let go of a layer's weights; the pages of a mapped file leave the memory, too."""
    weight = layer.weight.data
    if weight.device.type == "cpu":
        page_out(weight.data_ptr(), weight.nbytes)
    layer.weight.data = weight.new_empty(0)


def mapped_dtype(stored: Mapping[str, StoredTensor], dtype: torch.dtype) -> torch.dtype:
    """Return the type in which weights are read without a copy of their file, where there is one.

    Args:
        stored: What the files hold.
        dtype: What the weights become; no type that is read loses anything that this one keeps.
    """
    types = {tensor.dtype for tensor in stored.values()}
    narrow = {"BF16": torch.bfloat16, "F16": torch.float16}
    if dtype == torch.float32 and len(types) == 1:
        return narrow.get(types.pop(), dtype)
    return dtype


def _bring(
    module: Any, library: Any, device: torch.device | str | None, dtype: torch.dtype | None
) -> None:
    """Bring all that is not in four bits to a device, and what is stored of it to a type."""
    if dtype is None:
        return
    for part in module.modules():
        tables = part._non_persistent_buffers_set  # the model makes these itself, in their own type
        for name, tensor in (*part._parameters.items(), *part._buffers.items()):
            if tensor is None or isinstance(tensor, library.nn.Params4bit):
                continue
            if nf4_experts.is_held_experts(part) and name in part.held_shapes:
                continue
            stays = name in tables or not tensor.is_floating_point()
            tensor.data = tensor.data.to(device, tensor.dtype if stays else dtype)


class _Making:
    """Puts one layer after the other into four bits, and takes note of all."""

    def __init__(self, module: Any, library: Any) -> None:
        _require_plain(module)
        self.chosen, self._left = choose(module)
        self.experts, left = nf4_experts.expert_modules(module, BLOCK)
        self._left += left
        if not self.chosen:
            raise InputError(
                f"{type(module).__name__} has no linear layer that can be held in 4 bits",
                f"layers whose inputs are a multiple of {BLOCK}",
                "use --method lora",
            )
        self._library = library
        self._dtype = torch.float32
        self._total = sum(parameter.numel() for parameter in module.parameters())
        self._count, self._digest, self._device = 0, hashlib.sha256(), "cpu"
        self._of_experts = 0

    def packed(
        self,
        name: str,
        layer: Any,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Any:
        """Return a layer's weight in four bits, compared with what it was."""
        numbers = matrix_of(layer).detach()
        numbers = numbers.to(device or numbers.device, dtype or numbers.dtype).contiguous()
        return self._in_four_bits(name, numbers)

    def packed_expert(self, name: str, matrix: Tensor) -> tuple[Tensor, Any]:
        """Return an expert's bytes, counted and compared with what it was, and their state."""
        weight = self._in_four_bits(name, matrix.contiguous())
        self._of_experts += 1
        state = weight.quant_state
        nf4_experts.require_bytes(name, matrix.numel(), weight.data, state, BLOCK)
        return weight.data, state

    def unpack(self, packed: Tensor, state: Any) -> Tensor:
        """Return the numbers of bytes in four bits."""
        numbers: Tensor = self._library.functional.dequantize_4bit(packed, state)
        return numbers

    def _in_four_bits(self, name: str, numbers: Tensor) -> Any:
        self._dtype = numbers.dtype
        weight = self._library.nn.Params4bit(
            numbers, requires_grad=False, blocksize=BLOCK, compress_statistics=True,
            quant_type="nf4",
        )  # fmt: skip
        weight = weight.to(numbers.device)
        again = self._library.functional.dequantize_4bit(weight.data, weight.quant_state)
        lost = float((again - numbers).norm() / numbers.norm().clamp_min(1e-30))
        if not lost < _BROKEN:
            raise WeighbridgeError(
                f"bitsandbytes gives {name} back with {lost:.0%} of its length lost",
                "less than a tenth, as NF4 loses",
                "report this as a bug, and use --method lora",
            )
        self._note(name, weight)
        return weight

    def _note(self, name: str, weight: Any) -> None:
        state = weight.quant_state
        self._count += state.shape.numel()
        self._device = weight.device.type
        self._digest.update(f"{name}\0{','.join(map(str, state.shape))}\0".encode())
        for tensor in (weight.data, state.absmax, state.state2.absmax, state.offset):
            raw = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            self._digest.update(raw.numpy().data)

    def record(self) -> Nf4Record:
        """Return the record of what was put into four bits."""
        return Nf4Record(
            quantization_config={
                "load_in_4bit": True,
                "bnb_4bit_quant_type": "nf4",
                "bnb_4bit_use_double_quant": True,
                "bnb_4bit_compute_dtype": str(self._dtype).removeprefix("torch."),
                "llm_int8_skip_modules": list(self._left),
            },
            digest=f"sha256:{self._digest.hexdigest()}",
            layers=len(self.chosen),
            layers_left=len(self._left),
            parameters=self._count,
            parameters_left=self._total - self._count,
            bitsandbytes=self._library.__version__,
            device=self._device,
            experts=self._of_experts,
        )


def _require_plain(module: Any) -> None:
    """Refuse weights that are quantised already."""
    said = getattr(module.config, "quantization_config", None)
    if said is not None:
        method = said.get("quant_method") if isinstance(said, dict) else said.quant_method
        raise quantised_already("the base", str(getattr(method, "value", method)))


def quantised_already(what: str, method: str) -> InputError:
    """Return what to raise for weights that are quantised, as their config.json says."""
    return InputError(
        f"{what} is quantised already, by {method}",
        "plain weights, of which 4 bits can be made",
        "take the weights that these were quantised from",
    )


def _layer_of(library: Any, plain: Any, weight: Any) -> Any:
    outputs, inputs = weight.quant_state.shape
    layer = library.nn.Linear4bit(
        inputs, outputs, bias=plain.bias is not None, compute_dtype=weight.quant_state.dtype,
        compress_statistics=True, quant_type="nf4", device="meta",
    )  # fmt: skip
    layer.weight, weight.module = weight, layer
    layer.quant_state = weight.quant_state
    layer.bias = plain.bias
    layer.train(plain.training)
    # Not as an attribute: its weight would be counted among the model's.
    object.__setattr__(layer, "stands_for", plain)
    keep_scales(layer)
    return layer


def _unpacked(library: Any, weight: Any) -> Tensor:
    numbers: Tensor = library.functional.dequantize_4bit(weight.data, weight.quant_state)
    return numbers


@torch.no_grad()
def _put(layer: Any, matrix: Tensor) -> None:
    """Give a plain layer a weight of its own."""
    turned = matrix if isinstance(layer, nn.Linear) else matrix.T
    layer.weight.data = turned.contiguous()
