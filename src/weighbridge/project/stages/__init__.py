"""The stages of a project, one file each; see `weighbridge.project.stage`."""
