"""The commands of `release` that take reports in and carry notice out."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar, cast

import typer

from weighbridge.cli import options
from weighbridge.cli.option_groups import SectionedCommand
from weighbridge.cli.output import emit, say
from weighbridge.errors import InputError, UnknownName

if TYPE_CHECKING:
    from weighbridge.disclosure.lineage_graph import LineageGraph

_DESK = "The desk"
_Level = TypeVar("_Level", bound=str)
_INSUFFICIENT = 3
DeskFolder = Annotated[
    Path,
    typer.Option("--desk", metavar="FOLDER", help="Where reports are kept.", rich_help_panel=_DESK),
]
DEFAULT_DESK = Path(".weighbridge/disclosure")
_ACTIONS = ("init", "publish", "verify", "trust", "update", "show")


def add_to(app: typer.Typer) -> None:
    """Add the commands to the group `release`."""
    for name, command in (
        ("report", report), ("triage", triage), ("advise", advise), ("revoke", revoke),
        ("feed", feed),
    ):  # fmt: skip
        app.command(name, cls=SectionedCommand)(command)


def report(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="The report, .toml or .json.")
    ] = None,
    form: Annotated[
        bool, typer.Option("--form", help="Print an empty report to fill in, and stop.")
    ] = False,
    desk: DeskFolder = DEFAULT_DESK,
    json: options.Json = False,
) -> None:
    """Take in a report of a flaw in released weights.

    What is written in it is kept for you alone and never printed.
    """
    from weighbridge.cli.disclosure_output import case_document, case_text
    from weighbridge.disclosure.case import find_case, receive
    from weighbridge.disclosure.desk import Desk
    from weighbridge.disclosure.report import FORM, read_report
    from weighbridge.documents.disclosure import ReceivedDocument

    if form:
        say(FORM, end=False)
        return
    if file is None:
        raise InputError("no report", "a file", "`release report --form` prints one to fill in")
    now, place = datetime.now(UTC), Desk(desk)
    event, new = receive(place, read_report(file), now)
    case = find_case(place, event.report, now)
    text = case_text(case, now) + ("" if new else "\n(it was here already)")
    emit(ReceivedDocument(new=new, case=case_document(case, now)), text, json)


def triage(
    name: Annotated[
        str, typer.Argument(metavar="REPORT", help="Such as R-0001; all of them without one.")
    ] = "",
    acknowledge: Annotated[
        bool, typer.Option("--acknowledge", help="Note that the reporter was told.")
    ] = False,
    impact: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="negligible, low, medium, high, critical: what a success does.",
            rich_help_panel="Severity",
        ),
    ] = "",
    access: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="anyone, settings, tooling, tuning, insider: what it takes.",
            rich_help_panel="Severity",
        ),
    ] = "",
    transfer: Annotated[
        str,
        typer.Option(
            metavar="LEVEL",
            help="here, unknown, family, everywhere: where else it shows.",
            rich_help_panel="Severity",
        ),
    ] = "unknown",
    regression: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Add its request to a file of behaviours (.jsonl).",
            rich_help_panel="The fix",
        ),
    ] = None,
    mended_by: Annotated[
        str,
        typer.Option(
            metavar="RUN",
            help="Red-team run on new weights that tried its request.",
            rich_help_panel="The fix",
        ),
    ] = "",
    decision: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="What `release gate --json` said of these weights.",
            rich_help_panel="The fix",
        ),
    ] = None,
    desk: DeskFolder = DEFAULT_DESK,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """Judge a report, and see what is due.

    A reporter is answered in 3 days and a report judged in 10; nothing is published for 90.
    """
    from weighbridge.cli.disclosure_output import case_document, case_text
    from weighbridge.disclosure import case as at_desk
    from weighbridge.disclosure.desk import Desk
    from weighbridge.disclosure.regression import add_behaviour, record_fix
    from weighbridge.disclosure.severity import ACCESS, IMPACT, TRANSFER
    from weighbridge.documents import ABSENT
    from weighbridge.documents.disclosure import TriageDocument

    now, place = datetime.now(UTC), Desk(desk)
    if not name and (acknowledge or impact or access or regression or mended_by):
        raise InputError("no report named", "one, such as R-0001", "`release triage` lists them")
    if name:
        case = at_desk.find_case(place, name, now)
        if acknowledge:
            at_desk.acknowledge(place, case, now)
        if impact and access:
            judged = (
                _one_of("impact", impact, IMPACT), _one_of("access", access, ACCESS),
                _one_of("transfer", transfer, TRANSFER),
            )  # fmt: skip
            at_desk.triage(place, case, *judged, now)
        elif impact or access:
            raise InputError("half a judgement", "both --impact and --access")
        if regression is not None:
            add_behaviour(place, case, regression)
        if mended_by:
            from weighbridge.evidence import RunStore
            from weighbridge.evidence.payloads.attacks import PAYLOAD

            record_fix(place, case, RunStore(runs).read_as(PAYLOAD, mended_by), now, decision)
    found = at_desk.cases(place, now)
    shown = [one for one in found if not name or one.report == name]
    overdue = sum(c.state == "overdue" for one in shown for c in one.clocks(now))
    document = TriageDocument(
        overdue=overdue, reports=tuple(case_document(one, now) for one in shown),
        regression=str(regression) if regression is not None else ABSENT,
    )  # fmt: skip
    text = "\n\n".join(case_text(one, now) for one in shown)
    emit(document, text or f"no reports at the desk {desk}", json)


def advise(
    name: Annotated[str, typer.Argument(metavar="REPORT", help="Such as R-0001.")],
    to: Annotated[Path, typer.Option(metavar="FOLDER", help="Where it is written.")],
    model: Annotated[
        str, typer.Option(metavar="TEXT", help="What the weights are called.",
                          rich_help_panel="What it says"),
    ] = "",
    developer: Annotated[
        str, typer.Option(metavar="TEXT", help="Who made them.", rich_help_panel="What it says")
    ] = "",
    summary: Annotated[
        str, typer.Option(metavar="TEXT", help="What is wrong, for everybody to read.",
                          rich_help_panel="What it says"),
    ] = "",
    mitigation: Annotated[
        str, typer.Option(metavar="TEXT", help="What holders should do.",
                          rich_help_panel="What it says"),
    ] = "",
    credit: Annotated[
        str, typer.Option(metavar="TEXT", help="Who is thanked.", rich_help_panel="What it says")
    ] = "",
    url: Annotated[
        str, typer.Option(metavar="URL", help="Where it is published.",
                          rich_help_panel="What it says"),
    ] = "",
    artefact: Annotated[
        list[Path] | None,
        typer.Option(metavar="PATH", help="Folder or GGUF file with a record of origin; repeat.",
                     rich_help_panel="Whom it concerns"),
    ] = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    early: Annotated[
        str, typer.Option(metavar="REASON", help="Why it is published within the embargo.")
    ] = "",
    desk: DeskFolder = DEFAULT_DESK,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Write a judged report's advisory: AVID's JSON, and a page.

    It holds the words given here, counts and digests; nothing that the reporter wrote.
    """
    from weighbridge.cli.disclosure_output import advised_document, advised_text
    from weighbridge.disclosure import publishing
    from weighbridge.disclosure.advisory import Wording
    from weighbridge.disclosure.case import find_case
    from weighbridge.disclosure.desk import Desk

    now, place = datetime.now(UTC), Desk(desk)
    words = Wording(model, developer, summary, mitigation, credit, url)
    written = publishing.advise(
        place, find_case(place, name, now), words, _graph(artefact or [], runs), to, now, early
    )
    emit(advised_document(written), advised_text(written), json)


def revoke(
    digests: Annotated[
        list[str], typer.Argument(metavar="DIGEST", help="Of weights, an adapter or a file.")
    ],
    advisory: Annotated[str, typer.Option(metavar="ID", help="Advisory that says why.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="In a sentence.")] = "",
    instead: Annotated[
        str, typer.Option(metavar="DIGEST", help="What to use; default: the mended weights.")
    ] = "",
    desk: DeskFolder = DEFAULT_DESK,
    json: options.Json = False,
) -> None:
    """Revoke weights, on the ground of an advisory.

    Their holders are told once `release feed publish` has published it.
    """
    from weighbridge.cli.disclosure_output import revocation_document, revocation_lines
    from weighbridge.disclosure import publishing
    from weighbridge.disclosure.advisory import revocations
    from weighbridge.disclosure.desk import Desk
    from weighbridge.documents.disclosure import RevokedDocument

    place = Desk(desk)
    publishing.revoke(place, digests, advisory, reason, datetime.now(UTC), instead)
    found = revocations(place)
    text = [f"{len(found)} revoked, to be published:", *revocation_lines(found)]
    emit(RevokedDocument(revocations=tuple(map(revocation_document, found))), "\n".join(text), json)


def feed(
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="init, publish, verify; trust, update, show.")
    ],
    where: Annotated[
        str, typer.Argument(metavar="FEED", help="The feed's folder; to trust, an https address.")
    ] = "",
    keys: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Keys of the feed (init, publish).",
                     rich_help_panel="Publishing"),
    ] = None,
    valid_days: Annotated[
        int, typer.Option(min=1, max=90, metavar="N", help="How long it is good for.",
                          rich_help_panel="Publishing"),
    ] = 7,
    desk: DeskFolder = DEFAULT_DESK,
    root_digest: Annotated[
        str, typer.Option(metavar="DIGEST", help="Of its root, as the publisher tells (trust).",
                          rich_help_panel="Trusting"),
    ] = "",
    cache: options.Cache = None,
    offline: options.Offline = False,
    json: options.Json = False,
) -> None:  # fmt: skip
    """Publish the signed feed of revoked weights, or trust one.

    Where a feed is trusted, every command that opens local weights (but `lm-eval`) asks it first,
    without the network, and refuses what it revokes. Exit code 3: it has expired.
    """
    from weighbridge.cli.disclosure_output import feed_document, feed_text
    from weighbridge.cli.feed_actions import Asked, act

    if action not in _ACTIONS:
        raise UnknownName("action", action, _ACTIONS)
    around = options.surroundings(cache=cache, offline=offline)
    asked = Asked(
        where, keys, valid_days, desk, root_digest, around.cache, around.offline, datetime.now(UTC)
    )
    done = act(action, asked)
    document = feed_document(done.where, done.feed, done.notes, done.root_digest, done.added)
    emit(document, feed_text(done.where, done.feed, done.notes, done.root_digest), json)
    if done.notes:
        raise typer.Exit(_INSUFFICIENT)


def _one_of(kind: str, name: str, known: Mapping[_Level, float]) -> _Level:
    if name not in known:
        raise UnknownName(kind, name, cast("Mapping[str, float]", known))
    return cast(_Level, name)


def _graph(artefacts: list[Path], runs: Path) -> "LineageGraph":
    """Gather the lineage that is known: of the artefacts, and of every run's model."""
    from weighbridge.disclosure.lineage_graph import LineageGraph
    from weighbridge.evidence import RunStore

    graph = LineageGraph()
    for path in artefacts:
        if not path.exists():
            raise InputError(f"no file or folder {path}", "a model's folder, or a GGUF file")
        graph.add_artefact(path)
    store = RunStore(runs)
    for run in store.summaries():
        if not run.altered and run.done == run.planned:
            graph.add_model(store.sealed(run.run_id).content.model)
    return graph
