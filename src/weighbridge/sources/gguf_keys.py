"""Reads GGUF metadata and keeps track of the keys that were read: unread keys are refused.

Keys change results: without its scale it is another model. So the reader of an architecture takes
the keys that it applies, lists those that don't affect numbers, and any other key ends the load
with its name.
"""

from collections.abc import Mapping
from typing import Any

from weighbridge.errors import InputError

# Under any architecture, with the values at which they change nothing (llama.cpp's own defaults).
_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "attention.causal": (True,),
    "attention.max_alibi_bias": (0,),
    "attention.clamp_kqv": (0,),
    "attention.output_scale": (0, 1),
    "attention.temperature_length": (0,),
    "attention.temperature_scale": (0,),
    "attention.sliding_window": (0,),
    "attention.shared_kv_layers": (0,),
    "attn_logit_softcapping": (0,),
    "final_logit_softcapping": (0,),
    "router_logit_softcapping": (0,),
    "logit_scale": (0, 1),
    "residual_scale": (0, 1),
    "embedding_scale": (0, 1),
    "attention.scale": (0,),
    "pooling_type": (0,),
    "nextn_predict_layers": (0,),
    "expert_count": (0,),
    "expert_used_count": (0,),
    "expert_shared_count": (0,),
    "expert_feed_forward_length": (0,),
    "expert_shared_feed_forward_length": (0,),
    "expert_group_count": (0, 1),
    "expert_group_used_count": (0, 1),
    "expert_weights_scale": (0, 1),
    "leading_dense_block_count": (0,),
    "interleave_moe_layer_step": (0, 1),
    "moe_every_n_layers": (0, 1),
    "swin_norm": (False,),
    "rescale_every_n_layers": (0,),
    "use_parallel_residual": (False,),
    "tensor_data_layout": ("reference", "Meta AI original pth"),
}
# Say nothing that a tensor or another key does not say.
_SAYS_NOTHING = frozenset({"vocab_size", "rope.scaling.finetuned", "features_length"})


class Keys:
    """The keys under one architecture's name.

    Args:
        fields: All metadata.
        architecture: The prefix.
        where: What to call the file in errors.

    Attributes:
        missing: Needed keys that the file lacks.
    """

    def __init__(self, fields: Mapping[str, Any], architecture: str, where: str) -> None:
        self.fields, self.architecture, self.where = fields, architecture, where
        self.missing: list[str] = []
        self._read: set[str] = set()

    def take(self, key: str, default: Any = None, *, needed: bool = False) -> Any:
        """Return a key's value, one for all layers, and count it as read.

        Args:
            key: Without the architecture's prefix.
            default: Used if it is absent.
            needed: Whether it must be there for the model to be loaded.

        Raises:
            InputError: It differs between layers.
        """
        value = self.layers(key)
        if value is None:
            if needed:
                self.missing.append(f"{self.architecture}.{key}")
            return default
        if not isinstance(value, list):
            return value
        if len(set(value)) != 1:
            shown = ", ".join(map(str, sorted(set(value))[:6]))
            raise InputError(
                f"{self.where}, {self.architecture}.{key} differs between layers ({shown})",
                "one value for all layers",
                "such models are not taken apart yet",
            )
        return value[0]

    def layers(self, key: str) -> Any:
        """Return a key's value, which may be a list, and count it as read."""
        self._read.add(key)
        return self.fields.get(f"{self.architecture}.{key}")

    def refused(self, key: str, expected: str) -> InputError:
        """Return the error for a key whose value can't be applied."""
        value = self.fields.get(f"{self.architecture}.{key}")
        return InputError(
            f"{self.where} says {self.architecture}.{key} = {_shown(value)}",
            expected,
            "without it this would be another model: use the model's safetensors",
        )

    def refuse_unread(self) -> None:
        """Check that every key was read, or holds a value that changes nothing.

        Raises:
            InputError: A key was not read, and may change results.
        """
        prefix = f"{self.architecture}."
        for full, value in self.fields.items():
            key = full.removeprefix(prefix)
            if not full.startswith(prefix) or key in self._read or key in _SAYS_NOTHING:
                continue
            if key in _NEUTRAL and value in _NEUTRAL[key]:
                continue
            raise self.refused(key, "only keys that are understood for this architecture")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
