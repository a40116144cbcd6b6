"""Keeps the intervals of shares honest where they are counted over few texts or where nothing varies."""

from dataclasses import replace

from datayield.analysis.intervals import Interval

FEWEST = 10  # texts that a share is counted over, below which it has no interval


def counted_share(found: Interval, texts: float) -> Interval:
    """Return the interval of a share, without ends where it is counted over too little.

    Args:
        found: the share in [0, 1], as the two-way interval gives it.
        texts: mean number of texts that it is counted over.

    A share of 0 or 1 has no ends either: its values are equal, and their spread of 0 says nothing.
    """
    whole = replace(found, p=None)  # nobody asks whether a share is 0
    if whole.low is None or (texts >= FEWEST and 0 < whole.estimate < 1):
        return whole
    why = f"fewer than {FEWEST} texts" if texts < FEWEST else "nothing varies"
    return replace(whole, low=None, high=None, reason=why)
