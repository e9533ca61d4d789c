"""Findings as a campaign of their own: what was found once is tried again in every later round."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from weighbridge.errors import InputError
from weighbridge.redteam.campaign import SHIPPED, AttackWanted, BehavioursWanted, Campaign
from weighbridge.redteam.trial import read_material


def regression_campaign(
    campaign: Campaign, findings: Iterable[tuple[str, str]], name: str, folder: Path
) -> str:
    """Return a campaign's file that tries only these findings, as the first campaign tried them.

    Behaviours are named by digest: their texts stay in the files of the first campaign.

    Args:
        campaign: In which they were found.
        findings: Attack and behaviour of each.
        name: Of the new campaign.
        folder: Where the file will be, so that its paths are relative to it.

    Raises:
        InputError: A finding's behaviour is in none of the campaign's files, or nothing was found.
    """
    every = list(findings)
    if not every:
        raise InputError("no finding", "at least one that was reproduced")
    left = {behaviour for _, behaviour in every}
    tables: list[str] = []
    for wanted in campaign.behaviours:
        part = Campaign("part", (wanted,), (AttackWanted("direct"),), folder=campaign.folder)
        ids = sorted({one.id for one in read_material(part).behaviours} & left)
        left -= set(ids)
        if ids:
            tables.append(_table(campaign, wanted, ids, folder))
    if left:
        raise InputError(
            f"the behaviour {min(left)} is in no file of the campaign {campaign.name}",
            "the campaign in which it was found",
        )
    tried = {attack for attack, _ in every}
    attacks = [one for one in campaign.attack if one.name in tried]
    missing = tried - {one.name for one in attacks}
    if missing:
        raise InputError(
            f"the attack {min(missing)} is not in the campaign {campaign.name}",
            "the campaign in which it was found",
        )
    tables += [_attack(campaign, one, folder) for one in attacks]
    settings = {
        "name": name,
        "scope": "Is what was found and reproduced still there?",
        "attempts": campaign.attempts,
        "system": list(campaign.system),
        "judge": campaign.judge,
        "max_tokens": campaign.max_tokens,
        "temperature": campaign.drawn_at,
    }
    return "\n".join([*(f"{key} = {_toml(value)}" for key, value in settings.items()), *tables])


def _table(campaign: Campaign, wanted: BehavioursWanted, ids: list[str], folder: Path) -> str:
    rows = ["", "[[behaviours]]", f"data = {_toml(_path(campaign, wanted.data, folder))}"]
    if wanted.kind is not None:
        rows.append(f"kind = {_toml(wanted.kind)}")
    return "\n".join([*rows, f"ids = {_toml(ids)}", ""])


def _attack(campaign: Campaign, one: AttackWanted, folder: Path) -> str:
    rows = ["", "[[attack]]", f"name = {_toml(one.name)}"]
    if one.templates:
        rows.append(f"templates = {_toml(_path(campaign, one.templates, folder))}")
    return "\n".join([*rows, ""])


def _path(campaign: Campaign, name: str, folder: Path) -> str:
    if name == SHIPPED:
        return name
    return os.path.relpath(campaign.path_of(name).resolve(), folder.resolve())


def _toml(value: object) -> str:
    """Return a value as TOML writes it; JSON's strings, numbers and lists are TOML's, too."""
    return json.dumps(value, ensure_ascii=False)
