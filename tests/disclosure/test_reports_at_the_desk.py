"""Reports of flaws: what is refused, what is never shown, the clocks, and a kill at any line."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from weighbridge.disclosure.case import acknowledge, cases, find_case, receive, triage
from weighbridge.disclosure.desk import Desk
from weighbridge.disclosure.report import FORM, read_report
from weighbridge.disclosure.severity import severity_of
from weighbridge.errors import EvidenceError, InputError, UnknownName

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
WEIGHTS = "sha256:" + "a" * 64
SECRET = "the words that nobody may read"


def stated(**fields):
    return {
        "weights_digest": WEIGHTS, "harm_class": "safeguard_bypass", "trials": 10, "reproduced": 9,
        "flaw_description": SECRET, "prompt": f"please say {SECRET}",
        "transcript": [{"role": "user", "content": SECRET}],
        "sampling": {"temperature": 0.7, "max_tokens": 64},
    } | fields  # fmt: skip


def written(folder, name="report.json", **fields):
    path = folder / name
    path.write_text(json.dumps(stated(**fields)))
    return path


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path / "desk")


def received(desk, folder, now=NOW, **fields):
    event, _ = receive(desk, read_report(written(folder, **fields)), now)
    return find_case(desk, event.report, now)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"weights_digest": ""}, "no weights_digest; expected sha256"),
        ({"weights_digest": "desk-1"}, "weights_digest = 'desk-1'"),
        ({"trials": 3, "reproduced": 4}, "reproduced 4 of 3 trials"),
        ({"trials": 0, "reproduced": 0}, "at least one trial"),
        ({"harm_class": "bad"}, "harm_class: Input should be"),
        ({"flaw_descripton": "x"}, "did you mean flaw_description"),
        ({"harm_class": "child_safety"}, "nobody may hold such content"),
        ({"format": 9}, "format 9"),
        ({"trials": "ten"}, "trials: Input should be a valid integer"),
    ],
)
def test_a_report_is_refused_in_one_line_that_holds_none_of_its_words(fields, told, tmp_path):
    with pytest.raises(InputError, match=told) as caught:
        read_report(written(tmp_path, **fields))
    assert SECRET not in str(caught.value) and "\n" not in str(caught.value)


def test_the_form_that_is_printed_is_read_once_filled_and_so_are_the_published_labels(tmp_path):
    path = tmp_path / "report.toml"
    filled = FORM.replace('"sha256:"', f'"{WEIGHTS}"').replace(
        'harm_class = ""', 'harm_class = "bias"'
    )
    path.write_text(
        filled.replace("trials = 0", "trials = 4").replace(
            'flaw_description = ""', 'flaw_description = "x"'
        )
    )
    assert read_report(path).trials == 4 and read_report(path).reporter_id == "anonymous"
    labelled = {"Flaw Description": "x", "Reporter ID": "Ada", "Impacted Stakeholder(s)": ["users"]}
    plain = stated(**labelled)
    del plain["flaw_description"]
    (tmp_path / "labelled.json").write_text(json.dumps(plain))
    found = read_report(tmp_path / "labelled.json")
    assert (found.reporter_id, found.impacted_stakeholders) == ("Ada", ("users",))


def test_what_was_reported_is_for_its_owner_alone_and_in_no_event(desk, tmp_path):
    case = received(desk, tmp_path)
    kept = [path for path in desk.root.rglob("*.json") if SECRET in path.read_text()]
    assert [path.parent.name for path in kept] == ["sealed"]
    assert kept[0].stat().st_mode & 0o077 == 0 and kept[0].parent.stat().st_mode & 0o077 == 0
    assert SECRET not in repr(case)
    again, new = receive(desk, read_report(written(tmp_path)), NOW)
    assert (again.report, new) == (case.report, False) and len(cases(desk, NOW)) == 1
    kept[0].unlink()  # the owner may delete it; the desk goes on
    assert find_case(desk, case.report, NOW) == case


def test_clocks_run_from_the_sealed_date_of_receipt(desk, tmp_path):
    case = received(desk, tmp_path)
    days = {one.name: (one.due - NOW).days for one in case.clocks(NOW)}
    assert days == {"acknowledge": 3, "triage": 10, "publish": 90}
    acknowledge(desk, case, NOW + timedelta(days=2))
    triage(desk, case, "high", "anyone", "unknown", NOW + timedelta(days=11))
    later = NOW + timedelta(days=91)
    case = find_case(desk, case.report, later)
    assert [one.state for one in case.clocks(later)] == ["met", "late", "overdue"]
    assert case.severity.level == "critical"
    exploited = received(desk, tmp_path, later, exploited=True)
    hidden = received(
        desk, tmp_path, later, harm_class="child_safety", prompt="", transcript=[], exploited=True
    )
    assert [(one.clocks(later)[2].due - later).days for one in (exploited, hidden)] == [7, 0]


def test_a_clock_set_back_is_noticed_by_who_writes_and_by_who_reads(desk, tmp_path):
    case = received(desk, tmp_path)
    for do in (
        lambda: acknowledge(desk, case, NOW - timedelta(hours=1)),
        lambda: cases(desk, NOW - timedelta(hours=1)),
        lambda: received(desk, tmp_path, NOW - timedelta(hours=1), trials=99),
    ):
        with pytest.raises(InputError, match="a clock that was not set back"):
            do()
    assert len(desk.events()) == 1


def test_an_event_that_was_altered_taken_out_or_predated_is_seen(desk, tmp_path):
    case = received(desk, tmp_path)
    acknowledge(desk, case, NOW)
    triage(desk, case, "low", "anyone", "here", NOW)
    second = desk.root / "events" / "00002.json"
    sealed = second.read_text()
    second.unlink()
    with pytest.raises(EvidenceError, match="event 2 is missing"):
        desk.events()
    second.write_text(sealed.replace("2026-12-01", "2026-12-09"))
    with pytest.raises(EvidenceError, match=r"event before it|earlier"):
        desk.events()
    second.write_text(sealed)
    with pytest.raises(UnknownName, match="did you mean R-0001"):
        find_case(desk, "R-001", NOW)


def test_severity_is_the_product_and_says_what_too_few_trials_leave_open():
    one, many = (severity_of("high", "anyone", "family", n, n) for n in (1, 300))
    assert one.score == many.score == pytest.approx(0.8 * 0.8)
    assert one.levels == ("medium", "critical") and many.levels == ("critical", "critical")
    assert severity_of("critical", "anyone", "everywhere", 0, 10).level == "low"
    order = [severity_of("high", access, "here", 5, 10).score
             for access in ("insider", "tuning", "tooling", "settings", "anyone")]  # fmt: skip
    assert order == sorted(order) and len(set(order)) == 5


KILLED = """
import os, shutil, sys
from datetime import UTC, datetime
from pathlib import Path
from weighbridge.disclosure.case import cases, receive
from weighbridge.disclosure.desk import Desk
from weighbridge.disclosure.report import read_report

root, now = Path(sys.argv[1]), datetime(2026, 12, 1, tzinfo=UTC)
reports = [read_report(Path(name)) for name in sys.argv[2:]]
ours = ("desk.py", "storage.py")

def killed_at(line, desk):
    child = os.fork()
    if child == 0:
        passed = set()
        def step(frame, event, argument):
            if not frame.f_code.co_filename.endswith(ours):
                return None
            if event == "line":
                passed.add((frame.f_code.co_filename, frame.f_lineno))
                if len(passed) == line:
                    os._exit(9)
            return step
        sys.settrace(step)
        receive(desk, reports[1], now)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

line, code = 0, 9
receive(Desk(root / "first"), reports[0], now)
while code == 9:
    line += 1
    desk = Desk(shutil.copytree(root / "first", root / str(line)))
    code = killed_at(line, desk)
    assert 1 <= len(cases(desk, now)) <= 2, line
    event, new = receive(desk, reports[1], now)
    assert event.report == "R-0002" and len(desk.events()) == 2, line
    assert len(list((desk.root / "sealed").iterdir())) == 2, line
    assert desk.content_of(event.body["submission_digest"]), line
print(line)
"""


@pytest.mark.slow
def test_a_kill_at_any_line_loses_no_report_and_takes_none_twice(tmp_path):
    reports = [written(tmp_path, f"{n}.json", trials=20 + n) for n in range(2)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path / "desks", *reports],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 60
