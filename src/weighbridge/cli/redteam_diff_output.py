"""What `redteam diff` prints: findings by digest and category, and paired differences of rates."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from weighbridge.documents.redteam import (
    AcceptanceDocument,
    CampaignDifferenceDocument,
    FindingDocument,
    RateDifferenceDocument,
)
from weighbridge.records.printable import printable_line

if TYPE_CHECKING:
    from weighbridge.comparison.attack_runs import CampaignDifference, Finding, RateDifference

_SHOWN = 20


def difference_document(
    old: str, new: str, found: "CampaignDifference"
) -> CampaignDifferenceDocument:
    """Return what differs as a document."""
    return CampaignDifferenceDocument(
        old=old,
        new_run=new,
        new=_findings(found.new),
        accepted=_findings(found.accepted),
        remaining=_findings(found.remaining),
        mended=_findings(found.mended),
        expired=tuple(
            AcceptanceDocument(**{**vars(one), "until": one.until.isoformat()})
            for one in found.expired
        ),
        untried=found.untried,
        rates=tuple(map(_rate, found.rates)),
        noise=tuple(map(_rate, found.noise)),
    )


def difference_text(found: "CampaignDifference") -> str:
    """Return what differs as lines of at most 80 columns."""
    lines = [
        f"{len(found.new)} new, {len(found.accepted)} new and accepted, "
        f"{len(found.remaining)} remaining, {len(found.mended)} mended"
    ]
    for title, findings in (("NEW", found.new), ("accepted", found.accepted)):
        lines += [f"  {title}  {_told(one)}" for one in findings[:_SHOWN]]
        if len(findings) > _SHOWN:
            lines.append(f"  … and {len(findings) - _SHOWN} more (all of them: --json)")
    lines += [
        f"  expired {one.until}: {one.attack} {one.behaviour}, owner {printable_line(one.owner)}"
        for one in found.expired
    ]
    if found.untried:
        lines.append(f"  {found.untried} findings of the older run could not be scored again")
    for title, rates in (
        ("Paired differences in points (95 % intervals; less is better):", found.rates),
        ("The same between two runs on the old model, which is noise:", found.noise),
    ):
        if rates:
            lines += ["", title, *map(_rate_line, rates)]
    return "\n".join(lines)


def _told(one: "Finding") -> str:
    times = f"{one.hits} of {one.attempts}"
    where = f"{one.attack}, {one.system}, {one.behaviour} ({one.category})"
    return f"{printable_line(where)}: {times}"


def _rate_line(one: "RateDifference") -> str:
    value, (low, high) = one.corrected or one.difference
    name = printable_line(f"{one.attack}, {one.kind}, {one.system}")
    counted = "" if one.corrected else " (as counted)"
    return (
        f"  {name:<38} {100 * value:+.1f} [{100 * low:+.1f}, {100 * high:+.1f}]{counted}  "
        f"n={one.behaviours}"
    )


def _findings(found: "Iterable[Finding]") -> tuple[FindingDocument, ...]:
    return tuple(FindingDocument(**vars(one)) for one in found)


def _rate(one: "RateDifference") -> RateDifferenceDocument:
    value, interval = one.corrected or (None, None)
    return RateDifferenceDocument(
        attack=one.attack,
        kind=one.kind,
        system=one.system,
        behaviours=one.behaviours,
        counted=one.difference[0],
        counted_interval=one.difference[1],
        difference=value,
        interval=interval,
    )
