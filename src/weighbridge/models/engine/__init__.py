"""The engine: every distinct token is computed once, and only scored positions are projected.

- `scoring` and `generation` are the engine's two uses.
- `network` wraps a transformers model for both.
- `tree` arranges token sequences as a prefix tree and cuts it into packs; `layout` describes how
  the rows of a pack attend to each other; `attention` computes that, whether ancestors are in the
  same pack or were computed before; `slots` holds the keys and values of sequences being written.
- `head` maps hidden states to logits, `frozen` speeds up linear layers on a CPU, and `rotary` finds
  rotary embeddings that depend on a text's length.
- `check` holds the texts by which all of this is compared with the model's own forward pass, and
  `alone` is that forward pass, for models and texts that can't be packed.
"""
