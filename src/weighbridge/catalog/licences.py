"""What licences of data say of commercial use, as far as they are known by name.

Names are SPDX identifiers (https://spdx.org/licenses) or those of the Hub, in either case of
letters. A licence that isn't here is unknown: nothing is guessed from its name but that a word such
as "NC" or "noncommercial" forbids commercial use, which whoever put it there meant.
"""

import re

ALLOW_COMMERCIAL_USE = frozenset({
    "0bsd", "afl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause", "bsl-1.0",
    "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "ecl-2.0", "isc", "mit",
    "mpl-2.0", "odbl", "odbl-1.0", "odc-by", "odc-by-1.0", "pddl", "pddl-1.0", "unlicense",
    "wtfpl", "zlib",
})  # fmt: skip
OWN = ("own", "proprietary-own")
"""What a person states of data that they own."""
_FORBIDS = re.compile(
    r"(?<![a-z])(nc|non-?commercial|research(-only|-use)?|c-uda)(?![a-z])", re.IGNORECASE
)


def commercial_use(licence: str) -> bool | None:
    """Return whether a licence allows commercial use; None where that isn't known.

    >>> commercial_use("MIT"), commercial_use("CC-BY-NC-4.0"), commercial_use("llama2")
    (True, False, None)
    """
    name = licence.strip().lower().replace("_", "-").replace(" ", "-")
    if name in ALLOW_COMMERCIAL_USE or name in OWN:
        return True
    return False if _FORBIDS.search(name) else None
