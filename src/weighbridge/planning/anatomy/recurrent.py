"""Layers that remember in a state of constant size: recurrences, and short convolutions."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Kind, State, Weight
from weighbridge.planning.anatomy.skeleton import linear

LINEAR, CONVOLUTION, HYBRID = "linear_attention", "conv", "hybrid"

_FLOAT32_BYTES = 4  # transformers computes and keeps recurrent states in float32
_DECAY_WRITE_READ, _DELTA_RULE = 5, 7  # operations per element of the state: `recurrent_flops`

Mixer = tuple[tuple[Weight, ...], State]


def short_convolution(name: str, channels: int, kernel: int, bias: bool = False) -> Weight:
    """Return the weight of a convolution along the sequence, with one kernel per channel."""
    return Weight(name, "recurrent", kernel, channels, "matrix", bias)


def vector(name: str, width: int) -> Weight:
    """Return a weight that scales or shifts, with one number per channel or head."""
    return Weight(name, "recurrent", 1, width, "vector")


def output(path: str, inner: int, hidden: int, bias: bool, adapted: bool) -> Weight:
    """Return the projection back to the residual stream.

    Args:
        path: The mixer's path in the layer.
        inner: Width of the projection's input.
        hidden: Width of the residual stream.
        bias: Whether the projection has a bias.
        adapted: Whether peft adapts the projection. It refuses to in Mamba, Mamba 2, Falcon Mamba,
            Falcon H1 and Nemotron H, whose fused kernels take the weight without its layer.
    """
    kind: Kind = "linear" if adapted else "matrix"
    return Weight(f"{path}.out_proj", "recurrent", inner, hidden, kind, bias)


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
    adapted: bool = True,
) -> Mixer:
    """Return Mamba-2 (Dao and Gu 2024, arXiv:2405.21060): a decay per head, B and C per group.

    Args:
        hidden: Width of the residual stream.
        heads: Number of heads of the state space.
        width: Number of channels of one head.
        groups: Number of groups of heads that share B and C.
        state: Size of a channel's state.
        kernel: Number of tokens that the convolution sees.
        path: The mixer's path in the layer.
        bias: Whether the input projection has a bias.
        conv_bias: Whether the convolution has a bias.
        out_bias: Whether the output projection has a bias.
        norm: Whether there is a norm before the output projection.
        adapted: See `output`.
    """
    inner = heads * width
    channels = inner + 2 * groups * state
    weights = (
        short_convolution(f"{path}.conv1d", channels, kernel, conv_bias),
        linear(f"{path}.in_proj", "recurrent", hidden, inner + channels + heads, bias),
        *(vector(f"{path}.{name}", heads) for name in ("dt_bias", "A_log", "D")),
        *((Weight(f"{path}.norm", "norm", 1, inner, "vector"),) if norm else ()),
        output(path, inner, hidden, out_bias, adapted),
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
    adapted: bool = True,
) -> Mixer:
    """Return Mamba (Gu and Dao 2023, arXiv:2312.00752): each channel has its own decay.

    Args:
        hidden: Width of the residual stream.
        inner: Number of channels.
        state: Size of a channel's state.
        kernel: Number of tokens that the convolution sees.
        rank: Rank of the time step's projection.
        path: The mixer's path in the layer.
        bias: Whether the input and output projections have biases.
        conv_bias: Whether the convolution has a bias.
        norms: Whether there are norms on time step, B and C (Jamba).
        adapted: See `output`.
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
        output(path, inner, hidden, bias, adapted),
    )
    numbers = inner * state
    return weights, State(numbers, inner * kernel, _DECAY_WRITE_READ * numbers, _FLOAT32_BYTES)


def read_mamba2(
    fields: Fields,
    hidden: int,
    *,
    out_bias: bool | None = None,
    norm: bool = True,
    adapted: bool = True,
) -> Mixer:
    """Read Mamba-2 from fields whose names start with `mamba_` (Bamba, Granite 4, Falcon H1).

    Args:
        fields: The configuration.
        hidden: Width of the residual stream.
        out_bias: Whether the output projection has a bias; None takes the input projection's.
        norm: Whether there is a norm before the output projection.
        adapted: See `output`.

    Raises:
        InputError: Heads and their width don't make up the state space's channels.
    """
    fields.require("mamba_n_heads", "mamba_d_state")
    fields.assume(mamba_n_groups=1, mamba_d_conv=4, mamba_expand=2)
    inner = fields.optional_count("mamba_d_ssm") or fields.count("mamba_expand") * hidden
    heads = fields.count("mamba_n_heads")
    width = fields.divides("mamba_n_heads", heads, "mamba channels", inner)
    if fields.values.get("mamba_d_head") not in (None, "auto"):
        fields.require_default(
            "mamba_d_head", width, f"as {heads:,} heads share {inner:,} channels"
        )
    bias = fields.flag("mamba_proj_bias", False)
    return mamba2(
        hidden,
        heads=heads,
        width=width,
        groups=fields.count("mamba_n_groups"),
        state=fields.count("mamba_d_state"),
        kernel=fields.count("mamba_d_conv"),
        bias=bias,
        conv_bias=fields.flag("mamba_conv_bias", True),
        out_bias=bias if out_bias is None else out_bias,
        norm=norm,
        adapted=adapted,
    )


def read_mamba(
    fields: Fields,
    hidden: int,
    prefix: str,
    *,
    path: str = "mixer",
    norms: bool = False,
    adapted: bool = False,
) -> Mixer:
    """Read Mamba from Jamba's fields, whose names start with `mamba_`, or from Mamba's own.

    Args:
        fields: The configuration.
        hidden: Width of the residual stream.
        prefix: "mamba_" for Jamba's fields, "" for Mamba's own.
        path: The mixer's path in the layer.
        norms: Whether there are norms on time step, B and C.
        adapted: See `output`.
    """
    state, kernel, rank, bias, conv_bias = (
        ("mamba_d_state", "mamba_d_conv", "mamba_dt_rank", "mamba_proj_bias", "mamba_conv_bias")
        if prefix
        else ("state_size", "conv_kernel", "time_step_rank", "use_bias", "use_conv_bias")
    )
    fields.assume(**{state: 16, kernel: 4, rank: "auto", f"{prefix}expand": 2})
    low = -(-hidden // 16) if fields.values[rank] == "auto" else fields.count(rank)
    return mamba(
        hidden,
        inner=fields.count(f"{prefix}expand") * hidden,
        state=fields.count(state),
        kernel=fields.count(kernel),
        rank=low,
        path=path,
        bias=fields.flag(bias, False),
        conv_bias=fields.flag(conv_bias, True),
        norms=norms,
        adapted=adapted,
    )


def linear_attention_state(heads: int, width: int) -> State:
    """Return the state of linear attention with a decay: one matrix per head."""
    numbers = heads * width * width
    return State(numbers, 0, _DECAY_WRITE_READ * numbers)


def delta_rule_state(heads: int, key: int, value: int, channels: int, kernel: int) -> State:
    """Return a delta rule's state: a matrix per head, and the convolution's last inputs."""
    numbers = heads * key * value
    return State(numbers, channels * kernel, _DELTA_RULE * numbers, _FLOAT32_BYTES)


def gated_delta_net(fields: Fields, hidden: int, *, fused: bool) -> Mixer:
    """Return Qwen's gated delta net (Yang et al. 2024, arXiv:2412.06464).

    Args:
        fields: The configuration, for heads, widths and kernel.
        hidden: Width of the residual stream.
        fused: Whether there are two input projections (Qwen 3 Next) instead of four (Qwen 3.5).
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
