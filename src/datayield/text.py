"""Texts → tokens, and the key by which duplicates are recognised."""

import re
import unicodedata

# A word with inner apostrophes ("don't"), or one mark of any other kind; white space separates.
_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers and single punctuation marks, in order; NFC-normalised."""
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())


def key(text: str) -> str:
    """Case-folded and white-space-normalised: equal for texts that count as duplicates."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())
