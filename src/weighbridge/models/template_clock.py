"""The date that chat templates write: always the same one, so that no prompt depends on the day.

Llama 3.2, gpt-oss, Granite, SmolLM3 and others write today's date into every prompt by
`strftime_now`, which transformers answers from the clock. A run would then change at midnight: what
was stopped could not go on, and what is asked for again would be another run. Here that clock
stands still at `WRITTEN`, the day that Meta's own templates write where there is no clock. Whoever
wants another day writes it into the chat template, which makes it part of a run's identity.
"""

import functools
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

WRITTEN = datetime(2024, 7, 26, tzinfo=UTC)

_CLOCK = "strftime_now"
# What Python's strftime knows on Linux and macOS; "%%" is the percent sign itself.
_DIRECTIVES = "aAwdbBmyYHIpMSfzZjUWcxXGuVeFTDRChklPr"


def reads_clock(template: str) -> bool:
    """Whether a chat template asks for the date."""
    return _CLOCK in template


@functools.lru_cache(maxsize=8)
def standing_still(template: str, moment: datetime = WRITTEN) -> str:
    """Return a template whose `strftime_now` always tells `moment`; others as they are."""
    if not reads_clock(template):
        return template
    directives = {f"%{letter}": moment.strftime(f"%{letter}") for letter in _DIRECTIVES}
    directives |= {f"%-{letter}": str(int(directives[f"%{letter}"])) for letter in "dmyHIMSjUW"}
    replaced = "".join(f".replace({name!r}, {value!r})" for name, value in directives.items())
    # Cut at "%%" first, so that "%%d" stays a percent sign and a letter. The line's end is taken
    # away by trim_blocks, which leaves the template's own beginning as it was.
    return (
        f"{{%- macro {_CLOCK}(format) -%}}{{%- for part in format.split('%%') -%}}"
        f"{{{{- '' if loop.first else '%' -}}}}{{{{- part{replaced} -}}}}"
        f"{{%- endfor -%}}{{%- endmacro %}}\n{template}"
    )


def template_of(tokenizer: Any, tools: Sequence[Any] = ()) -> str:
    """Return the chat template that a tokenizer writes with, its clock standing still.

    Args:
        tokenizer: The tokenizer.
        tools: Descriptions of tools; some tokenizers have a template of their own for them.
    """
    return standing_still(str(tokenizer.get_chat_template(tools=list(tools) or None)))


def date_written(tokenizer: Any) -> str | None:
    """Return the day that a tokenizer's chat template writes, as ISO 8601; None if it asks none."""
    return f"{WRITTEN:%Y-%m-%d}" if reads_clock(str(tokenizer.get_chat_template())) else None
