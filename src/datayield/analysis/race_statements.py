"""Defines what a report says of a race: how strategies were ranked, and which went on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RankedArm:
    """One strategy in a round of a race."""

    arm: str
    gain: float  # mean validation score minus the baseline's, on all draws so far


@dataclass(frozen=True, slots=True)
class RoundTaken:
    """One round of a race: what it added, and how it ranked."""

    draws: int  # that the round added
    keep: int  # strategies that went on
    ranked: tuple[RankedArm, ...]  # the best first


@dataclass(frozen=True, slots=True)
class RaceTaken:
    """The screening of a study's strategies; it decided which of them the claims are about."""

    baseline: str  # arm
    texts: int  # labelled texts, of no budget, that ranked the strategies in every draw
    rounds: tuple[RoundTaken, ...]
    screening: int  # number of the first screening draw
