"""Ways of changing a model's weights: one file each, which defines `METHOD`."""
