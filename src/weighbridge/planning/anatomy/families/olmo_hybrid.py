"""OLMo Hybrid: three layers with a gated delta net to one of OLMo 3's attention."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Layer, State, Weight
from weighbridge.planning.anatomy.recurrent import (
    LINEAR,
    delta_rule_state,
    short_convolution,
    vector,
)
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import (
    FULL,
    NEEDS,
    Heads,
    assemble,
    attention_of,
    gated,
    joint_norms,
    linear,
    norm,
    outer_weights,
    read_heads,
    two_norms,
    usual_attention,
)


def read(fields: Fields) -> Architecture:
    """Read layers of two kinds; a delta net is normed before, attention behind."""
    heads, kinds = read_heads(fields), _kinds(fields)
    block = gated(heads.hidden, fields.count("intermediate_size"))
    attention = (
        *usual_attention(fields, heads),
        *joint_norms(heads),
        norm("post_attention_layernorm", heads.hidden),
        norm("post_feedforward_layernorm", heads.hidden),
    )
    weights, state = _delta_net(fields, heads)
    made = {
        FULL: Layer((*attention, *block), attention_of(heads)),
        LINEAR: Layer((*weights, *two_norms(heads.hidden), *block), state=state),
    }
    layers = [made[kind] for kind in kinds]
    return assemble(fields, heads, outer_weights(fields, heads.hidden), layers)


def _kinds(fields: Fields) -> tuple[str, ...]:
    count = fields.layers()
    default = [FULL if index % 4 == 3 else LINEAR for index in range(count)]
    if FULL not in default:
        default[-1] = FULL
    return fields.layer_types(default, (FULL, LINEAR))


def _delta_net(fields: Fields, heads: Heads) -> tuple[tuple[Weight, ...], State]:
    hidden, kernel = heads.hidden, fields.optional_count("linear_conv_kernel_dim") or 4
    keys = fields.optional_count("linear_num_key_heads") or heads.queries
    values = fields.optional_count("linear_num_value_heads") or heads.queries
    key = fields.optional_count("linear_key_head_dim") or int(0.75 * hidden / keys)
    value = fields.optional_count("linear_value_head_dim") or 2 * key
    into, out = keys * key, values * value
    widths = {"q": into, "k": into, "v": out, "a": values, "b": values, "g": out}
    path, channels = "linear_attn", 2 * into + out
    weights = (
        *(linear(f"{path}.{n}_proj", "recurrent", hidden, w) for n, w in widths.items()),
        short_convolution(f"{path}.conv1d", channels, kernel),
        *(vector(f"{path}.{name}", values) for name in ("A_log", "dt_bias")),
        norm(f"{path}.o_norm", value),
        linear(f"{path}.o_proj", "recurrent", out, hidden),
    )
    return weights, delta_rule_state(values, key, value, channels, kernel)


FAMILY = Family("olmo_hybrid", NEEDS, read)
