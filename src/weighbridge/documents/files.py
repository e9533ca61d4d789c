"""Files that were written: what `init` and `export` print."""

from dataclasses import dataclass

from weighbridge.documents.form import Printed


@dataclass(frozen=True, kw_only=True)
class FilesDocument:
    """What was written.

    Attributes:
        files: Paths, in order.
    """

    files: tuple[str, ...]


PRINTED = (Printed("init", FilesDocument), Printed("export", FilesDocument, "of runs"))
