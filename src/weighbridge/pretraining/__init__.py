"""Ladders of small models, trained on a user's corpus and hardware for a law of their own.

`planning.scaling.ladder` says which models; here they are trained: `corpus` reads bytes, `decoder`
is the model, `training` trains one rung, `workers` several at once; `folder` keeps what is done,
`findings` is what it comes to, and `sweep` the recipe.
"""
