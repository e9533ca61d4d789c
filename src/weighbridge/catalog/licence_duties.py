"""What licences of models ask of whoever passes a model made of another on.

Read from the licences' own texts: the Llama community licences section 1.b (i to iv), the Gemma
terms section 3.1, Apache-2.0 section 4, MIT's one condition, OpenMDW-1.1. Not legal advice: what
is here can be checked by a program, and a licence has more.
"""

from dataclasses import dataclass

_LLAMA_NOTED = ("llama3", "llama3.1", "llama3.2", "llama3.3", "llama4")
_WITHOUT = (
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc0-1.0",
    "cc-by-4.0",
    "unlicense",
)
_NO_LIMITS = ("openmdw-1.0", "openmdw-1.1")


@dataclass(frozen=True)
class LicenceDuties:
    """The duties of one licence.

    Attributes:
        licence: Its name, in lower case.
        same_licence: Whether a derived model must carry it, too.
        name_begins: What the name of a derived model must begin with; "" for nothing.
        built_with: Words that must be shown; "" for none.
        notice: Whether a notice file must be passed on.
        use_policy: Whether limits of use must be passed on.
        forbids_use_limits: Whether it imposes no limits of use, so that adding any makes another
            licence of it.
    """

    licence: str
    same_licence: bool = False
    name_begins: str = ""
    built_with: str = ""
    notice: bool = False
    use_policy: bool = False
    forbids_use_limits: bool = False


def plain_name(licence: str) -> str:
    """Return a licence's name as it is listed here."""
    return licence.strip().lower().replace(" ", "-").replace("_", "-")


def duties_of(licence: str) -> LicenceDuties | None:
    """Return a licence's duties; None where they are not known.

    >>> duties_of("Apache-2.0").same_licence, duties_of("Llama3.1").name_begins, duties_of("x")
    (False, 'Llama', None)
    """
    name = plain_name(licence)
    if name in _WITHOUT:
        return LicenceDuties(name)
    if name in _NO_LIMITS:
        return LicenceDuties(name, forbids_use_limits=True)
    if name == "llama2":
        return LicenceDuties(name, same_licence=True, notice=True, use_policy=True)
    if name in _LLAMA_NOTED:
        built = "Built with Meta Llama 3" if name == "llama3" else "Built with Llama"
        begins = "Llama 3" if name == "llama3" else "Llama"
        return LicenceDuties(
            name, same_licence=True, name_begins=begins, built_with=built, notice=True,
            use_policy=True,
        )  # fmt: skip
    if name == "gemma":
        return LicenceDuties(name, same_licence=True, notice=True, use_policy=True)
    return None
