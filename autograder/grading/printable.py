"""Text that others wrote, made fit for a terminal."""


def printable(text: str) -> str:
    """The text with whatever a terminal would obey or not show written as an escape.

    >>> printable("Zoë\\x1b[2J")
    'Zoë\\\\x1b[2J'
    """
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
