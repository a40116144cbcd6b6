"""How often the statements of the analysis are true, over simulated studies; `make calibrate` prints it.

Every study goes through the functions that analyse a real one (claims, multipliers, to_target), failed
cells included; the four families of curves take turns. Families of many claims: `families`.
"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from datayield.analysis import claims, comparisons, labels_needed
from datayield.analysis.claim_statements import ArmDifference
from datayield.analysis.curve_tests import CurveTest
from datayield.analysis.extrapolate import at_least, bounds
from datayield.analysis.frame import Frame
from datayield.analysis.intervals import Population
from datayield.analysis.multipliers import LabelRange, at, interpolation
from datayield.analysis.scores import Measured, Scores, curve_draws, curve_of
from datayield.analysis.statements import ArmDescription
from tests.calibration import families, races
from tests.calibration.simulate import (
    ARM_BUDGETS,
    FAMILIES,
    Floats,
    Made,
    Study,
    make,
    true_multiplier,
    true_shared_multiplier,
    truth,
)

DRAWS = (3, 5, 10, 20)
WORTH = {"arm": 1.6, "double": 2.0, "useless": 1.0}
AT = 400  # labels at which coverage is counted
TARGET = 500.0  # labels whose true accuracy is the target
NAMES = {
    "difference": "difference covered, this pool",
    "difference, new texts": "difference covered, new texts",
    "multiplier": "multiplier not rejected, this pool",
    "multiplier's range": "the same, as the printed range",
    "multiplier's range, new texts": "multiplier in the printed range, new texts",
    "shared multiplier": "one multiplier for all budgets, in its range",
    "target": "labels to target not rejected, this pool",
    "target's range": "the same, as the printed range",
    "target's range, new texts": "labels to target in the printed range, new texts",
    "refused": "ranges refused though in the measured range",
    "open": "multipliers with an open end",
    "useless better": "a useless arm declared better",
    "double found": "an arm worth 2x declared better",
    "beyond: score": "score at twice the largest budget above its one-sided bound",
    "beyond: labels": "labels beyond the largest budget above their one-sided bound",
    "tuning ignored": "difference covered if the searches were not conditioned on",
}
Counts = dict[str, list[float]]


def study_of(draws: int, seed: int) -> Study:
    """The seed-th study: finite pool, one tuning per arm, 2 % missing and 0.2 % failed cells."""
    family = list(FAMILIES)[seed % len(FAMILIES)]
    return Study(
        draws=draws, effects=WORTH, family=family, tuning_sd=0.05, missing=0.02, failed=0.002
    )


def frame(study: Study, made: Made, population: Population = "pool") -> Frame:
    """The simulated study as the analysis sees it."""
    scores: Scores = {}
    for arm, curve in made.cells.items():
        for n, hits in curve.items():
            there = np.flatnonzero(~np.isnan(hits[:, 0]))
            if len(there):
                scores[f"lstm:{arm}", n] = _measured(hits[there], tuple(there.tolist()))
    arms = {
        f"lstm:{a}": ArmDescription("plain" if a == "plain" else "strategy") for a in made.cells
    }
    return Frame(scores, arms, "lstm:plain", 0.95, population, study.pool)


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
        found = claims.differences(f)
        d = next((x for x in found if (x.arm, x.n) == ("lstm:arm", AT)), None)
        known = d is not None and d.difference.low is not None
        if known:
            low, high = d.difference.low, d.difference.high
            yield f"difference{suffix}", low <= gap <= high
        worth = true_multiplier(study, made, "arm", AT, population)
        every = comparisons.multipliers(f, None)
        m = next((x.multiplier for x in every if (x.arm, x.n) == ("lstm:arm", AT)), None)
        target = truth(study, made, "plain", TARGET, population)
        goals = comparisons.to_target(f, target)
        goal = next((t.labels for t in goals if t.arm == "lstm:plain"), None)
        for name, value, got in (("multiplier", worth, m), ("target", TARGET, goal)):
            answered = got is not None and got.reason is None
            if answered:
                covered = (got.low or 0) <= value <= (got.high or np.inf)
                yield f"{name}'s range{suffix}", covered
            if population == "pool":
                yield "refused", not answered
        if population == "pool":
            yield from _kept(f, worth, target)
            yield from _shared(study, made, f)
        if population == "pool" and seed % 5 == 0:
            yield from _beyond(study, made, f)
        if population == "pool":
            yield from _pool_only(study, made, found, m, goal, d if known else None)


def _shared(study: Study, made: Made, f: Frame) -> Iterator[tuple[str, float]]:
    """Whether the range of the one multiplier for all budgets holds the true one."""
    every = comparisons.shared_multipliers(f)
    m = next((x.multiplier for x in every if x.arm == "lstm:arm"), None)
    if m is not None and m.reason is None and m.budgets == ARM_BUDGETS:
        worth = true_shared_multiplier(study, made, "arm")
        yield "shared multiplier", (m.low or 0) <= worth <= (m.high or np.inf)
        if m.low is not None and m.high is not None:
            yield "ratio of the shared multiplier's ends", m.high / m.low


def _kept(f: Frame, worth: float, target: float) -> Iterator[tuple[str, float]]:
    """Whether the tests behind the ranges keep the true values (a range is the hull of what they keep)."""
    arm, plain = f.scores.get(("lstm:arm", AT)), labels_needed.whole_curve(f, "lstm:plain")
    if arm is not None:
        draws = curve_draws(f.scores, "lstm:plain", arm.draws)
        curve = curve_of(f.scores, "lstm:plain", draws)
        if len(draws) > 1 and len(curve) > 1:
            test = CurveTest(arm.on(draws), curve, f.level, f.peers("lstm:arm", (AT,), draws))
            weights = interpolation(sorted(curve), np.log([worth * AT]))
            yield "multiplier", not test.rejected(weights, np.zeros(1), "pool")[0]
    yield "target", not f.interval(at(plain, TARGET) - target, AT).excludes_zero


def _pool_only(
    study: Study,
    made: Made,
    found: Sequence[ArmDifference],
    m: LabelRange | None,
    goal: LabelRange | None,
    d: ArmDifference | None,
) -> Iterator[tuple[str, float]]:
    helps = {(x.arm, x.n) for x in found if x.claim is not None and x.claim.verdict == "helps"}
    yield "double found", any(arm == "lstm:double" for arm, _ in helps)
    # A search or a pool that favours the arm makes it truly better: then nothing is declared wrongly.
    unfavoured = [
        n for n in ARM_BUDGETS if truth(study, made, "useless", n) <= truth(study, made, "plain", n)
    ]
    if unfavoured:
        yield "useless better", any(("lstm:useless", n) in helps for n in unfavoured)
    if m is not None and m.reason is None:
        yield "open", m.low is None or m.high is None
        if m.low is not None and m.high is not None:
            yield "width of the multiplier", m.high - m.low
    if goal is not None and goal.low is not None and goal.high is not None:
        yield "width of the labels to target", goal.high - goal.low
    if d is not None:
        still = {arm: dict.fromkeys(shifts, 0.0) for arm, shifts in made.tuning.items()}
        untuned = Made({}, still, made.pool_shift)
        gap = truth(study, untuned, "arm", AT) - truth(study, untuned, "plain", AT)
        yield "tuning ignored", d.difference.low <= gap <= d.difference.high
        yield "width of the difference", d.difference.high - d.difference.low


def _beyond(study: Study, made: Made, f: Frame) -> Iterator[tuple[str, float]]:
    """One-sided statements beyond the largest budget, where the curve allows them."""
    curve, seen = labels_needed.extrapolated(f, "lstm:plain")
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
    Bound("shared multiplier", 0.93),
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
        ("ratio of the shared multiplier's ends", 1, ""),
        ("width of the labels to target", 1, " labels"),
    ):
        widths = [f"{scale * np.median(c.get(name, [np.nan])):.3g}{unit}" for c in found.values()]
        lines.append(f"| median {name} (closed ranges) | {' | '.join(widths)} |")
    return "\n".join(lines)


def main() -> int:
    """Print the tables; exit code 1 where a bound is broken."""
    parser = ArgumentParser(description="Coverage of the intervals over simulated studies.")
    parser.add_argument("--studies", type=int, default=2000, help="per column or kind of study")
    parser.add_argument("--only", choices=("curves", "families", "looks", "races"))
    arguments = parser.parse_args()
    studies, wrong = arguments.studies, []
    if arguments.only in (None, "families"):
        kinds = {case.name: families.run(case, studies) for case in families.CASES}
        print(f"{studies} simulated studies per row, nominal 95 %\n\n{families.table(kinds)}\n")
        print(f"{families.visible_table()}\n")
        wrong += families.broken(kinds, studies)
    if arguments.only in (None, "looks"):
        plans = {plan.case.name: families.run_by_looks(plan, studies) for plan in families.LOOKS}
        print(f"{families.looks_table(plans)}\n")
        wrong += families.broken_looks(plans, studies)
    if arguments.only in (None, "races"):
        raced = {case.name: races.run(case, studies) for case in races.RACES}
        print(f"{races.table(raced)}\n")
        wrong += races.broken(raced, studies)
    if arguments.only in (None, "curves"):
        found = {d: run(d, studies) for d in DRAWS}
        print(f"{studies} simulated studies per column, nominal 95 %\n\n{table(found)}")
        wrong += [line for d, counts in found.items() for line in broken(d, counts)]
    print("\n".join(["", *wrong]) if wrong else "\nevery bound holds")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
