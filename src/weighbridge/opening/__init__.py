"""From what a person names to what can be used: a model, a benchmark, a judge, an endpoint."""
