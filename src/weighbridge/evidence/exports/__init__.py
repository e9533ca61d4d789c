"""Formats that runs can be written in, one a file; see `weighbridge.evidence.exporting`."""
