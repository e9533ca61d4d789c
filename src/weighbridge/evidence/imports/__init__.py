"""Harnesses whose files can be read, one a file; see `weighbridge.evidence.importing`."""
