"""Digest of settings that change a model's numbers and are not part of any tensor.

The same tensors under another rotary base, head count or window, with an adapter at another alpha,
or with other end tokens, are another model: its answers must not be taken for the first one's.
"""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any

from weighbridge.records.digest import canonical_digest

# What a configuration says of files, training and software, or what other digests cover.
ELSEWHERE = re.compile(
    r"^(_.*|architectures|dtype|torch_dtype|transformers_version|use_cache|initializer_\w+|auto_map"
    r"|tie_word_embeddings|quantization_config|\w*_token_id|pretraining_tp|gradient_checkpointing"
    r"|\w*dropout\w*|\w*_pdrop|output_\w+|return_dict|id2label|label2id|num_labels|task_\w+|name)$"
)
_OF_ADAPTERS = re.compile(
    r"^(base_model_name_or_path|revision|inference_mode|peft_version|task_type|auto_mapping"
    r"|\w*dropout\w*|runtime_config|megatron_\w+)$"
)

_NAMES = ("target_modules", "modules_to_save", "layers_to_transform")  # sets, in no order


def settings_digest(
    config: Any, ends: Collection[int], adapter: Mapping[str, Any] | None = None
) -> str:
    """Digest a model's settings, but not how and by what they were written down.

    Args:
        config: transformers' configuration; what it leaves at its default counts as absent, so
            that a release that adds a field changes nothing.
        ends: Tokens that end an answer.
        adapter: The fields of `adapter_config.json`.
    """
    facts: dict[str, Any] = {
        "config": _plain(config.to_diff_dict(), ELSEWHERE),
        "ends": sorted(ends),
    }
    if adapter is not None:
        stated = {
            key: sorted(value, key=str) if key in _NAMES and isinstance(value, list) else value
            for key, value in adapter.items()
            # Releases of peft add fields that are off.
            if not (value is None or value is False or value == {} or value == [])
        }
        facts["adapter"] = _plain(stated, _OF_ADAPTERS)
    return canonical_digest(facts)


def _plain(value: Any, left_out: re.Pattern[str]) -> Any:
    """Return a value as canonical JSON takes it, without the fields that are left out."""
    if isinstance(value, Mapping):
        return {
            str(key): _plain(inner, left_out)
            for key, inner in value.items()
            if not left_out.match(str(key))
        }
    if isinstance(value, (list, tuple)):
        return [_plain(one, left_out) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)
