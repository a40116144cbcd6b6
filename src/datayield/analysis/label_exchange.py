"""Computes how many noisy labels one clean label is worth, and the price at which both are equally good."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from datayield.analysis.statements import ArmDescription, ArmMultiplier


@dataclass(frozen=True, slots=True)
class LabelExchange:
    """The worth of a clean label in noisy ones, for an arm that learns from n clean and some noisy labels.

    The noisy labels are worth (multiplier - 1) x n clean ones. None: the range is open there, because
    the noisy labels may be worth nothing or the multiplier is not known.
    """

    arm: str
    n: int
    noisy: int  # labels
    worth: float | None  # noisy labels for one clean label
    low: float | None
    high: float | None
    price: float | None  # of a noisy label
    clean_price: float | None

    @property
    def break_even(self) -> float | None:
        """The price of a clean label above which noisy ones are cheaper for the same score."""
        return None if self.worth is None or self.price is None else self.worth * self.price


def exchanges(
    multipliers: Iterable[ArmMultiplier],
    arms: Mapping[str, ArmDescription],
    available: int,
    price: float | None,
    clean_price: float | None,
) -> tuple[LabelExchange, ...]:
    """Return the exchange of every arm and budget whose noisy labels were all there.

    Args:
        multipliers: against the plain baseline.
        arms: their descriptions.
        available: pool texts that have a noisy label.
        price: of a noisy label, in money.
        clean_price: of a label of the corpus, in the same money.
    """
    return tuple(
        LabelExchange(m.arm, m.n, noisy, *_worth(m, noisy), price=price, clean_price=clean_price)
        for m in multipliers
        if (noisy := arms[m.arm].cheap_labels) and available - m.n >= noisy
    )


def _worth(m: ArmMultiplier, noisy: int) -> tuple[float | None, float | None, float | None]:
    """Return noisy labels for one clean label; the larger the multiplier, the fewer."""
    x = m.multiplier
    point, low, high = (
        noisy / ((v - 1) * m.n) if v is not None and v > 1 else None
        for v in (x.point, x.high, x.low)
    )
    return point, low, high
