"""One file per `model_type`, which defines `FAMILY`: how to read such a model's configuration."""
