"""The documents that `--json` prints: records that scripts, exports and pages may rely on.

One file a kind of document. Its records say what a document holds, and `PRINTED` which commands
print which; `docs/reference/json.md` is made from them, and a test pins their keys. Floats are
printed as Python's `json` prints them, None as null; a key whose value is `ABSENT` is left out.
"""

from weighbridge.documents.form import ABSENT, Absent, Inlined, OrAbsent, Printed, as_json

__all__ = ["ABSENT", "Absent", "Inlined", "OrAbsent", "Printed", "as_json"]
