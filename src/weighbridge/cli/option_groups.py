"""Options that belong together, as records that commands share.

A frozen dataclass with a `panel` is a group; its fields are annotated as typer's parameters are:

    @dataclass(frozen=True, kw_only=True)
    class Compute:
        panel: ClassVar[str] = "Where it computes"
        device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto"
        threads: Annotated[int, typer.Option(min=0)] = 0

    @grouped
    def command(model: Annotated[str, typer.Argument()], compute: Compute) -> None: ...

The command line then has --device and --threads, and the function gets one `Compute`. In help, each
group is a section under the name of its panel; a single option joins one by `rich_help_panel`.
"""

import copy
import inspect
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import wraps
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from typer.core import TyperCommand
from typer.models import OptionInfo, ParameterInfo

UNGROUPED = "Other options"
"""The panel of options that name none, --json and --help among them; it comes last."""
_NAME_COLUMNS = 24
"""Width of the options' names in every section; a longer name has a line of its own."""
_METAVARS = {"int(eger)?( range)?": "N", "float( range)?": "X", "str": "TEXT", "path": "PATH"}
"""What help calls a value whose option names none, by typer's word for its type."""


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Return a command whose parameters are the fields of its groups, for typer to read.

    Raises:
        TypeError: Two of its parameters would have the same name.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if _is_group(hint)}
    flat: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            flat += _parameters(groups[parameter.name])
        else:
            flat.append(
                parameter.replace(
                    kind=parameter.KEYWORD_ONLY, annotation=hints.get(parameter.name, Any)
                )
            )
    names = [parameter.name for parameter in flat]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise TypeError(f"{command.__module__}: {', '.join(twice)} stand in two groups")

    @wraps(command)
    def flattened(**given: Any) -> None:
        for name, group in groups.items():
            given[name] = group(**{f.name: given.pop(f.name) for f in fields(group)})
        command(**given)

    flattened.__signature__ = inspect.Signature(flat)  # type: ignore[attr-defined]
    flattened.__annotations__ = {parameter.name: parameter.annotation for parameter in flat}
    return flattened


def _is_group(hint: Any) -> bool:
    return isinstance(hint, type) and is_dataclass(hint) and hasattr(hint, "panel")


def _parameters(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for field in fields(group):
        yield inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(field),
            annotation=_in_panel(hints[field.name], group.panel),
        )


def _default(field: "Field[Any]") -> Any:
    if field.default is not MISSING:
        return field.default
    return inspect.Parameter.empty if field.default_factory is MISSING else field.default_factory()


def _in_panel(hint: Any, panel: str) -> Any:
    """Return a field's annotation with its option in a panel; one that it names itself stays."""
    kind, *notes = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    option = next((note for note in notes if isinstance(note, ParameterInfo)), None)
    option = typer.Option() if option is None else copy.copy(option)
    if isinstance(option, OptionInfo) and option.rich_help_panel is None:
        option.rich_help_panel = panel
    return Annotated[kind, option]


class SectionedCommand(TyperCommand):
    """A command whose help lists its options by panel, in plain text of the terminal's width.

    typer knows panels only where rich draws them, which takes longer than most commands do.
    """

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the usage line's pieces, arguments in capitals and without typer's braces."""
        return [re.sub("[{}]", "", piece).upper() for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each panel's options in the order of the signature."""
        sections: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for parameter in self.get_params(ctx):
            if parameter.param_type_name == "argument":
                name = parameter.metavar or parameter.name.upper()
                sections["Arguments"].append((name, _said(parameter)))
            elif not getattr(parameter, "hidden", False):
                panel = getattr(parameter, "rich_help_panel", None) or UNGROUPED
                sections[panel].append((_names(parameter, ctx), _said(parameter)))
        panels = set(sections) - {"Arguments", UNGROUPED}
        for panel in sorted(sections, key=lambda name: (name != "Arguments", name == UNGROUPED)):
            with formatter.section(panel if panels or panel != UNGROUPED else "Options"):
                rows = [(name.ljust(_NAME_COLUMNS), said) for name, said in sections[panel]]
                formatter.write_dl(rows, col_max=_NAME_COLUMNS)


def _names(option: Any, ctx: Any) -> str:
    """Return an option's names and what its value is called."""
    names: str = option.get_help_record(ctx)[0]
    for kind, metavar in _METAVARS.items():
        names = re.sub(rf" <?{kind}>?$", f" {metavar}", names, flags=re.IGNORECASE)
    return names


def _said(parameter: Any) -> str:
    """Return what help says of a parameter; no range, which its words or an error say.

    What is off, empty or not set by default shows no default.
    """
    extra = [f"${parameter.envvar}"] if parameter.envvar else []
    if parameter.default not in (None, "", False) and not callable(parameter.default):
        extra.append(f"default: {parameter.default}")
    if parameter.required:
        extra.append("required")
    said = parameter.help or ""
    return f"{said}  [{'; '.join(extra)}]".strip() if extra else said
