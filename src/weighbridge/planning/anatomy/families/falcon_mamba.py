"""Falcon Mamba: Mamba whose time step, B and C are normalised, without learnt scales."""

from weighbridge.planning.anatomy.fields import Fields
from weighbridge.planning.anatomy.parts import Architecture, Layer
from weighbridge.planning.anatomy.recurrent import read_mamba
from weighbridge.planning.anatomy.registry import Family
from weighbridge.planning.anatomy.skeleton import Heads, assemble, norm, outer_weights

_NEEDS = ("hidden_size", "num_hidden_layers", "vocab_size", "state_size")


def read(fields: Fields) -> Architecture:
    """Read layers of one mixer after one norm (arXiv:2410.05355)."""
    hidden = fields.count("hidden_size")
    weights, state = read_mamba(fields, hidden, "")
    layers = [Layer((norm("norm", hidden), *weights), state=state)] * fields.layers()
    outer = outer_weights(fields, hidden, tied=True, last_norm=(norm("norm_f", hidden),))
    return assemble(fields, Heads(hidden, 0, 0, 0), outer, layers)


FAMILY = Family("falcon_mamba", _NEEDS, read)
