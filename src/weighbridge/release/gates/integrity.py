"""Files that can't run code, are whole, and are what their configuration and record say."""

from weighbridge.release.case import Case
from weighbridge.release.gate import Finding, Gate, failed, insufficient, passed

_SHOWN = 5


def _decide(case: Case) -> Finding:
    found = case.inventory
    if found.faults:
        more = f" (and {len(found.faults) - _SHOWN} more)" if len(found.faults) > _SHOWN else ""
        return failed(
            "; ".join(found.faults[:_SHOWN]) + more,
            "files of safetensors and settings alone, as they were written", case.digest,
        )  # fmt: skip
    if found.unknown:
        turns = "a folder that weighbridge merged, of an architecture that it knows"
        return insufficient("; ".join(found.unknown), turns, case.digest)
    return passed(
        f"{len(found.files)} files, {found.tensors} tensors with {found.parameters:,} numbers, all "
        "finite and as config.json describes; the record of origin holds",
        case.digest,
    )


GATE = Gate("integrity", "Are the files only data, whole, and what they say they are?", _decide)
