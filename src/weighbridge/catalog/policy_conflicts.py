"""Where a model's terms contradict each other, or drop what its parent's licence passes on.

What a licence asks for stands in `licence_duties`. Only what a program can see is checked: names,
files, and clauses by the hazard that they are about. Not legal advice.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from weighbridge.catalog.licence_duties import LicenceDuties, duties_of, plain_name
from weighbridge.catalog.use_policies import UsePolicy, policy_for

ConflictKind = Literal[
    "licence without limits",
    "dropped licence",
    "dropped policy",
    "dropped clauses",
    "name",
    "notice",
    "built with",
    "policy not passed on",
]


@dataclass(frozen=True)
class Terms:
    """What a model is passed on with.

    Attributes:
        licence: Its licence; "" where none is stated.
        parent_licence: That of the model which it was made of; "" for none.
        name: What it is called; "" where that isn't known yet.
        files: Names of the files in its folder; None where no folder was looked at.
        readme: Text of its model card; "" for none.
    """

    licence: str = ""
    parent_licence: str = ""
    name: str = ""
    files: tuple[str, ...] | None = None
    readme: str = ""


@dataclass(frozen=True)
class Conflict:
    """Something that can't stand as it is.

    Attributes:
        kind: Of conflict.
        why: What contradicts what.
        do: What would mend it.
    """

    kind: ConflictKind
    why: str
    do: str


def conflicts(policy: UsePolicy, terms: Terms) -> tuple[Conflict, ...]:
    """Return what contradicts what.

    Args:
        policy: The use policy that the model is passed on with.
        terms: What else it is passed on with.
    """
    found = list(_with_own_licence(policy, terms))
    owed = duties_of(terms.parent_licence) if terms.parent_licence else None
    if owed is not None:
        found += _dropped(policy, terms, owed)
        found += _name(terms, owed)
        if terms.files is not None:
            found += _files(terms, terms.files, owed)
    return tuple(found)


def unknown_licences(terms: Terms) -> tuple[str, ...]:
    """Return the licences of which nothing is known, so that nothing can be said of them."""
    stated = dict.fromkeys(filter(None, (terms.licence, terms.parent_licence)))
    return tuple(name for name in stated if duties_of(name) is None)


def open_duties(terms: Terms) -> tuple[str, ...]:
    """Return what the parent's licence asks for and could not be looked at here."""
    owed = duties_of(terms.parent_licence) if terms.parent_licence else None
    if owed is None:
        return ()
    asked = []
    if owed.name_begins and not terms.name:
        asked.append(f"a name that begins with {owed.name_begins} (--name)")
    if terms.files is None:
        if owed.notice:
            asked.append("a notice that is passed on (--folder)")
        if owed.built_with:
            asked.append(f'the words "{owed.built_with}" (--folder)')
        if owed.use_policy:
            asked.append("the use policy, passed on (--folder)")
    return tuple(asked)


def _with_own_licence(policy: UsePolicy, terms: Terms) -> Iterator[Conflict]:
    own = duties_of(terms.licence) if terms.licence else None
    if own is None or own.use_policy:
        return
    do = "take a licence with limits of use, or pass the model on without the policy"
    if own.forbids_use_limits:
        why = f"{own.licence} imposes no limits of use: with {policy.title} it is another licence"
        yield Conflict("licence without limits", why, do)
    else:
        why = f"{own.licence} grants use for any purpose, and {policy.title} forbids some"
        yield Conflict("licence without limits", why, do)


def _dropped(policy: UsePolicy, terms: Terms, owed: LicenceDuties) -> Iterator[Conflict]:
    """Yield what the parent's licence passes on and this model's terms leave out."""
    parent = owed.licence
    if owed.same_licence and terms.licence and plain_name(terms.licence) != parent:
        why = f"the parent's licence {parent} must be passed on, and the licence is {terms.licence}"
        yield Conflict("dropped licence", why, f"state the licence {parent}")
    if not owed.use_policy or parent in policy.licences:
        return
    theirs = policy_for(parent)
    if theirs is None:
        why = f"{parent} has a use policy that is not described here, and this is another one"
        yield Conflict("dropped policy", why, f"pass on the policy of {parent}")
        return
    kept = {clause.hazard for clause in policy.clauses}
    tried = {category for clause in policy.clauses for category in clause.categories}
    missing: dict[str, list[str]] = {}
    for clause in theirs.clauses:
        # Two clauses of one policy may say what a single one of the other does.
        within = clause.categories and tried.issuperset(clause.categories)
        if clause.hazard not in kept and not within:
            missing.setdefault(clause.about.title, []).append(clause.id)
    if missing:
        told = ", ".join(f"{about} ({', '.join(ids)})" for about, ids in missing.items())
        why = f"{theirs.title} forbids what {policy.title} does not: {told}"
        yield Conflict("dropped clauses", why, f"pass on the policy of {parent}, or add clauses")


def _name(terms: Terms, owed: LicenceDuties) -> Iterator[Conflict]:
    if owed.name_begins and terms.name:
        name = terms.name.rpartition("/")[2]  # a Hub id has its owner before it
        if not name.lower().startswith(owed.name_begins.lower()):
            why = f"{owed.licence} asks for a name that begins with {owed.name_begins}, not {name}"
            yield Conflict("name", why, "choose such a name")


def _files(terms: Terms, files: tuple[str, ...], owed: LicenceDuties) -> Iterator[Conflict]:
    names = [name.lower() for name in files]
    if owed.notice and not any(name.startswith("notice") for name in names):
        why = f"{owed.licence} asks for a notice, and the folder has no file NOTICE"
        yield Conflict("notice", why, "add the notice that the licence words")
    if owed.built_with and owed.built_with.lower() not in terms.readme.lower():
        why = f'{owed.licence} asks for the words "{owed.built_with}", which README.md has not'
        yield Conflict("built with", why, "add them to README.md")
    if owed.use_policy and not any("policy" in name for name in names):
        why = f"{owed.licence} passes its use policy on, and the folder has no file of one"
        yield Conflict("policy not passed on", why, "add the policy, such as USE_POLICY.md")
