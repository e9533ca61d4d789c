"""Pack the evidence of a finished `weighbridge demo` for `weighbridge demo --replay`.

    weighbridge demo
    python scripts/make_replay.py .weighbridge

It goes to `examples/service_desk/replay`, which the wheel carries. The runs are copied unchanged;
of the report only the facts are kept, since each replay makes the page again.
"""

import argparse
import os
import platform
import shutil
import sys
from dataclasses import replace
from pathlib import Path

from weighbridge.errors import InputError, WeighbridgeError
from weighbridge.evidence import RunStore
from weighbridge.project.example import example_project
from weighbridge.project.replay import DIGESTS, SHIPPED, digests_json
from weighbridge.project.report import read_facts, verify_report
from weighbridge.records import canonical_json

RUN_FILES = ("run.json", "samples.jsonl", "seal.json")
LARGEST_BYTES = 3 << 19


def main() -> int:
    """Pack the evidence; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("state", type=Path, help="the folder that holds `runs` and `reports`")
    parser.add_argument("--into", type=Path, default=example_project() / SHIPPED)
    asked = parser.parse_args()
    try:
        files = packed(asked.state)
    except WeighbridgeError as error:
        print(f"make_replay: {error}", file=sys.stderr)
        return error.exit_code
    write(files, asked.into)
    print(f"{len(files)} files, {sum(map(len, files.values())):,} bytes, in {asked.into}")
    return 0


def write(files: dict[str, bytes], into: Path) -> None:
    """Write the files and their digests, in place of an earlier folder."""
    shutil.rmtree(into, ignore_errors=True)
    for name, data in (files | {DIGESTS: digests_json(files)}).items():
        path = into / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def packed(state: Path) -> dict[str, bytes]:
    """Return the files to ship, by name.

    Raises:
        InputError: There is not one report, it does not verify, or a file names this machine.
    """
    reports = [path.parent for path in state.glob("reports/*/report.json")]
    if len(reports) != 1:
        raise InputError(f"{len(reports)} reports in {state}", "one", "run: weighbridge demo")
    report, store = reports[0], RunStore(state / "runs")
    for result in verify_report(report, store):
        if not result.ok:
            failed = ", ".join(check.name for check in result.checks if not check.ok)
            raise InputError(f"{result.run_id} does not verify ({failed})", "sealed evidence")
    facts = read_facts(report)
    # The tuning data is the example's own, wherever that is installed.
    data = os.path.join(*Path(facts.tuning_data).parts[-2:]) if facts.tuning_data else ""
    facts = replace(facts, tuning_data=data, page_digest="")
    files = {f"reports/{report.name}/report.json": canonical_json(facts.as_json())}
    for run in facts.runs:
        for name in RUN_FILES:
            files[f"runs/{run}/{name}"] = (store.folder_of(run) / name).read_bytes()
    _require_anonymous(files)
    if (size := sum(map(len, files.values()))) > LARGEST_BYTES:
        raise InputError(f"{size:,} bytes", f"at most {LARGEST_BYTES:,}, for each wheel has them")
    return files


def _require_anonymous(files: dict[str, bytes]) -> None:
    """Refuse files that name this machine or a folder of it."""
    telling = {platform.node(), str(Path.home()), str(Path.cwd()), str(example_project())}
    for name, data in files.items():
        for text in telling - {"", "/"}:
            if text.encode() in data:
                raise InputError(f"{name} holds {text!r}", "nothing that names this machine")


if __name__ == "__main__":
    sys.exit(main())
