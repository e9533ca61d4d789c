"""The licence of the training data: what is known of it, and when a release is refused for it.

It is stated (`licence` in `[tune]`, `--data-licence`), or taken from the card of a data set on the
Hub. It is carried to the report, to what `tune` prints, and to the lineage of a merged model.
"""

from pathlib import Path

from weighbridge.catalog.licences import commercial_use
from weighbridge.errors import InputError
from weighbridge.sources.hub_data import hub_licence, is_hub_name
from weighbridge.verdict.replacement import Use

NOT_STATED = "not stated"


def licence_of(train: Path, stated: str, *, offline: bool = False) -> tuple[str, tuple[str, ...]]:
    """Return the licence of a file or data set, "" where none is known, and what to say of it.

    Args:
        train: The file, or a data set's name on the Hub.
        stated: What a person said; "" for nothing.
        offline: Whether the Hub must not be asked.
    """
    card = hub_licence(train, offline=offline) if is_hub_name(train) else ""
    licence = stated.strip() or card
    notes = []
    if stated.strip() and card and card.lower() != stated.strip().lower():
        notes.append(f"the card of {train} says licence {card}; {stated} is taken, as stated")
    if licence and commercial_use(licence) is None:
        notes.append(
            f"licence {licence} of {train.name}: whether it allows commercial use is not known here"
        )
    return licence, tuple(notes)


def require_releasable(train: Path, licence: str, use: Use) -> tuple[str, ...]:
    """Refuse a release tuned on data that forbids commercial use; say where nothing is known.

    Released weights can be used commercially by anyone, and can't be recalled.

    Raises:
        InputError: The licence forbids it.
    """
    if use != "release":
        return ()
    if not licence:
        return (
            f"{train.name}: its licence is not stated, so whether weights that are tuned on it may "
            "be released is not known (licence in [tune])",
        )
    if commercial_use(licence) is False:
        raise InputError(
            f'use = "release" with training data under {licence}',
            "data whose licence allows commercial use, as anyone may make of released weights",
            'tune on other data, or set use = "in house"',
        )
    return ()
