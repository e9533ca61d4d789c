"""Shortening long lines while keeping both ends."""


def cut_middle(line: str, most: int) -> str:
    """Shorten a line to at most so many characters, keeping its beginning and more of its end.

    A reason begins with what went wrong; the numbers and what to do stand at its end.

    >>> cut_middle("Request too large for the organisation: Limit 300, Requested 412", 48)
    'Request too lar … tion: Limit 300, Requested 412'
    """
    if len(line) <= most:
        return line
    begin = (most - 3) // 3
    return f"{line[:begin]} … {line[len(line) - (most - 3 - begin) :]}"
