"""Shares the level of a study among its looks, where draws are added until strategies are settled.

The looks share the level of the study: what a look claims is tested at its own part of it, and the
parts add up to no more than the whole (Bonferroni over looks). So a study that ends early, or goes on
because nothing is decided yet, claims what is not there no more often than one that looks once.
Intervals of a look are wider by its part. Parts grow with the square of a look's number (1, 4, 9 of 14
for three looks): little is spent where few draws show little.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from datayield.analysis.frame import Frame

Ending: TypeAlias = Literal["settled", "minutes", "last look"]


@dataclass(frozen=True, slots=True)
class LooksTaken:
    """The looks of a study at one corpus: which were planned, which were taken, and with what result."""

    planned: tuple[int, ...]  # draws by look
    ended: int  # index of the last look that was taken
    ending: Ending  # why no other look followed
    settled: Mapping[str, int]  # arm → index of the look after which it got no more draws
    first: int  # number of the study's first draw
    level: float  # of the study, shared by its looks
    resolution: float  # difference that the study looks for, as a share of 1

    @property
    def levels(self) -> tuple[float, ...]:
        """The level of the intervals of every look."""
        return tuple(level_of(k, len(self.planned), self.level) for k in range(len(self.planned)))


def level_of(look: int, looks: int, level: float) -> float:
    """Return the level of the tests and intervals of one look.

    Args:
        look: its index, from 0.
        looks: that are planned.
        level: of the whole study, such as 0.95.

    >>> [round(level_of(k, 3, 0.95), 4) for k in range(3)]
    [0.9964, 0.9857, 0.9679]
    """
    total = sum(k**2 for k in range(1, looks + 1))
    return 1 - (1 - level) * (look + 1) ** 2 / total


def at_look(f: "Frame", taken: LooksTaken, look: int) -> "Frame":
    """Return what was known at one look: the draws until then, at the look's level."""
    end = taken.first + taken.planned[look]
    scores = {
        key: m.until(end) for key, m in f.scores.items() if any(draw < end for draw in m.draws)
    }
    return replace(f, scores=scores, level=taken.levels[look], looks=None)


def judged_at(taken: LooksTaken, look: int, arms: Collection[str]) -> Sequence[str]:
    """Return the arms whose claims are those of this look: settled then, or not before the last."""
    return [a for a in sorted(arms) if taken.settled.get(a, taken.ended) == look]
