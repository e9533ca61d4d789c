"""The engine: every distinct token is computed once, and only what is asked for is projected.

`tree` arranges token sequences as a prefix tree and cuts it into packs; `attention` lets a packed
row of tree segments attend to its ancestors, whether they are in the same pack or already computed;
`scoring` and `generation` are the two things that models are used for.
"""
