"""A project that was run before `pipeline/` became four rooms: evidence and pages stand as written.

Where the page is changed on purpose, `report.html` and `items-1.html` here are made again; the runs
and `report.json` never are.
"""

import shutil

from commands import weighbridge


def test_it_verifies_and_its_pages_are_made_again_to_the_byte(repository, tmp_path):
    shutil.copytree(repository / "tests/project/before_the_rooms", tmp_path / ".weighbridge")
    done = weighbridge("verify", ".weighbridge/reports/letters", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    for check in ("verdict: paid, again paid", "page made again from samples: sha256:6328ba89"):
        assert f"ok  {check}" in done.stdout
    assert "ok  items-1.html made again from samples" in done.stdout
