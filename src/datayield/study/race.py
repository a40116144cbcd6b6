"""Ranks many strategies in rounds, on draws of their own, then computes the best on fresh draws.

A round ranks strategies by their mean validation score minus the baseline's, on labelled texts that no
budget uses. Claims come from the fresh draws alone, which no round has seen.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from datayield.config import Params
from datayield.core import seeds
from datayield.core.metrics import lead_metric
from datayield.core.types import Cell, Row
from datayield.study.grid import Grid

UNRANKED = ("plain", "baseline", "check")  # roles that are computed on the fresh draws in any case


class Race:
    """The rounds of one corpus, in turn; after the last one come the fresh draws."""

    def __init__(self, params: Params, planned: Grid) -> None:
        assert params.study.race is not None
        self._study, self._planned, self._rounds = params.study, planned, params.study.race.rounds
        self._baseline, self._metric = params.analysis.baseline, params.analysis.metric
        self._done: list[dict[str, Any]] = []  # by finished round, as study.json has them
        self._going = sorted({str(c.arm) for c in planned.screening} - {self._baseline})
        self._cells = self._of_round()
        self._ended = False

    def __iter__(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each round with those before it; `judge` must be called in between."""
        while not self._ended:
            yield self._cells

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of all rounds until this one."""
        return self._cells

    @property
    def name(self) -> str:
        """How messages call this round."""
        return f" (round {len(self._done) + 1} of {len(self._rounds) + 1})"

    @property
    def taken(self) -> dict[str, Any]:
        """What study.json says of the rounds until this one."""
        texts = self._planned.screening[0].identity["ranking_texts"]
        race = {"baseline": self._baseline, "texts": texts, "rounds": self._done}
        return {"race": race | {"screening": self._study.screening.start}}

    def judge(self, known: Mapping[str, Any], rows: Mapping[str, Row]) -> None:
        """Rank the strategies and keep the best; after the last round, ask for the fresh draws.

        Args:
            known: the rest of study.json.
            rows: of all rounds until now.
        """
        if len(self._done) == len(self._rounds):
            self._ended = True
            return
        metric, before = lead_metric(self._metric, known["majority_share"]), len(self._going)
        self.keep_best(gains(rows.values(), self._baseline, metric))
        print(f"of {before} strategies go on: {', '.join(self._going)}", file=sys.stderr)

    def keep_best(self, found: Mapping[str, float]) -> None:
        """End a round: keep the strategies with the largest gains, and add the cells that follow."""
        this = self._rounds[len(self._done)]
        ranked = sorted((a for a in self._going if a in found), key=lambda a: (-found[a], a))
        self._going = ranked[: this.keep]
        self._done.append(
            {
                "draws": this.draws,
                "keep": this.keep,
                "ranked": [{"arm": arm, "gain": found[arm]} for arm in ranked],
            }
        )
        over = len(self._done) == len(self._rounds)
        self._cells += self._fresh() if over else self._of_round()

    def _of_round(self) -> tuple[Cell, ...]:
        """Return the cells that the next round adds."""
        done = len(self._done)
        first = self._study.screening.start + sum(r.draws for r in self._rounds[:done])
        draws, wanted = (
            range(first, first + self._rounds[done].draws),
            {*self._going, self._baseline},
        )
        return tuple(c for c in self._planned.screening if c.draw in draws and str(c.arm) in wanted)

    def _fresh(self) -> tuple[Cell, ...]:
        """Return the cells of the fresh draws: what was kept, its controls, and what is not ranked."""
        arms = self._planned.arms
        controls = {arms[a].get("control") for a in self._going}
        wanted = {a for a in arms if arms[a]["role"] in UNRANKED or a in controls} | {*self._going}
        return tuple(c for c in self._planned.cells if str(c.arm) in wanted)


def foreseen(params: Params, planned: Grid) -> tuple[Cell, ...]:
    """Return as many cells as a race computes, as if chance decided which strategies go on."""
    race = Race(params, planned)
    assert params.study.race is not None
    names = sorted(planned.arms)
    chances = seeds.rng("race", "foreseen").random(len(names)).tolist()
    for _ in params.study.race.rounds:
        race.keep_best(dict(zip(names, chances, strict=True)))
    return race.cells


def gains(rows: Iterable[Row], baseline: str, metric: str) -> dict[str, float]:
    """Return every arm's mean validation score minus the baseline's: on common draws, then over budgets.

    Args:
        rows: of the screening draws.
        baseline: the arm that the others are compared with.
        metric: "accuracy" or "macro_f1".
    """
    scores: dict[str, dict[int, dict[tuple[int, int], float]]] = {}
    for row in rows:
        cell = row.cell
        score = row.validation_accuracy if metric == "accuracy" else row.validation_macro_f1
        at = scores.setdefault(str(cell.arm), {}).setdefault(cell.n, {})
        at[cell.draw, cell.seed] = score
    against = scores.pop(baseline, {})
    out = {}
    for arm, by_budget in sorted(scores.items()):
        means = [
            np.mean([by_draw[k] - against[n][k] for k in common])
            for n, by_draw in sorted(by_budget.items())
            if (common := sorted(by_draw.keys() & against.get(n, {}).keys()))
        ]
        if means:
            out[arm] = float(np.mean(means))
    return out
