"""Facts with sources, as data: each is one file or one row."""
