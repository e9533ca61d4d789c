"""Layers that remember in a state of constant size: recurrences, and short convolutions."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import State, Weight
from weighbridge.planning.anatomy.skeleton import linear

LINEAR, CONVOLUTION, HYBRID = "linear_attention", "conv", "hybrid"

_FLOAT32_BYTES = 4  # transformers computes and keeps recurrent states in float32
_DECAY_WRITE_READ, _DELTA_RULE = 5, 7  # operations a number of the state: see `recurrent_flops`

Mixer = tuple[tuple[Weight, ...], State]


def short_convolution(name: str, channels: int, kernel: int, bias: bool = False) -> Weight:
    """Return a convolution along the sequence, each channel by itself."""
    return Weight(name, "recurrent", kernel, channels, "matrix", bias)


def vector(name: str, width: int) -> Weight:
    """Return numbers that scale or shift, one a channel or head."""
    return Weight(name, "recurrent", 1, width, "vector")


def mamba2(
    hidden: int,
    *,
    heads: int,
    width: int,
    groups: int,
    state: int,
    kernel: int,
    path: str = "mamba",
    bias: bool = False,
    conv_bias: bool = True,
    out_bias: bool = False,
    norm: bool = True,
) -> Mixer:
    """Return Mamba-2 (Dao and Gu 2024, arXiv:2405.21060): scalar decay a head, B and C a group.

    Args:
        hidden: Width of the residual stream.
        heads: Heads of the state space.
        width: Channels of one.
        groups: Groups of heads that share B and C.
        state: Numbers a channel remembers.
        kernel: Tokens that the convolution sees.
        path: Where it stands in the layer.
        bias: Whether what goes in has a bias.
        conv_bias: Whether the convolution has.
        out_bias: Whether what comes out has.
        norm: Whether it is normed before it comes out.
    """
    inner = heads * width
    channels = inner + 2 * groups * state
    weights = (
        short_convolution(f"{path}.conv1d", channels, kernel, conv_bias),
        linear(f"{path}.in_proj", "recurrent", hidden, inner + channels + heads, bias),
        *(vector(f"{path}.{name}", heads) for name in ("dt_bias", "A_log", "D")),
        *((Weight(f"{path}.norm", "norm", 1, inner, "vector"),) if norm else ()),
        linear(f"{path}.out_proj", "recurrent", inner, hidden, out_bias),
    )
    numbers = inner * state
    return weights, State(numbers, channels * kernel, _DECAY_WRITE_READ * numbers, _FLOAT32_BYTES)


def mamba(
    hidden: int,
    *,
    inner: int,
    state: int,
    kernel: int,
    rank: int,
    path: str = "mixer",
    bias: bool = False,
    conv_bias: bool = True,
    norms: bool = False,
) -> Mixer:
    """Return Mamba (Gu and Dao 2023, arXiv:2312.00752): each channel has a decay of its own.

    Args:
        hidden: Width of the residual stream.
        inner: Channels.
        state: Numbers a channel remembers.
        kernel: Tokens that the convolution sees.
        rank: Of the time step's projection.
        path: Where it stands in the layer.
        bias: Whether what goes in and comes out has a bias.
        conv_bias: Whether the convolution has.
        norms: Whether time step, B and C are normed (Jamba).
    """
    names = (("dt_layernorm", rank), ("b_layernorm", state), ("c_layernorm", state))
    extra = (Weight(f"{path}.{n}", "norm", 1, w, "vector") for n, w in names) if norms else ()
    weights = (
        short_convolution(f"{path}.conv1d", inner, kernel, conv_bias),
        linear(f"{path}.in_proj", "recurrent", hidden, 2 * inner, bias),
        linear(f"{path}.x_proj", "recurrent", inner, rank + 2 * state),
        linear(f"{path}.dt_proj", "recurrent", rank, inner, bias=True),
        vector(f"{path}.A_log", inner * state),
        vector(f"{path}.D", inner),
        *extra,
        linear(f"{path}.out_proj", "recurrent", inner, hidden, bias),
    )
    numbers = inner * state
    return weights, State(numbers, inner * kernel, _DECAY_WRITE_READ * numbers, _FLOAT32_BYTES)


def delta_rule_state(heads: int, key: int, value: int, channels: int, kernel: int) -> State:
    """Return what a delta rule carries: a matrix a head, and the convolution's last inputs."""
    numbers = heads * key * value
    return State(numbers, channels * kernel, _DELTA_RULE * numbers, _FLOAT32_BYTES)


def gated_delta_net(fields: Fields, hidden: int, *, fused: bool) -> Mixer:
    """Return Qwen's gated delta net (Yang et al. 2024, arXiv:2412.06464).

    Args:
        fields: The configuration, for heads, widths and kernel.
        hidden: Width of the residual stream.
        fused: Whether two projections give all that goes in (Qwen 3 Next), or four (Qwen 3.5).
    """
    keys, values = fields.count("linear_num_key_heads"), fields.count("linear_num_value_heads")
    fields.divides("linear_num_key_heads", keys, "linear_num_value_heads", values)
    key, value = fields.count("linear_key_head_dim"), fields.count("linear_value_head_dim")
    kernel, out = fields.count("linear_conv_kernel_dim"), values * value
    channels = 2 * keys * key + out
    widths = (
        {"in_proj_qkvz": channels + out, "in_proj_ba": 2 * values}
        if fused
        else {
            "in_proj_qkv": channels,
            "in_proj_z": out,
            "in_proj_b": values,
            "in_proj_a": values,
        }
    )
    path = "linear_attn"
    weights = (
        short_convolution(f"{path}.conv1d", channels, kernel),
        *(linear(f"{path}.{name}", "recurrent", hidden, w) for name, w in widths.items()),
        *(vector(f"{path}.{name}", values) for name in ("dt_bias", "A_log")),
        Weight(f"{path}.norm", "norm", 1, value, "vector"),
        linear(f"{path}.out_proj", "recurrent", out, hidden),
    )
    return weights, delta_rule_state(values, key, value, channels, kernel)
