"""Races of many strategies, simulated: what they claim wrongly, what they find, what their pick costs.

Each study is analysed twice: as a race, and with the same number of trainings spent on equal draws of
every strategy, whose claims are one family.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from datayield.analysis.intervals import p_values
from datayield.config.draw_plans import RacePlan
from tests.calibration.families import (
    THREE,
    Case,
    Floats,
    Trained,
    averaged,
    one_family,
    pooled,
    seen,
    train,
)

PLAN = RacePlan()
RACES = (
    Case("44 useless strategies", 44, PLAN.fresh, 4760, THREE),
    Case("44 useless, 500 test texts, one budget", 44, PLAN.fresh, 500, (300,)),
    Case("one gains 1.5 points", 44, PLAN.fresh, 4760, THREE, helped=1, gain=0.015),
    Case("one gains 5 points, 500 test texts", 44, PLAN.fresh, 500, (300,), helped=1, gain=0.05),
    Case("true effects spread by 1 point", 44, PLAN.fresh, 4760, THREE, tuning=0.01),
    Case("the same, 5 % of trainings fail", 44, PLAN.fresh, 4760, THREE, tuning=0.01, failing=0.05),
)


@dataclass(frozen=True)
class Outcome:
    """What a study claims about all strategies, and which one it would take."""

    claimed: Floats  # (arms, columns) sign of the claim, 0 where there is none
    pick: int


def judged(case: Case, trained: Trained, arms: Floats, rng: np.random.Generator) -> Outcome:
    """Claim about some arms as one family, and take the one with the best mean over budgets."""
    few = replace(case, arms=len(arms))
    t = seen(few, Trained(trained.gaps[arms], trained.truth[arms]), case.draws, rng)
    found = one_family(p_values(t.mean, *pooled(few, t)))
    claimed = np.zeros(trained.truth.shape)
    claimed[arms] = np.sign(t.mean) * found
    return Outcome(claimed, int(arms[np.argmax(t.mean[:, -1])]))


def race(case: Case, trained: Trained, rng: np.random.Generator) -> tuple[Outcome, int]:
    """Screen all strategies, then judge the best on the draws of `trained`; also count trainings."""
    # Other texts rank, the same in every draw here: a little worse than others in each, as in a study.
    luck = train(replace(case, texts=PLAN.texts, tuning=0.0, helped=0), rng).gaps[:, -1]
    going, draws, trainings = np.arange(case.arms), 0, 0
    for step in PLAN.rounds:
        draws += step.draws
        trainings += (len(going) + 1) * step.draws
        gain = trained.truth[going, -1] + luck[going, :draws].mean(1)
        going = going[np.argsort(-gain)[: step.keep]]
    trainings += (len(going) + 1) * PLAN.fresh
    return judged(case, trained, going, rng), trainings * len(case.budgets)


def one(case: Case, rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """(what was counted, value) for one study."""
    trained = train(case, rng)
    raced, trainings = race(case, trained, rng)
    each = trainings // (len(case.budgets) * (case.arms + 1))
    equal = replace(case, draws=each)
    less = Trained(trained.gaps[:, :, :each], trained.truth)
    flat = judged(equal, less, np.arange(case.arms), rng)
    yield "trainings", trainings
    for name, outcome in (("", raced), ("flat ", flat)):
        wrong = (outcome.claimed != 0) & (outcome.claimed != np.sign(trained.truth))
        yield f"{name}family", wrong.any()
        if case.helped:
            yield f"{name}found", (outcome.claimed[: case.helped] > 0).any()
        if case.helped or case.tuning:
            best = trained.truth[:, -1].max()
            yield f"{name}regret", 100 * (best - trained.truth[outcome.pick, -1])


def run(case: Case, studies: int) -> dict[str, float]:
    """Means of everything counted over this many studies."""
    rng = np.random.default_rng([2, case.arms, case.texts, len(case.budgets)])
    return averaged(one(case, rng) for _ in range(studies))


def table(found: dict[str, dict[str, float]]) -> str:
    """The counts as a Markdown table: equal draws of every strategy → race."""
    lines = [
        "| races | family-wise false claims | the gain found | points lost by the pick | trainings |",
        "|---|---|---|---|---|",
    ]
    for name, x in found.items():
        gain = f"{100 * x['flat found']:.0f} → {100 * x['found']:.0f} %" if "found" in x else "–"
        lost = f"{x['flat regret']:.2f} → {x['regret']:.2f}" if "regret" in x else "–"
        wrong = f"{100 * x['flat family']:.1f} → {100 * x['family']:.1f} %"
        lines.append(f"| {name} | {wrong} | {gain} | {lost} | {x['trainings']:.0f} |")
    return "\n".join(lines)


def broken(found: dict[str, dict[str, float]], studies: int, slack: float = 3.0) -> list[str]:
    """The races that claim wrongly more often than the level allows, by more than `slack` errors."""
    most = 0.05 + slack * (0.05 * 0.95 / studies) ** 0.5
    return [
        f"{name}: family-wise is {x['family']:.4f}, wanted <= 0.05"
        for name, x in found.items()
        if x["family"] > most
    ]
