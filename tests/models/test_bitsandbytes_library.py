"""bitsandbytes is imported without the code that it would fetch, and only where it is needed."""

import os
import subprocess
import sys
import textwrap

import pytest

from weighbridge.errors import InputError, MissingPiece
from weighbridge.models import bitsandbytes_library, peft_library
from weighbridge.models.bitsandbytes_library import bitsandbytes
from weighbridge.models.open_weights import load
from weighbridge.sources.weights import WeightsLocation

FETCHING = """
import logging
from pathlib import Path
try:
    from kernels import get_kernel
    get_kernel("anything")
except Exception as error:
    logging.getLogger("bitsandbytes.backends.cpu.ops").warning("Failed to load: %s", error)
__version__ = "0.50.2"
"""


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Packages of these names, as if they had been installed; nothing of them is imported yet."""

    def put(**sources):
        for name, source in sources.items():
            (tmp_path / name).mkdir()
            (tmp_path / name / "__init__.py").write_text(source)
            for loaded in [n for n in sys.modules if n.partition(".")[0] == name]:
                monkeypatch.delitem(sys.modules, loaded)
        monkeypatch.syspath_prepend(str(tmp_path))

    yield put
    for name in ("bitsandbytes", "kernels"):
        sys.modules.pop(name, None)


def test_nothing_is_fetched_where_the_package_that_fetches_is_installed(installed, tmp_path, capfd):
    touched = f"from pathlib import Path\nPath({str(tmp_path / 'asked')!r}).touch()\n"
    installed(bitsandbytes=FETCHING, kernels=touched + "def get_kernel(name): ...")
    assert bitsandbytes().__version__ == "0.50.2"
    assert not (tmp_path / "asked").exists()
    assert capfd.readouterr() == ("", "")
    import kernels  # who needs it finds it again

    assert kernels.get_kernel and (tmp_path / "asked").exists()


def test_code_that_something_else_has_fetched_is_refused(installed, monkeypatch):
    installed(bitsandbytes=FETCHING)
    fetched = type(sys)("bitsandbytes.backends.cpu.ops")
    fetched.gemm_4bit_forward_kernel = print
    monkeypatch.setitem(sys.modules, fetched.__name__, fetched)
    with pytest.raises(InputError, match="kernels fetched from the Hub") as refused:
        bitsandbytes()
    assert "pip uninstall kernels" in str(refused.value) and "\n" not in str(refused.value)


def test_what_is_missing_is_one_line_with_the_command_that_installs_it(
    installed, monkeypatch, tmp_path
):
    with bitsandbytes_library._without("bitsandbytes"), pytest.raises(MissingPiece) as missing:
        bitsandbytes()
    assert "pip install 'weighbridge[qlora]'" in str(missing.value)
    where = WeightsLocation("big", "safetensors", tmp_path, "directory:big")
    with bitsandbytes_library._without("bitsandbytes"), pytest.raises(MissingPiece) as early:
        load(where, cache=tmp_path, four_bits=True)  # before a file is looked for
    assert str(early.value) == str(missing.value)
    installed(bitsandbytes="raise OSError('libstdc++.so.6: no such file')")
    with pytest.raises(MissingPiece, match=r"can't be imported here .libstdc") as broken:
        bitsandbytes()
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.45.5")
    with pytest.raises(MissingPiece, match=r"bitsandbytes 0\.45\.5; expected 0\.46") as old:
        bitsandbytes()
    assert all("\n" not in str(error.value) for error in (missing, broken, old))


@pytest.mark.slow
def test_peft_leaves_it_alone_until_weights_of_four_bits_need_it(tmp_path):
    """In a process of its own: what is imported once stays."""
    (tmp_path / "kernels").mkdir()
    (tmp_path / "kernels" / "__init__.py").write_text(
        "asked = []\ndef get_kernel(*given, **more):\n    asked.append(given)\n    raise OSError\n"
    )
    script = """
        import sys
        import kernels
        from weighbridge.models import peft_library
        import torch
        model = torch.nn.Sequential(torch.nn.Linear(64, 64))
        config = peft_library.LoraConfig(target_modules=["0"])
        peft_library.get_peft_model(model, config)
        assert "bitsandbytes" not in sys.modules
        from weighbridge.models.bitsandbytes_library import bitsandbytes
        held = bitsandbytes().nn.Linear4bit(64, 64, quant_type="nf4").to("cpu")
        model = torch.nn.Sequential(held)
        model.is_loaded_in_4bit = True
        adapted = peft_library.get_peft_model(model, config)
        assert type(adapted.base_model.model[0]).__name__ == "Linear4bit"
        assert kernels.asked == []
    """
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "kernels" not in done.stderr


def test_what_is_used_of_peft_is_named_in_one_place():
    assert all(hasattr(peft_library, name) for name in peft_library.__all__)
