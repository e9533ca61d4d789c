"""The campaign of attacks that a project names, read before anything is loaded or spent."""

from weighbridge.errors import InputError
from weighbridge.project.project_file import Project
from weighbridge.redteam.campaign import find_campaign
from weighbridge.redteam.runner import Prepared, prepare


def plan_campaign(project: Project) -> Prepared | None:
    """Return the campaign of `[redteam]`; None where the project has no such table.

    Raises:
        InputError: The campaign can't be run, or nothing is tuned; UnknownName for its name.
    """
    if project.redteam is None:
        return None
    if project.tune is None:
        raise InputError(
            f"{project.path}: [redteam] without [tune]",
            "a project that tunes: the difference that tuning makes is what is measured",
            "attack a model by itself with: weighbridge redteam MODEL",
        )
    name = project.redteam.campaign
    beside = str(project.folder / name) if name.endswith(".toml") else name
    return prepare(find_campaign(beside))
