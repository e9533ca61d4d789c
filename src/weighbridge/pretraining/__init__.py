"""Trains ladders of small models on a user's corpus and hardware, to fit a law of their own.

`planning.scaling.ladder` says which models; here they are trained: `corpus` reads bytes, `decoder`
is the model, `training` trains one rung, `workers` several at once; `folder` keeps what is done,
`findings` is what it comes to, and `sweep` the recipe.
"""
