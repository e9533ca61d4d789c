"""The kinds of evidence, one file each; see `weighbridge.evidence.payload`."""
