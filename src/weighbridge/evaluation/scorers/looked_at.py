"""How much of an answer is read: a model may write without end, and reading must not."""

ANSWER = 50_000
"""Characters at the end of an answer in which its letter or number is looked for."""

OBJECT = 200_000
"""Characters at the beginning of an answer in which a JSON object is looked for."""

PROGRAM = 100_000
"""Characters of an answer that is read as code; a longer one is not read."""


def end_of(text: str) -> str:
    """Return the end of an answer, in which its letter or number is looked for."""
    return text[-ANSWER:]


def said_of(text: str) -> str:
    """Say that only the end of an answer was read; empty where all of it was."""
    if len(text) <= ANSWER:
        return ""
    return f"only the last {ANSWER:,} of {len(text):,} characters were read"
