"""Layers whose weights an architecture's own code reads past the layer itself."""

READ_PAST = {
    "falcon_h1": ("out_proj", "conv1d"),
    "falcon_mamba": ("out_proj", "conv1d", "dt_proj"),
    "jamba": ("dt_proj",),
    "mamba": ("out_proj", "conv1d", "dt_proj"),
    "mamba2": ("out_proj", "conv1d"),
    "nemotron_h": ("out_proj", "conv1d"),
}
"""Their names, by `model_type`. An adapter there would change nothing (peft refuses some of them),
and other weights than plain ones would be read wrongly."""
