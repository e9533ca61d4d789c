"""Templates with columns in braces, such as `Classify: {text}`; `{{` is a literal brace."""

from collections.abc import Callable
from string import Formatter

from weighbridge.errors import InputError

Template = tuple[tuple[str, str | None], ...]
"""Pieces: literal text, and the column that follows it, None at the end."""


def parse_template(where: str, text: str) -> Template:
    """Cut a text at its columns.

    Args:
        where: What the text is, for a message.
        text: The text.

    Raises:
        InputError: Its braces don't match, or hold more than a column's name.
    """
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise InputError(
            f"{where}: {error}", "columns in braces", "write a brace itself twice: {{ or }}"
        ) from error
    for _, column, form, conversion in pieces:
        if column == "" or form or conversion:
            shown = (
                f"{{{column}{'!' + conversion if conversion else ''}{':' + form if form else ''}}}"
            )
            raise InputError(
                f"{where}: {shown}", "a column's name alone in braces",
                "write a brace itself twice: {{ or }}",
            )  # fmt: skip
    return tuple((literal, column) for literal, column, _, _ in pieces)


def fill(template: Template, text_of: Callable[[str], str]) -> str:
    """Put the columns' texts in."""
    return "".join(
        literal + (text_of(column) if column is not None else "") for literal, column in template
    )
