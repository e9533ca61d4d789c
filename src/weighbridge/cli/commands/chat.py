"""Talk to a model, or to two side by side.

`weighbridge chat smollm2-135m --against smollm2-135m+PATH_OF_ADAPTER`. An empty line ends it;
/new starts over.
"""

import sys
from typing import Annotated

import typer

from weighbridge.cli import options
from weighbridge.cli.output import say
from weighbridge.records.printable import printable_line


def command(
    model: Annotated[str, typer.Argument(help=options.ANY_MODEL)],
    against: Annotated[
        str, typer.Option(help="A second model that answers the same messages.")
    ] = "",
    system: Annotated[str, typer.Option(help="System message, or @FILE to read it from.")] = "",
    max_tokens: Annotated[int, typer.Option(help="Longest answer, in tokens.", min=1)] = 256,
    temperature: Annotated[float, typer.Option(help="0 is greedy.", min=0)] = 0.0,
    runs: options.Runs = options.DEFAULT_RUNS,
    cache: options.Cache = None,
    device: options.Device = "auto",
    threads: options.Threads = 0,
    seed: options.Seed = 0,
    offline: options.Offline = False,
) -> None:
    """See the module's docstring, which is the help."""
    from contextlib import ExitStack
    from pathlib import Path

    from weighbridge.errors import InputError
    from weighbridge.models.protocol import GenerateRequest, Prompt, Sampling
    from weighbridge.opening.models import open_any
    from weighbridge.records import Message
    from weighbridge.sources.text_files import read_text

    if system.startswith("@"):
        path = Path(system[1:])
        if not path.is_file():
            raise InputError(f"--system {system}", f"a file at {path}")
        system = read_text(path).strip()
    around = options.surroundings(cache=cache, device=device, threads=threads, offline=offline)
    reach = options.endpoints(runs, around.offline)
    opening = [Message("system", system)] if system else []
    with ExitStack() as stack:
        models = [
            stack.enter_context(open_any(spec, reach, around.cache, device, around.threads))
            for spec in (model, against)
            if spec
        ]
        turns: list[list[Message]] = [list(opening) for _ in models]
        while (said := _read()) is not None:
            if said == "/new":
                turns = [list(opening) for _ in models]
                continue
            for opened, history in zip(models, turns, strict=True):
                history.append(Message("user", said))
                request = GenerateRequest(
                    "chat",
                    Prompt(messages=tuple(history)),
                    Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed),
                )
                (answer,) = opened.generate([request])
                said_text = answer.generation.text.strip()
                wrong = answer.generation.why and f"({answer.generation.why})"
                text = "\n".join(filter(None, (said_text, wrong)))
                history.append(Message("assistant", (answer.answer or "").strip()))
                label = f"[{printable_line(opened.ref.name)}] " if len(models) > 1 else ""
                say(f"{label}{text}")


def _read() -> str | None:
    """Read one line; None at an empty one or at the end of input."""
    if sys.stdin.isatty():
        say("> ", end=False)
    line = sys.stdin.readline()
    return line.strip() or None
