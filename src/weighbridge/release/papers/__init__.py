"""The papers of a bundle, one a file; see `weighbridge.release.paper`."""
