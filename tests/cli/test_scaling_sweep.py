"""`weighbridge scaling sweep`: what would be trained, bad input, and (slow) the whole ladder."""

import json

import pytest

import commands


def weighbridge(*words, folder):
    return commands.weighbridge(*words, cwd=folder, env={"COLUMNS": "80"})


@pytest.mark.slow
def test_a_dry_run_says_what_would_be_trained_and_how_long(tmp_path):
    done = weighbridge("scaling", "sweep", "--dry-run", "--json", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["models"] == len(found["rungs"]) > 40
    assert found["predicted_seconds"] > 1  # on any machine; how long depends on it
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--corpus", "nothing-here"], "nothing-here is neither a file nor a folder"),
        (["--corpus", "short.txt"], "passes"),
        (["--experts", "2"], "--experts 2; expected at least 3"),
        (["--largest", "many"], "--largest many; expected a number above 0"),
        (["--largest", "1e8"], "between 10,000 and 5,000,000 parameters"),
        (["--chart", "x.gif"], "x.gif; expected a name that ends in .svg or .png"),
        (["--seed", "-1"], "--seed -1; expected 0 or more"),
        (["--chart", "none/x.svg"], "there is no folder none"),
        (["--files", "/*.md", "--corpus", "."], "--files /*.md; expected a pattern within"),
        (["--files", "*.nothing", "--corpus", "."], "holds no UTF-8 text in files like *.nothing"),
    ],
)
def test_bad_input_is_one_line(words, told, tmp_path):
    (tmp_path / "short.txt").write_text("a short text\n" * 1000)
    done = weighbridge("scaling", "sweep", *words, folder=tmp_path)
    assert done.returncode == 2
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.soak
def test_the_default_ladder_foretells_its_largest_model(tmp_path):
    """On the standard library: prediction inside its interval; which loses less, with seeds."""
    done = weighbridge("scaling", "sweep", "--json", "--chart", "ladder.svg", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["held_out"]["inside"]
    assert found["held_out"]["predicted"] == pytest.approx(found["held_out"]["measured"], rel=0.05)
    for pair in found["equal_compute"]:
        assert pair["lower"] == "mixture"
        assert len(pair["dense"]) == 5
    low, high = found["law"]["intervals"]["optimal_exponent"]
    assert 0.2 < low < high < 0.8
    assert (tmp_path / "ladder.svg").read_text().startswith("<svg")
