"""Defines the exception that users read, and the hint about misspelt names."""

from datayield.core.system.secrets import masked


class UserError(Exception):
    """An error that the user can fix.

    The message says what was expected, what came, where, and how to fix it. The command line prints only
    the message, without a traceback, and ends with exit code 2. Passwords in it are masked.
    """

    def __init__(self, message: str) -> None:
        super().__init__(masked(message))


def nearest(word: str, known: list[str]) -> str:
    """Return `did you mean "x"? known: a, b, c`, the end of every error about an unknown name."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return f"{hint}known: {', '.join(sorted(known))}"
