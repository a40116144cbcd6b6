"""The one exception that people are meant to read."""


class UserError(Exception):
    """Something that the user can mend.

    The message says what was wanted, what came, where, and what to do. The command line prints it
    alone, without a traceback, and ends with exit code 2.
    """


def nearest(word: str, known: list[str]) -> str:
    """`did you mean "x"? known: a, b, c`: the tail of every error about an unknown name."""
    import difflib

    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    hint = f'did you mean "{close[0]}"? ' if close else ""
    return f"{hint}known: {', '.join(sorted(known))}"
