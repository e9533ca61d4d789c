"""Options of the commands that attack models."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer


@dataclass(frozen=True, kw_only=True)
class Attacking:
    """Options that say what is tried.

    Attributes:
        campaign: Name or file.
        attacker: Model that helps; "" for none.
        seed: Of everything random; None takes the campaign's.
        dry_run: Whether to stop before anything is loaded.
        reveal: Whether to print the conversations of all hits.
        judge: Model that judges, where the campaign's judge asks one; "" for none.
        judge_card: How well that model agrees with people; None for judges with cards of their own.
    """

    panel: ClassVar[str] = "What is tried"

    campaign: Annotated[
        str,
        typer.Option(
            "--campaign", "-c", metavar="NAME_OR_FILE", help="What is tried, and how often."
        ),
    ] = "quick"
    attacker: Annotated[
        str, typer.Option(metavar="MODEL", help="Model that writes attacks which need one (pair).")
    ] = ""
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed; default: the campaign's.", min=0)
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be tried, and stop.")
    ] = False
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Ask, and then show the conversations of all hits.")
    ] = False
    judge: Annotated[
        str, typer.Option(metavar="MODEL", help='Model that the judge "rubric" asks.')
    ] = ""
    judge_card: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its card, as `redteam card` writes it."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class Probing:
    """Options that say how a policy is probed.

    Attributes:
        clause: Numbers of clauses; None for all.
        behaviours: Files; None for those that come with Weighbridge.
        attack: Names; None for the policy's.
        limit: Behaviours of each category; None for all.
        seed: Of everything random.
        text: A copy of the policy, in which the clauses are looked for.
        dry_run: Whether to stop before anything is loaded.
        judge: Model that judges; "" for the rules.
        judge_card: How well that model agrees with people; None for the rules.
    """

    panel: ClassVar[str] = "What is probed"

    clause: Annotated[
        list[str] | None,
        typer.Option(metavar="NUMBER", help="Only this clause; may be repeated."),
    ] = None
    behaviours: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Behaviours to probe with; may be repeated."),
    ] = None
    attack: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="In place of the policy's; may be repeated."),
    ] = None
    limit: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="So many behaviours of each category.")
    ] = None
    seed: Annotated[int, typer.Option(metavar="N", help="Seed.", min=0)] = 0
    text: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your copy of the policy: look which clauses it has."),
    ] = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be tried, and stop.")
    ] = False
    judge: Annotated[
        str, typer.Option(metavar="MODEL", help='Judge by this model, as the judge "rubric".')
    ] = ""
    judge_card: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Its card, as `redteam card` writes it."),
    ] = None


@dataclass(frozen=True, kw_only=True)
class PassedOn:
    """Options that say what a model is passed on with, so that contradictions show.

    Attributes:
        licence: The model's; "" where none is stated.
        parent_licence: That of the model which it was made of; "" for none.
        name: What it is called; "" where that isn't known yet.
        folder: That is passed on, with its notices; None where there is none yet.
    """

    panel: ClassVar[str] = "What it is passed on with"

    licence: Annotated[str, typer.Option(metavar="NAME", help="The model's licence.")] = ""
    parent_licence: Annotated[
        str, typer.Option(metavar="NAME", help="That of the model which it was made of.")
    ] = ""
    name: Annotated[str, typer.Option(metavar="NAME", help="What the model is called.")] = ""
    folder: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="What is passed on: look for notice and policy."),
    ] = None
