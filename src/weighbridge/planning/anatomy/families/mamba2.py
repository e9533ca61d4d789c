"""Mamba 2 and Codestral Mamba: a state space in every layer, and nothing else."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.recurrent import mamba2
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import Heads, assemble, norm, outer_weights

_NEEDS = (
    "hidden_size",
    "num_hidden_layers",
    "vocab_size",
    "state_size",
    "num_heads",
    "head_dim",
    "n_groups",
)


def read(fields: Fields) -> Architecture:
    """Read layers of one mixer after one norm (Dao and Gu 2024, arXiv:2405.21060)."""
    fields.assume(conv_kernel=4)
    hidden, bias = fields.count("hidden_size"), fields.flag("use_bias", False)
    weights, state = mamba2(
        hidden,
        heads=fields.count("num_heads"),
        width=fields.count("head_dim"),
        groups=fields.count("n_groups"),
        state=fields.count("state_size"),
        kernel=fields.count("conv_kernel"),
        path="mixer",
        bias=bias,
        conv_bias=fields.flag("use_conv_bias", True),
        out_bias=bias,
        adapted=False,
    )
    layers = [Layer((norm("norm", hidden), *weights), state=state)] * fields.layers()
    outer = outer_weights(fields, hidden, last_norm=(norm("norm_f", hidden),))
    return assemble(fields, Heads(hidden, 0, 0, 0), outer, layers)


FAMILY = Family("mamba2", _NEEDS, read)
