"""Writes the section on a race: how many strategies were screened, by what, and which went on."""

from datayield.analysis.race_statements import RaceTaken
from datayield.analysis.statistics import CorpusStatistics
from datayield.report import wording
from datayield.report.section import Section, Table

SHOWN = 12  # strategies in the table; the others are in tables/race.csv


def screening(c: CorpusStatistics) -> Section:
    """Show how the strategies of a race were ranked."""
    if c.race is None:
        return Section("How the strategies were screened")
    race = c.race
    until, every = _draws_until(race), ranked(race)
    gains = [{x.arm: x.gain for x in r.ranked} for r in race.rounds]
    rows = tuple(
        (
            arm,
            *(wording.signed(100 * of[arm]) if arm in of else "–" for of in gains),
            "yes" if arm in kept(race) else "no",
        )
        for arm in every[:SHOWN]
    )
    more = len(every) - len(rows)
    table = Table(
        f"Mean score on {race.texts:,} labelled texts of no budget, minus {race.baseline}'s, in points",
        ("strategy", *(f"{d} draws" for d in until), "compared on fresh draws"),
        rows,
    )
    note = (
        f"{len(every)} strategies were trained on {until[-1]} draws of their own, fewer with each"
        f" round, and ranked by {race.texts:,} texts at the end of each draw, whose labels no budget"
        " pays for. Such a ranking needs more labels than a user has; it serves to choose what is worth"
        " comparing. These gains carry no interval and no claim: the best of many are partly lucky. All"
        " other sections are about the fresh draws, which no round has seen."
    )
    rest = f" The other {more} are in tables/race.csv." if more else ""
    return Section("How the strategies were screened", (note + rest,), (table,))


def sentence(c: CorpusStatistics) -> list[str]:
    """Say what the race left, for the answer; [] without a race."""
    if c.race is None:
        return []
    return [
        f"Of {len(ranked(c.race))} strategies, {wording.listed(kept(c.race))} did best on labelled texts that"
        " no budget uses. What follows compares them on draws that this choice has not seen."
    ]


def ranked(race: RaceTaken) -> list[str]:
    """Return all strategies: the later the round that ranked them, and the higher, the earlier."""
    return list(dict.fromkeys(x.arm for r in reversed(race.rounds) for x in r.ranked))


def kept(race: RaceTaken) -> list[str]:
    """Return the strategies that were compared on fresh draws, the best first."""
    last = race.rounds[-1]
    return [x.arm for x in last.ranked[: last.keep]]


def _draws_until(race: RaceTaken) -> list[int]:
    """Return the number of draws behind the gains of every round."""
    draws = [r.draws for r in race.rounds]
    return [sum(draws[: k + 1]) for k in range(len(draws))]
