"""Imports bitsandbytes without the code that it would fetch.

While bitsandbytes is imported on a CPU with AVX-512 BF16, it asks the package `kernels`, where that
is installed, for a compiled function from the Hub, and runs it from then on. No code from the Hub
is run here, so `kernels` is out of its sight meanwhile. peft imports bitsandbytes wherever it is
installed, which is why peft is imported by `peft_library` alone.
"""

import importlib.metadata
import importlib.util
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from weighbridge.errors import InputError, MissingPiece

_NAME = "bitsandbytes"
_LEAST = (0, 46)  # the first release that quantises on a CPU
_INSTALL = "pip install 'weighbridge[qlora]'"
_OF_CPUS = "bitsandbytes.backends.cpu.ops"


def bitsandbytes() -> Any:
    """Return the package.

    Raises:
        MissingPiece: It is not installed, is too old, or can't be imported here.
        InputError: It was imported by something else before, and has fetched code.
    """
    require_installed()
    with _without("kernels"), _quiet(_OF_CPUS):
        try:
            import bitsandbytes as found
        except Exception as error:  # its native libraries fail in many ways
            said = " ".join(str(error).split()) or type(error).__name__
            raise MissingPiece(f"bitsandbytes can't be imported here ({said})", "one that can",
                               "reinstall it, or use --method lora") from error  # fmt: skip
    require_own_code()
    _show_to_peft()
    return found


def require_installed() -> None:
    """Check, without importing it, that bitsandbytes is here.

    Raises:
        MissingPiece: It is not installed, or is too old.
    """
    if importlib.util.find_spec(_NAME) is None:
        raise MissingPiece(
            "bitsandbytes is not installed", "the package that holds weights in 4 bits", _INSTALL
        )
    version = importlib.metadata.version(_NAME)
    if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < _LEAST:
        raise MissingPiece(f"bitsandbytes {version}", "0.46 or later", _INSTALL)


def require_own_code() -> None:
    """Refuse a bitsandbytes that runs code from the Hub, because something else imported it.

    Raises:
        InputError: It does.
    """
    if getattr(sys.modules.get(_OF_CPUS), "gemm_4bit_forward_kernel", None) is not None:
        raise InputError(
            "bitsandbytes runs a function that the package kernels fetched from the Hub",
            "its own code alone: nothing that is fetched is run here",
            "pip uninstall kernels, or import weighbridge before bitsandbytes",
        )


@contextmanager
def unseen() -> Iterator[None]:
    """Hide bitsandbytes from what is imported meanwhile, unless it is imported already."""
    if _NAME in sys.modules:
        yield
        return
    with _without(_NAME):
        yield


@contextmanager
def _without(name: str) -> Iterator[None]:
    """Let a package seem not to be installed."""
    had = name in sys.modules
    before = sys.modules.get(name)
    sys.modules[name] = None  # type: ignore[assignment]  # so that importing it fails
    try:
        yield
    finally:
        del sys.modules[name]
        if had and before is not None:
            sys.modules[name] = before


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Keep a logger silent: this one warns that it could not fetch code."""
    logger = logging.getLogger(name)
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


def _show_to_peft() -> None:
    """Let peft look again whether bitsandbytes is there: `peft_library` had hidden it."""
    asked = sys.modules.get("peft.import_utils")
    for name in ("is_bnb_available", "is_bnb_4bit_available"):
        forget: Any = getattr(getattr(asked, name, None), "cache_clear", None)
        if forget is not None:
            forget()
