"""Trains ladders of small models on a user's corpus and hardware, to fit a law of their own.

`planning.scaling.ladder` chooses the models. `sweep` is the recipe that trains them: `corpus` reads
the text, `decoder` is the model, `training` trains one rung and `workers` several at once, `folder`
keeps finished rungs, and `findings` computes the results. `probe` forecasts the time of all this.
"""
