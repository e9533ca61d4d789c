"""What `runs show` prints of a campaign of attacks: its rates, and trials without any text."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, get_args

from weighbridge.cli.redteam_output import campaign_text
from weighbridge.documents.redteam import ShownCampaign, TrialDocument, campaign_document
from weighbridge.errors import InputError, UnknownName
from weighbridge.records.attack import AttackRun, AttackTrial, TrialOutcome
from weighbridge.records.printable import printable_line

if TYPE_CHECKING:
    from weighbridge.evidence.document import Sealed

_SHOWN_AT_ONCE = 20


@dataclass(frozen=True)
class TrialChoice:
    """Which trials are shown; the options of `runs show`.

    Attributes:
        shown: Whether any are.
        outcome: Only those with it; "" for all.
        category: Only those at behaviours of it; "" for all.
        search: Refused: there are no texts to search.
        limit: At most so many; None for 20 in a terminal, and all in JSON.
        skip: Leave out the first so many.
    """

    shown: bool
    outcome: str
    category: str
    search: str
    limit: int | None
    skip: int

    def check(self) -> None:
        """Refuse what campaigns have not.

        Raises:
            InputError: A search; UnknownName for an outcome.
        """
        if self.search:
            raise InputError(
                "--search in a campaign of attacks",
                "--outcome or --cluster",
                "its texts are not in the evidence, and are shown by: weighbridge redteam --reveal",
            )
        outcomes = get_args(TrialOutcome)
        if self.outcome and self.outcome not in outcomes:
            raise UnknownName("outcome of attacks", self.outcome, outcomes)

    def wants(self, trial: AttackTrial) -> bool:
        """Whether a trial is one of those."""
        right = self.outcome in ("", trial.outcome)
        return right and self.category in ("", trial.category)


def show_campaign(
    sealed: "Sealed[AttackRun]", choice: TrialChoice, json: bool
) -> tuple[ShownCampaign, str]:
    """Return a finished campaign as a document and as text.

    Raises:
        InputError: A choice of trials that campaigns have not.
    """
    from weighbridge.redteam.sufficiency import insufficient

    choice.check()
    run = sealed.content
    document = ShownCampaign(
        **vars(campaign_document(run, not insufficient(run.rates))),
        identity=sealed.envelope.identity,
        model_ref=run.model,
        provenance=run.provenance,
    )
    lines = [campaign_text(run), f"  weights {run.model.weights_digest}"]
    lines += [f"  trials {run.samples_digest}", f"  started {run.provenance.started}"]
    if choice.shown:
        from weighbridge.evidence.journal import read_samples

        wanted = filter(choice.wants, read_samples(sealed.samples, sealed.payload))
        shown, matching = _page(wanted, choice, json)
        document = replace(document, trials=tuple(map(_document, shown)), matching=matching)
        lines += ["", _title(len(shown), matching, choice.skip), *map(_line, shown)]
    return document, "\n".join(lines)


def _page(
    trials: Iterator[AttackTrial], choice: TrialChoice, whole: bool
) -> tuple[list[AttackTrial], int]:
    """Return the trials that are shown, and the number of all that match."""
    limit = choice.limit
    if limit is None and not whole:
        limit = _SHOWN_AT_ONCE
    skipped = sum(1 for _ in islice(trials, choice.skip))
    shown = list(islice(trials, limit))
    return shown, skipped + len(shown) + sum(1 for _ in trials)


def _title(shown: int, matching: int, skip: int) -> str:
    if not shown:
        return f"  no trial to show; {matching} match"
    last = skip + shown
    more = f"; next: --skip {last}" if last < matching else ""
    return f"  trials {skip + 1} to {last} of {matching}{more}"


def _document(trial: AttackTrial) -> TrialDocument:
    return TrialDocument(
        attack=trial.attack, system=trial.system, behaviour=trial.behaviour, kind=trial.kind,
        category=trial.category, attempt=trial.attempt, outcome=trial.outcome, why=trial.why,
        asks=trial.asks,
    )  # fmt: skip


def _line(trial: AttackTrial) -> str:
    place = printable_line(f"{trial.attack}, {trial.system}, {trial.behaviour} ({trial.category})")
    again = f", attempt {trial.attempt + 1}" if trial.attempt else ""
    return f"  {trial.outcome:<9} {place}{again}"[:80]
