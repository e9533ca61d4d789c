"""A group of commands of which one needs no name: `redteam MODEL` is `redteam run MODEL`."""

from typing import Any, ClassVar

from typer.core import TyperGroup


class WithDefault(TyperGroup):
    """A group of commands; a first word that names none of them goes to the command `default`."""

    default: ClassVar[str] = "run"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default's name before arguments that begin with no command's name."""
        if args and args[0] not in (*self.commands, "--help"):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
