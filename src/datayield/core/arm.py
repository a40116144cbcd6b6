"""Names arms: how they are written in params.yaml, in tables and in reports."""

from dataclasses import dataclass
from typing import Self

BLEND, WEIGHTED = "blend", "weighted"
BLENDS = (BLEND, WEIGHTED)
"""Ways to pool the probabilities of members: their mean, or a product with exponents fitted inside n."""
MOST_SEEDS = 100  # of one member of a blend


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to use the data: `lstm:eda_nn+mixup_word`, `tfidf`, `lstm:lm*4`, `blend(lstm:lm*4, tfidf)`.

    `members` are the arms whose probabilities are pooled; an arm that trains has none.
    """

    architecture: str  # a name in BLENDS for an arm that pools different arms
    strategies: tuple[str, ...] = ()  # canonical order; () for baselines that are not networks
    members: tuple["Member", ...] = ()

    def __str__(self) -> str:
        if self.members:
            names = ", ".join(map(str, self.members))
            return f"{self.architecture}({names})" if self.architecture in BLENDS else names
        names = "+".join(self.strategies)
        return f"{self.architecture}:{names}" if names else self.architecture

    @classmethod
    def named(cls, text: str) -> Self:
        """Return the arm that is written so; whether its names exist is not checked.

        Raises:
            ValueError: a blend's bracket does not end the text, or a number of seeds is none.
        """
        kind, bracket, inside = text.partition("(")
        if bracket and kind in BLENDS:
            if not text.endswith(")"):
                raise ValueError("the closing bracket of the blend is missing")
            if "(" in inside:
                raise ValueError("a blend cannot hold a blend; name the members of both in one")
            members = (Member.named(part.strip()) for part in inside[:-1].split(","))
            return cls(kind, (), tuple(members))
        if "*" in text:
            member = Member.named(text)
            return cls(member.arm.architecture, (), (member,))
        architecture, _, names = text.partition(":")
        return cls(architecture, tuple(names.split("+")) if names else ())


@dataclass(frozen=True, slots=True)
class Member:
    """An arm of which a blend takes the mean of so many trainings, with different seeds."""

    arm: Arm
    count: int = 1

    def __str__(self) -> str:
        return f"{self.arm}*{self.count}" if self.count > 1 else str(self.arm)

    @classmethod
    def named(cls, text: str) -> Self:
        """Return the member that is written so.

        Raises:
            ValueError: as `Arm.named`.
        """
        name, star, count = text.partition("*")
        if star and not (count.isascii() and count.isdigit() and 1 <= int(count) <= MOST_SEEDS):
            raise ValueError(
                f'expected a number of seeds from 1 to {MOST_SEEDS} after "*", got "{count}"'
            )
        return cls(Arm.named(name), int(count) if star else 1)
