"""How often the statements of the analysis are true, over simulated studies; `make calibrate` prints it.

Every study goes through the functions that analyse a real one (compare.differences, multipliers,
to_target), failed cells included; the four families of curves take turns.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from datayield.stats import compare, need
from datayield.stats.curves import at
from datayield.stats.outlook import at_least, bounds
from datayield.stats.scores import Measured, Scores, curve_of
from tests.calibration.simulate import (
    FAMILIES,
    Floats,
    Made,
    Study,
    make,
    true_multiplier,
    truth,
)

DRAWS = (3, 5, 10)
WORTH = {"arm": 1.6, "double": 2.0, "useless": 1.0}
AT = 400  # labels at which coverage is counted
TARGET = 500.0  # labels whose true accuracy is the target
NAMES = {
    "difference": "difference covered, this pool",
    "difference, new texts": "difference covered, new texts",
    "multiplier": "multiplier not rejected, this pool",
    "multiplier's range": "the same, as the printed range",
    "multiplier's range, new texts": "multiplier in the printed range, new texts",
    "target": "labels to target not rejected, this pool",
    "target's range": "the same, as the printed range",
    "target's range, new texts": "labels to target in the printed range, new texts",
    "refused": "ranges refused though in the measured range",
    "open": "multipliers with an open end",
    "useless better": "a useless arm declared better",
    "double found": "an arm worth 2x declared better",
    "beyond: score": "score at twice the largest budget above its one-sided bound",
    "beyond: labels": "labels beyond the largest budget above their one-sided bound",
    "tuning ignored": "difference covered if the one tuning were not conditioned on",
}
Counts = dict[str, list[float]]
Row = dict[str, Any]


def study_of(draws: int, seed: int) -> Study:
    """The seed-th study: finite pool, one tuning per arm, 2 % missing and 0.2 % failed cells."""
    family = list(FAMILIES)[seed % len(FAMILIES)]
    return Study(
        draws=draws, effects=WORTH, family=family, tuning_sd=0.05, missing=0.02, failed=0.002
    )


def frame(study: Study, made: Made, population: compare.Population = "pool") -> compare.Frame:
    """The simulated study as the analysis sees it."""
    scores: Scores = {}
    for arm, curve in made.cells.items():
        for n, hits in curve.items():
            there = np.flatnonzero(~np.isnan(hits[:, 0]))
            if len(there):
                scores[f"lstm:{arm}", n] = _measured(hits[there], tuple(there.tolist()))
    role = {"plain": "plain"}
    arms = {f"lstm:{a}": {"role": role.get(a, "strategy")} for a in made.cells}
    return compare.Frame(scores, arms, "lstm:plain", 0.95, population, study.pool)


def _measured(hits: Floats, draws: tuple[int, ...]) -> Measured:
    return Measured(draws, hits, hits, hits.mean(1), len(draws))


def one(draws: int, seed: int) -> Iterator[tuple[str, float]]:
    """(what was counted, value) for one study."""
    study = study_of(draws, seed)
    made = make(study, seed)
    for population, suffix in (("pool", ""), ("new_texts", ", new texts")):
        f = frame(study, made, population)
        gap = truth(study, made, "arm", AT, population) - truth(
            study, made, "plain", AT, population
        )
        found = compare.differences(f)
        d = next((x for x in found if (x["arm"], x["n"]) == ("lstm:arm", AT)), None)
        known = d is not None and d["difference"]["low"] is not None
        if known:
            low, high = d["difference"]["low"], d["difference"]["high"]
            yield f"difference{suffix}", low <= gap <= high
        worth = true_multiplier(study, made, "arm", AT, population)
        every = compare.multipliers(f, None)
        m = next((x for x in every if (x["arm"], x["n"]) == ("lstm:arm", AT)), None)
        target = truth(study, made, "plain", TARGET, population)
        (goal,) = [t for t in compare.to_target(f, target) if t["arm"] == "lstm:plain"] or [None]
        for name, value, got in (("multiplier", worth, m), ("target", TARGET, goal)):
            answered = got is not None and got["reason"] is None
            if answered:
                covered = (got["low"] or 0) <= value <= (got["high"] or np.inf)
                yield f"{name}'s range{suffix}", covered
            if population == "pool":
                yield "refused", not answered
        if population == "pool":
            yield from _kept(f, worth, target)
        if population == "pool" and seed % 5 == 0:
            yield from _beyond(study, made, f)
        if population == "pool":
            yield from _pool_only(study, made, found, m, goal, d if known else None)


def _kept(f: compare.Frame, worth: float, target: float) -> Iterator[tuple[str, float]]:
    """Whether the tests behind the ranges keep the true values (a range is the hull of what they keep)."""
    arm, plain = f.scores.get(("lstm:arm", AT)), need.whole_curve(f, "lstm:plain")
    if arm is not None:
        curve = curve_of(f.scores, "lstm:plain", arm.draws)
        yield "multiplier", not f.interval(arm.values - at(curve, worth * AT), AT).excludes_zero
    yield "target", not f.interval(at(plain, TARGET) - target, AT).excludes_zero


def _pool_only(
    study: Study, made: Made, found: list[Row], m: Row | None, goal: Row | None, d: Row | None
) -> Iterator[tuple[str, float]]:
    better = {
        arm: any(
            x.get("differs") and x["difference"]["estimate"] > 0 for x in found if x["arm"] == arm
        )
        for arm in ("lstm:useless", "lstm:double")
    }
    yield "double found", better["lstm:double"]
    # A tuning or a pool that favours the arm makes it truly better: then nothing is declared wrongly.
    own, plain = (made.tuning[a] + made.pool_shift[a] for a in ("useless", "plain"))
    if own <= plain:
        yield "useless better", better["lstm:useless"]
    if m is not None and m["reason"] is None:
        yield "open", m["low"] is None or m["high"] is None
        if m["low"] is not None and m["high"] is not None:
            yield "width of the multiplier", m["high"] - m["low"]
    if goal is not None and goal["low"] is not None and goal["high"] is not None:
        yield "width of the labels to target", goal["high"] - goal["low"]
    if d is not None:
        untuned = Made({}, dict.fromkeys(made.tuning, 0.0), made.pool_shift)
        gap = truth(study, untuned, "arm", AT) - truth(study, untuned, "plain", AT)
        yield "tuning ignored", d["difference"]["low"] <= gap <= d["difference"]["high"]
        yield "width of the difference", d["difference"]["high"] - d["difference"]["low"]


def _beyond(study: Study, made: Made, f: compare.Frame) -> Iterator[tuple[str, float]]:
    """One-sided statements beyond the largest budget, where the curve allows them."""
    curve, seen = need.look(f, "lstm:plain")
    if seen.reason is not None:
        return
    b, largest = bounds(curve, seen), max(curve)
    yield "beyond: score", b.low[-1] <= truth(study, made, "plain", 2.0 * largest)
    wanted = 1.5 * largest
    least = at_least(b, truth(study, made, "plain", wanted))
    yield "beyond: labels", least is not None and least <= wanted


def run(draws: int, studies: int) -> Counts:
    """Everything counted over this many studies."""
    counts: Counts = {}
    for seed in range(studies):
        for name, value in one(draws, seed):
            counts.setdefault(name, []).append(float(value))
    return counts


@dataclass(frozen=True)
class Bound:
    """What must hold of a share; three standard errors of its own count are allowed for."""

    name: str
    low: float = 0.0
    high: float = 1.0
    draws: tuple[int, ...] = DRAWS


COVERED = ("difference", "multiplier", "target")
BOUNDS = (
    *(Bound(name, 0.93, 0.97) for name in COVERED),
    # A printed range is the hull of all values that the test keeps: it may cover more, never less.
    *(Bound(f"{name}'s range", 0.93) for name in ("multiplier", "target")),
    # All of the draws' variance is widened, the trainings' share of it too: cautious by definition.
    Bound("difference, new texts", 0.93),
    *(Bound(f"{name}'s range, new texts", 0.93) for name in ("multiplier", "target")),
    Bound("refused", high=0.05),
    Bound("useless better", high=0.025),
    Bound("double found", low=0.8, draws=(10,)),
    Bound("beyond: score", low=0.95),
    Bound("beyond: labels", low=0.95),
)


def broken(draws: int, counts: Counts, slack: float = 0.0) -> list[str]:
    """The bounds that these counts break by more than `slack` standard errors."""
    out = []
    for b in BOUNDS:
        values = counts.get(b.name, [])
        if draws not in b.draws or not values:
            continue
        share, size = float(np.mean(values)), len(values)
        low = b.low - slack * (b.low * (1 - b.low) / size) ** 0.5
        high = b.high + slack * (b.high * (1 - b.high) / size) ** 0.5
        if not low <= share <= high:
            out.append(f"{draws} draws: {b.name} is {share:.4f}, wanted {b.low:g} to {b.high:g}")
    return out


def table(found: dict[int, Counts]) -> str:
    """The counts as a Markdown table."""
    lines = [
        "| | " + " | ".join(f"{d} draws" for d in found) + " |",
        "|---" * (1 + len(found)) + "|",
    ]
    for name, words in NAMES.items():
        shares = [f"{100 * np.mean(c.get(name, [np.nan])):.1f} %" for c in found.values()]
        lines.append(f"| {words} | {' | '.join(shares)} |")
    for name, scale, unit in (
        ("width of the difference", 100, " points"),
        ("width of the multiplier", 1, "×"),
        ("width of the labels to target", 1, " labels"),
    ):
        widths = [f"{scale * np.median(c.get(name, [np.nan])):.3g}{unit}" for c in found.values()]
        lines.append(f"| median {name} (closed ranges) | {' | '.join(widths)} |")
    return "\n".join(lines)


def main() -> int:
    """Print the table; exit code 1 where a bound is broken."""
    parser = ArgumentParser(description="Coverage of the intervals over simulated studies.")
    parser.add_argument("--studies", type=int, default=2000, help="per number of draws")
    studies = parser.parse_args().studies
    found = {d: run(d, studies) for d in DRAWS}
    print(f"{studies} simulated studies per column, nominal 95 %\n\n{table(found)}")
    wrong = [line for d, counts in found.items() for line in broken(d, counts)]
    print("\n".join(["", *wrong]) if wrong else "\nevery bound holds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
