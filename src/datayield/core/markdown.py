"""Escapes Markdown, so that a user's text stays text."""

import re

_MARKS = re.compile(r"([\\`*_{}\[\]<>|#])")


def escaped(text: str) -> str:
    """Return a text as one line of Markdown that shows it and does nothing else."""
    return _MARKS.sub(r"\\\1", " ".join(str(text).split()))
