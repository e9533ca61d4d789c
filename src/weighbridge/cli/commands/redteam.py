"""Attack a model as a campaign says, and count what came of it.

`weighbridge redteam MODEL --campaign NAME_OR_FILE`. Campaigns that come with Weighbridge: quick,
static. A run that was interrupted goes on, a finished one is shown. Texts of attacks and answers
are never printed, unless --reveal asks for them and you agree.
"""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from weighbridge.cli import options
from weighbridge.cli.default_command import WithDefault
from weighbridge.cli.option_groups import SectionedCommand, grouped
from weighbridge.cli.output import drawn_on, emit, progress
from weighbridge.cli.redteam_options import Attacking, PassedOn, Probing
from weighbridge.errors import InputError

if TYPE_CHECKING:
    from weighbridge.models.protocol import Model
    from weighbridge.records.attack import AttackRun
    from weighbridge.redteam.runner import Prepared

_NEW_FINDINGS, _CONFLICT, _INSUFFICIENT = 1, 1, 3
app = typer.Typer(
    add_completion=False, rich_markup_mode=None, no_args_is_help=True, help=__doc__, cls=WithDefault
)


@app.command("run", cls=SectionedCommand)
@grouped
def run(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=options.ANY_MODEL)],
    attacking: Attacking,
    compute: options.Compute,
    locations: options.Locations,
    max_usd: options.MaxUsd = None,
    memory: options.Memory = "",
    json: options.Json = False,
) -> None:
    """Attack a model; `redteam MODEL` is the same.

    Exit code 3: too much could not be scored for the rates to say anything, or a cap was reached.
    """
    from weighbridge.cli.redteam_output import campaign_text, confirm_reveal, intended, reveal
    from weighbridge.documents.redteam import campaign_document
    from weighbridge.evidence.payloads.attacks import PAYLOAD
    from weighbridge.redteam.campaign import find_campaign
    from weighbridge.redteam.judge_card import read_card
    from weighbridge.redteam.runner import prepare
    from weighbridge.redteam.sufficiency import insufficient

    campaign = find_campaign(attacking.campaign)
    if attacking.seed is not None:
        campaign = replace(campaign, seed=attacking.seed)
    card = read_card(attacking.judge_card) if attacking.judge_card is not None else None
    prepared = prepare(campaign, attacking.attacker, card)
    if attacking.dry_run:
        emit(*intended(prepared), json)
        return
    if attacking.reveal:
        confirm_reveal(json)
    around = locations.surroundings(compute)
    caps = [cap for cap in (max_usd, campaign.max_usd) if cap is not None]
    limit_bytes = options.parse_memory(memory)
    cap = min(caps, default=None)
    helpers = (attacking.attacker, attacking.judge)
    found = _attacked(model, prepared, helpers, around, cap, limit_bytes)
    too_little = insufficient(found.rates)
    emit(campaign_document(found, not too_little), campaign_text(found), json)
    if attacking.reveal:
        whole = around.store.read_as(PAYLOAD, found.run_id)
        reveal(around.store.folder_of(found.run_id), whole)
    if too_little:
        raise typer.Exit(_INSUFFICIENT)


def _attacked(
    model: str,
    prepared: "Prepared",
    helpers: tuple[str, str],
    around: options.Surroundings,
    max_usd: float | None,
    limit_bytes: int | None,
) -> "AttackRun":
    """Open the models and run the campaign; one that has several parts is opened once.

    Args:
        model: Who is attacked.
        prepared: The campaign.
        helpers: The model that attacks, and the one that judges; "" for none.
        around: Where it runs.
        max_usd: What endpoints may charge; None for no cap.
        limit_bytes: Of memory; None for all.
    """
    from weighbridge.evaluation.run_context import RunContext
    from weighbridge.opening.models import open_any
    from weighbridge.redteam.runner import run_campaign

    reach = options.endpoints(around.store.root, around.offline, max_usd)
    opening = (reach, around.cache, around.device, around.threads, limit_bytes)
    with ExitStack() as stack:
        target = stack.enter_context(open_any(model, *opening))
        opened: dict[str, Model | None] = {model: target, "": None}

        def also(spec: str, by: Literal["model", "judge"]) -> "Model | None":
            if spec not in opened:
                opened[spec] = stack.enter_context(open_any(spec, *opening, by=by))
            return opened[spec]

        attacker, judge = helpers
        helper, asked = also(attacker, "model"), also(judge, "judge")
        place = RunContext(
            around.store, around.threads, around.started, already_paid=reach.budget.already_paid
        )
        with progress(f"redteam {prepared.campaign.name}") as bar:
            return run_campaign(
                prepared, target, place, attacker=helper, judge_model=asked,
                on_progress=drawn_on(bar),
            )  # fmt: skip


@app.command("policy", cls=SectionedCommand)
@grouped
def policy(
    policy: Annotated[str, typer.Argument(help="gemma, llama, mistral, neutral, or a .json file.")],
    probing: Probing,
    passed_on: PassedOn,
    compute: options.Compute,
    locations: options.Locations,
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Who is probed; without, clauses are listed.")
    ] = "",
    max_usd: options.MaxUsd = None,
    memory: options.Memory = "",
    json: options.Json = False,
) -> None:
    """Probe a use policy, clause by clause.

    Clauses that nothing probes are named, and terms that contradict each other.

    Exit code 1: the terms contradict each other; 3: too much could not be scored for the rates to
    say anything.
    """
    from weighbridge.catalog.use_policies import clauses_in
    from weighbridge.cli.redteam_policy_output import policy_document, policy_text, terms_document
    from weighbridge.evidence.payloads.attacks import PAYLOAD
    from weighbridge.redteam.judge_card import read_card
    from weighbridge.redteam.policy_probes import clause_rate, find_policy, plan_probes
    from weighbridge.redteam.runner import prepare
    from weighbridge.sources.text_files import read_text

    read = find_policy(policy)
    clauses, name = read.chosen(probing.clause or ()), Path(policy).stem
    campaign, probes = plan_probes(
        read, clauses, name, probing.behaviours or (), probing.attack or (), probing.limit
    )
    judge = "rubric" if probing.judge else campaign.judge
    card = read_card(probing.judge_card) if probing.judge_card is not None else None
    prepared = prepare(replace(campaign, seed=probing.seed, judge=judge), card=card)
    trials, stand = len(prepared.trials()), None
    if probing.text is not None:
        stand = clauses_in(read_text(probing.text, "a use policy"), clauses)
    terms = terms_document(read, passed_on)
    if probing.dry_run or not model:
        document = policy_document(policy, read, probes, trials, stand=stand, terms=terms)
        emit(document, policy_text(document), json)
        if terms.conflicts:
            raise typer.Exit(_CONFLICT)
        return
    around = locations.surroundings(compute)
    limit_bytes = options.parse_memory(memory)
    done = _attacked(model, prepared, ("", probing.judge), around, max_usd, limit_bytes)
    whole = around.store.read_as(PAYLOAD, done.run_id)
    rates = [clause_rate(probe, whole.trials, whole.judge) for probe in probes]
    document = policy_document(
        policy, read, probes, trials, stand=stand, terms=terms, run=whole, rates=rates
    )
    emit(document, policy_text(document, whole), json)
    if terms.conflicts:
        raise typer.Exit(_CONFLICT)
    if not document.sufficient:
        raise typer.Exit(_INSUFFICIENT)


@app.command("diff", cls=SectionedCommand)
def diff(
    old: Annotated[str, typer.Argument(help="Run to compare with: its id, or the beginning.")],
    new: Annotated[str, typer.Argument(help="Run of the same campaign on another model.")],
    accepted: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Accepted findings, each with owner and day (.toml)."),
    ] = None,
    again: Annotated[
        str, typer.Option(metavar="RUN", help="A second run on OLD's model: how much is noise.")
    ] = "",
    as_of: Annotated[
        str, typer.Option(metavar="DAY", help="Day on which acceptances must hold; default: today.")
    ] = "",
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """Say what is new and what is mended between two campaigns.

    Exit code 1: something is new that nobody accepted.
    """
    from weighbridge.cli.redteam_diff_output import difference_document, difference_text
    from weighbridge.comparison.attack_runs import compare_campaigns, read_accepted
    from weighbridge.evidence import RunStore
    from weighbridge.evidence.payloads.attacks import PAYLOAD

    today = options.parse_day("--as-of", as_of, ahead=True)
    answered_for = read_accepted(accepted) if accepted is not None else ()
    store = RunStore(runs)
    before, after = (store.read_as(PAYLOAD, name) for name in (old, new))
    second = store.read_as(PAYLOAD, again) if again else None
    found = compare_campaigns(before, after, again=second, accepted=answered_for, today=today)
    emit(difference_document(before.run_id, after.run_id, found), difference_text(found), json)
    if found.new:
        raise typer.Exit(_NEW_FINDINGS)


@app.command("round", cls=SectionedCommand)
def round_(
    scope: Annotated[Path, typer.Argument(help="The round's scope (.toml).")],
    submissions: Annotated[
        list[str], typer.Argument(metavar="RUN…", help="Submitted runs: ids, or folders.")
    ],
    reproduced: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="A run of the round's own; may be repeated."),
    ] = None,
    regression: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what counts as a campaign (.toml), to keep."),
    ] = None,
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """Say what of a community's submissions counts.

    What the round's own runs reproduce does, each finding once.

    Exit code 1: something counts.
    """
    from weighbridge.cli.redteam_round_output import round_document, round_text
    from weighbridge.comparison.community_round import read_scope, settle, submissions_in
    from weighbridge.evidence import RunStore
    from weighbridge.evidence.payloads.attacks import PAYLOAD
    from weighbridge.redteam.campaign import read_campaign
    from weighbridge.redteam.regression import regression_campaign
    from weighbridge.storage import write_whole

    if regression is not None and regression.exists():
        raise InputError(f"{regression} exists", "a new file", "name another --regression")
    read, store = read_scope(scope), RunStore(runs)
    campaign = read_campaign(scope.parent / read.campaign)
    own = [store.read_as(PAYLOAD, name) for name in reproduced or ()]
    found = settle(read, submissions_in(store, submissions), own)
    written = None
    if regression is not None and found.counting:
        places = [(one.attack, one.behaviour) for one in found.counting]
        name = f"{read.name}-regressions"
        text = regression_campaign(campaign, places, name, regression.parent)
        write_whole(regression, text)
        written = regression
    document = round_document(read, found, written)
    emit(document, round_text(document), json)
    if found.counting:
        raise typer.Exit(_NEW_FINDINGS)


@app.command("card", cls=SectionedCommand)
@grouped
def card(
    model: Annotated[str, typer.Argument(metavar="MODEL", help=options.ANY_MODEL)],
    labels: Annotated[
        list[Path],
        typer.Option(metavar="FILE", help="Answers that people labelled; may be repeated."),
    ],
    to: Annotated[Path, typer.Option(metavar="FILE", help="Where the card is written (.json).")],
    compute: options.Compute,
    locations: options.Locations,
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="So many answers of each kind.")
    ] = None,
    language: Annotated[str, typer.Option(metavar="CODE", help="Of the answers.")] = "en",
    max_usd: options.MaxUsd = None,
    memory: options.Memory = "",
    json: options.Json = False,
) -> None:
    """Measure how well a model, as the judge "rubric", agrees with people."""
    from dataclasses import asdict

    from weighbridge.cli.redteam_output import card_document, card_text
    from weighbridge.opening.models import open_any
    from weighbridge.records import canonical_json
    from weighbridge.redteam.judge import find_judge
    from weighbridge.redteam.judge_card import chosen, measure_card
    from weighbridge.redteam.labelled import read_labelled
    from weighbridge.storage import write_whole

    answers = chosen(read_labelled(labels), limit)
    around = locations.surroundings(compute)
    reach = options.endpoints(around.store.root, around.offline, max_usd)
    opening = (reach, around.cache, around.device, around.threads, options.parse_memory(memory))
    with open_any(model, *opening, by="judge") as opened:
        found = measure_card(find_judge("rubric"), opened, answers, language)
    write_whole(to, canonical_json(asdict(found)))
    document = card_document(found, to)
    emit(document, card_text(document), json)


@app.command("import", cls=SectionedCommand)
def import_(
    report: Annotated[Path, typer.Argument(help="garak.….report.jsonl, as garak writes it.")],
    runs: options.Runs = options.DEFAULT_RUNS,
    json: options.Json = False,
) -> None:
    """Seal a report of garak's as a campaign.

    `verify` and `redteam diff` take it.

    Exit code 3: too much could not be scored for the rates to say anything.
    """
    from weighbridge.cli.redteam_output import campaign_text
    from weighbridge.documents.redteam import campaign_document
    from weighbridge.evaluation.run_context import RunContext
    from weighbridge.redteam.garak_report import import_report
    from weighbridge.redteam.sufficiency import insufficient

    around = options.surroundings(runs=runs)
    found = import_report(report, RunContext(around.store, around.threads, around.started))
    too_little = insufficient(found.rates)
    emit(campaign_document(found, not too_little), campaign_text(found), json)
    if too_little:
        raise typer.Exit(_INSUFFICIENT)


@app.command("garak", cls=SectionedCommand)
@grouped
def garak(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder of safetensors.")],
    probes: Annotated[
        str, typer.Option(metavar="NAMES", help="garak's probes, separated by commas.")
    ],
    compute: options.Compute,
    locations: options.Locations,
    python: Annotated[
        str, typer.Option(metavar="FILE", help="The Python that has garak; default: this one.")
    ] = "",
    generations: Annotated[
        int, typer.Option(metavar="N", min=1, help="Outputs for each prompt.")
    ] = 1,
    seed: options.Seed = 0,
    memory: options.Memory = "",
    json: options.Json = False,
) -> None:
    """Let garak attack a model, and seal its report.

    garak runs in a process of its own; the run is bound to the weights that it attacked.

    Exit code 3: too much could not be scored for the rates to say anything.
    """
    import sys

    from weighbridge.cli.redteam_output import campaign_text
    from weighbridge.documents.redteam import campaign_document
    from weighbridge.evaluation.run_context import RunContext
    from weighbridge.opening.models import open_any
    from weighbridge.redteam.garak_engine import GarakRun, attack_with_garak, require_garak
    from weighbridge.redteam.sufficiency import insufficient
    from weighbridge.sources.weights import find_weights

    wanted = GarakRun(python or sys.executable, probes, generations, seed)
    require_garak(wanted.python)
    around = locations.surroundings(compute)
    found = find_weights(model, offline=around.offline)
    if found.kind != "safetensors" or found.adapter is not None:
        raise InputError(
            f"{model} for garak, which loads folders of safetensors alone",
            "such a folder",
            "write one with: weighbridge export safetensors MODEL --to FOLDER",
        )
    reach = options.endpoints(around.store.root, around.offline, None)
    limit_bytes = options.parse_memory(memory)
    with open_any(model, reach, around.cache, around.device, around.threads, limit_bytes) as opened:
        ref = opened.ref
    place = RunContext(around.store, around.threads, around.started)
    state = locations.runs.parent / "garak"
    done = attack_with_garak(wanted, found.path, ref, place, state, offline=around.offline)
    too_little = insufficient(done.rates)
    emit(campaign_document(done, not too_little), campaign_text(done), json)
    if too_little:
        raise typer.Exit(_INSUFFICIENT)
