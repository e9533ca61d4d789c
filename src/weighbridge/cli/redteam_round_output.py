"""What `redteam round` prints: findings that count, by digest and category."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from weighbridge.cli.output import wrapped
from weighbridge.documents.redteam_round import (
    LeftOutSubmission,
    RoundDocument,
    RoundFindingDocument,
)
from weighbridge.records.printable import printable_line

if TYPE_CHECKING:
    from weighbridge.comparison.community_round import RoundFinding, RoundResult, RoundScope

_SHOWN = 20


def round_document(
    scope: "RoundScope", found: "RoundResult", regression: Path | None
) -> RoundDocument:
    """Return what came of a round as a document."""
    return RoundDocument(
        round=scope.name,
        scope=scope.scope,
        needed=scope.needed,
        counting=_findings(found.counting),
        waiting=_findings(found.waiting),
        outside=found.outside,
        left_out=tuple(LeftOutSubmission(run=run, why=why) for run, why in found.left_out),
        regression=str(regression) if regression else None,
    )


def _findings(found: "Sequence[RoundFinding]") -> tuple[RoundFindingDocument, ...]:
    return tuple(RoundFindingDocument(**vars(one)) for one in found)


def round_text(document: RoundDocument) -> str:
    """Return what came of a round as lines of at most 80 columns."""
    lines = [printable_line(document.round), *wrapped(printable_line(document.scope), "  ")]
    counts = f"{len(document.counting)} count, {len(document.waiting)} wait to be reproduced"
    lines += ["", f"{counts}, {document.outside} outside the scope"]
    for title, findings in (("COUNTS", document.counting), ("waits", document.waiting)):
        lines += [line for one in findings[:_SHOWN] for line in _lines(title, one)]
        if len(findings) > _SHOWN:
            lines.append(f"  … and {len(findings) - _SHOWN} more (all of them: --json)")
    for one in document.left_out:
        lines += wrapped(f"left out: {printable_line(one.run)}: {printable_line(one.why)}", "  ")
    if document.regression:
        lines += ["", *wrapped(f"written: {document.regression}")]
    return "\n".join(lines)


def _lines(title: str, one: RoundFindingDocument) -> list[str]:
    again = f"{one.hits} of {one.attempts}" if one.attempts else "not tried"
    place = printable_line(f"{one.attack}, {one.behaviour} ({one.category})")
    by = f"{len(one.submissions)} submission{'s' * (len(one.submissions) != 1)}"
    return wrapped(f"{title}  {place}: {again} again; {by}", "  ")
