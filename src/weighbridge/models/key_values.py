"""The keys and values of each layer, read from a configuration as transformers has it."""

from typing import Any

from weighbridge.records import KeyValueHeads

NO_KEYS = KeyValueHeads(heads=0, key_width=0, value_width=0)


def key_value_heads(config: Any) -> tuple[KeyValueHeads, ...]:
    """Return what each layer's attention is given for a token, which the engine keeps.

    Multi-head latent attention is expanded by then to a key and a value for each query head: more
    than the latent that a decoder made for it keeps, as transformers' own cache does.

    Args:
        config: The text model's; where layers differ (Gemma 4's widths), each says its own.
    """
    layers = getattr(config, "per_layer_config", None)
    if not layers:
        layers = [config] * (getattr(config, "num_hidden_layers", None) or 1)
    return tuple(_of_layer(layer, number) for number, layer in enumerate(layers))


def _of_layer(config: Any, number: int) -> KeyValueHeads:
    query_heads = _value(config, "num_attention_heads", number)
    if not query_heads:  # a recurrence: a state, no keys
        return NO_KEYS
    heads = _value(config, "num_key_value_heads", number) or query_heads
    if (plain := _value(config, "qk_nope_head_dim", number)) is not None:  # DeepSeek's MLA
        return KeyValueHeads(heads, plain + config.qk_rope_head_dim, config.v_head_dim)
    width = _value(config, "head_dim", number) or config.hidden_size // query_heads
    return KeyValueHeads(heads, width, width)


def _value(config: Any, name: str, layer: int) -> int | None:
    """Read a whole number; some configurations hold one for each layer."""
    value = getattr(config, name, None)
    if isinstance(value, (list, tuple)):
        value = value[layer] if layer < len(value) else None
    return value if isinstance(value, int) else None
