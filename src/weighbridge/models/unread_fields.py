"""Refuses a config.json with a field that would change numbers and that its class doesn't read.

transformers keeps a field that a configuration's class doesn't declare, and its model ignores it: a
soft cap in a Llama's config.json changes nothing there, while an engine that knows the field
computes other logits from the same files.
"""

from typing import Any

from weighbridge.errors import InputError

CHANGES_NUMBERS = {
    "attention_multiplier": (None,),
    "attn_logit_softcapping": (None, 0),
    "clip_qkv": (None,),
    "embedding_multiplier": (None, 1),
    "final_logit_softcapping": (None, 0),
    "logit_scale": (None, 1),
    "logits_scaling": (None, 1),
    "query_pre_attn_scalar": (None,),
    "residual_multiplier": (None, 1),
    "scale_depth": (None,),
    "scale_emb": (None, 1),
}
"""Fields by which some architectures scale or cap, each with the values that change nothing."""


def refuse_unread_fields(config: Any, where: str) -> None:
    """Refuse a configuration that asks for what its architecture's code doesn't do.

    Args:
        config: transformers' configuration of a causal language model.
        where: What to call the model in errors.

    Raises:
        InputError: A field of `CHANGES_NUMBERS` has a value that changes numbers, and the
            configuration's class has no such field.
    """
    text = config.get_text_config()
    declared = {*type(text)().to_dict(), *getattr(type(text), "attribute_map", {})}
    stated = text.to_dict()
    for name, neutral in CHANGES_NUMBERS.items():
        value = stated.get(name)
        if name in declared or value in neutral:
            continue
        raise InputError(
            f"{where}: its config.json has {name} = {value!r}, which transformers' code for "
            f"{text.model_type} models ignores",
            "fields that the architecture's code reads",
            "remove the field if the model was trained without it, or name its own architecture "
            "in model_type",
        )
