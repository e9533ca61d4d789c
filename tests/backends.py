"""The backends that the benchmark contract runs on, each over real tiny weights.

To add one, such as an OpenAI-compatible server over loopback: write a context manager that takes a
folder of weights with a chat template and yields a `Model`, and name it in `BACKENDS`. Protocols
that it lacks the capability for must be refused in one line; all others hold the whole contract.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from weighbridge.models.protocol import Model


@contextmanager
def open_weights(folder: Path) -> Iterator[Model]:
    """The engine in this process."""
    from weighbridge.models.open_weights import load
    from weighbridge.sources.weights import find_weights

    model = load(find_weights(str(folder)), cache=folder.parent / "cache", threads=1)
    try:
        yield model
    finally:
        model.close()


BACKENDS: dict[str, Callable[[Path], AbstractContextManager[Model]]] = {
    "open_weights": open_weights,
}
