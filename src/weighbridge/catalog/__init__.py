"""Facts with sources: data files that say what publishers say, nothing computed."""
