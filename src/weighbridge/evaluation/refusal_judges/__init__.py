"""Judges of whether an answer refuses: one file each, which defines `JUDGE`."""
