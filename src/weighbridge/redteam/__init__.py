"""Red-teaming: attacks on a model, judged with known error, in campaigns that can be repeated."""
