"""One file a `model_type`: it defines `FAMILY`, which says how these models differ."""
