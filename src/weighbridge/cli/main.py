"""The entry point: finds a command's file by its name, and turns every error into one line.

`weighbridge --help` must answer at once, so it reads the first line of each command's file and
imports none of them.
"""

import importlib
import os
import select
import signal
import sys
import warnings
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any

import typer
from typer.core import TyperGroup

from weighbridge import __version__
from weighbridge.cli.net import foreseen, unforeseen
from weighbridge.cli.option_groups import SectionedCommand
from weighbridge.errors import InternalError, Interrupted, WeighbridgeError

# typer carries its own click and exports only leaves of click's tree of exceptions.
_UsageError: type[Exception] = typer.BadParameter.__mro__[2]
_Exit, _Abort = typer.Exit, typer.Abort

_FOLDER = Path(__file__).parent / "commands"
_ORDER = ("demo", "init", "run", "runs", "doctor", "chat", "tune", "evaluate", "score", "compare")


def command_names() -> list[str]:
    """Names of all commands, the ones that a newcomer needs first."""
    names = [p.stem.replace("_", "-") for p in _FOLDER.glob("*.py") if p.stem != "__init__"]
    first = [name for name in _ORDER if name in names]
    return first + sorted(name for name in names if name not in first)


def summary(name: str) -> str:
    """First line of the docstring of a command's file, read without importing it."""
    with (_FOLDER / f"{name.replace('-', '_')}.py").open(encoding="utf-8") as file:
        return file.readline().strip().strip('"').rstrip(".")


class LazyCommands(TyperGroup):
    """A group whose commands are files."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands' names."""
        return command_names()

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import one command."""
        if cmd_name not in command_names():
            return None
        module = importlib.import_module(f"weighbridge.cli.commands.{cmd_name.replace('-', '_')}")
        made = getattr(module, "app", None)
        if made is None:
            made = typer.Typer(add_completion=False, rich_markup_mode=None)
            made.command(cls=SectionedCommand, help=module.__doc__)(module.command)
        built = typer.main.get_command(made)
        built.name = cmd_name
        return built

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """List commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary(name)) for name in command_names()])


_FIRST_STEPS = """\
Weigh an open model against the one you pay for. What most people want first:

  weighbridge demo --replay             A verdict in seconds: evidence of a real
                                        run, verified and judged again. Without
                                        --replay it all runs here, ten minutes.
  weighbridge evaluate MODEL -b NAME    How good is a model, with an interval?
                                        Open weights, or any endpoint.
  weighbridge init mine                 Your own task: writes a project file,
                                        which `weighbridge run mine` runs.

All commands: weighbridge --help.  What is missing here: weighbridge doctor."""

app = typer.Typer(
    cls=LazyCommands,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def weighbridge(
    ctx: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and stop."),
) -> None:
    """Weigh an open model against the one you pay for; bridge the gap; release what passes.

    Start with `weighbridge demo --replay`, or with `weighbridge init` for your own data.
    """
    if version:
        typer.echo(f"weighbridge {__version__}")  # noqa: TID251
        raise typer.Exit
    if ctx.invoked_subcommand is None:
        typer.echo(_FIRST_STEPS)  # noqa: TID251


def main() -> None:
    """Run the command line; the process's exit code follows the design."""
    wants_json = "--json" in sys.argv[1:]
    for stream in (sys.stdout, sys.stderr):  # a file's name may be no text
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not sys.warnoptions:  # libraries' warnings are for us, not for who runs a command
        warnings.simplefilter("ignore")
    try:
        code = _written(_run(wants_json), wants_json)
    except KeyboardInterrupt:  # while an error was being told
        code = Interrupted.exit_code
    sys.exit(code)


def _run(wants_json: bool) -> int:
    try:
        code = app(standalone_mode=False) or 0
        if code == Interrupted.exit_code:  # typer's answer to Ctrl-C
            raise KeyboardInterrupt
    except _Exit as error:
        return int(error.exit_code)
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # its text is the help, of many lines
            typer.echo(error.format_message())  # type: ignore[attr-defined]  # noqa: TID251
            return 0
        return _report(WeighbridgeError(_usage(error)), wants_json)
    except (KeyboardInterrupt, _Abort):
        again = "run the same command again: it goes on from there"
        return _report(Interrupted("interrupted", "", again), wants_json)
    except SystemExit as error:
        if isinstance(error.__context__, BrokenPipeError):  # typer takes every one for stdout's
            return _caught(error.__context__, wants_json)
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException as error:  # a panic of a library in Rust is no `Exception`
        return _caught(error, wants_json)
    return int(code)


def _caught(error: BaseException, wants_json: bool) -> int:
    if isinstance(error, BrokenPipeError) and _nobody_reads():
        return _silenced()
    return _report(foreseen(error) or unforeseen(error, sys.argv[1:]), wants_json)


def _written(code: int, wants_json: bool) -> int:
    """See that what was said is written; a full disk shows only now."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        return _silenced()
    except OSError as error:
        _silenced()
        return _caught(error, wants_json)
    return code


def _nobody_reads() -> bool:
    """Whether whoever read stdout is gone; a pipe of some library's own may break, too."""
    try:
        sys.stdout.flush()
        watched = select.poll()
        watched.register(sys.stdout.fileno(), select.POLLERR)
        return bool(watched.poll(0))
    except BrokenPipeError:
        return True
    except (OSError, ValueError, AttributeError):
        return False


def _silenced() -> int:
    """Let go of stdout, so that nothing is said about it at the interpreter's end, either."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE


def _usage(error: Any) -> str:
    context = getattr(error, "ctx", None)
    where = f"; see `{context.command_path} --help`" if context is not None else ""
    return str(error.format_message()).rstrip(".") + where


def _report(error: WeighbridgeError, wants_json: bool) -> int:
    from weighbridge.cli.output import say, say_json  # slow, and --help needs none of it
    from weighbridge.documents import ABSENT
    from weighbridge.documents.failure import ErrorDocument, FailureDocument

    if wants_json:
        told = ErrorDocument(
            kind=type(error).__name__,
            saw=error.saw,
            expected=error.expected,
            do=error.do,
            traceback=str(error.path or "") if isinstance(error, InternalError) else ABSENT,
        )
        with suppress(OSError):  # told on stderr all the same
            say_json(FailureDocument(error=told))
    with suppress(OSError):
        say(f"weighbridge: {' '.join(str(error).splitlines())}", err=True)
    return error.exit_code


if __name__ == "__main__":
    main()
