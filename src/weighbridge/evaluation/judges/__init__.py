"""Ways of judging answers with a model: one file each, which defines `JUDGE`."""
