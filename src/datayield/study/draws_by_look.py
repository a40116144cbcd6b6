"""Adds draws to a study at looks: first few, then more for strategies that earlier ones do not settle.

Which cells are computed depends on rows alone (with a limit of minutes on their recorded seconds too), so
a study that is interrupted goes on as it would have.
"""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from datayield.config.params import Study
from datayield.core.types import Cell, Row
from datayield.study.grid import Grid

Judge: TypeAlias = Callable[[Mapping[str, Any], Mapping[str, Row]], Sequence[str]]
"""Return the strategies that a look settles, from the content of study.json and the rows until then."""


class DrawsByLook:
    """The looks of one corpus, in turn; a study with a fixed number of draws has one."""

    def __init__(self, study: Study, planned: Grid, judge: Judge, workers: int) -> None:
        """Begin with the first look.

        Args:
            study: the study.
            planned: its grid at this corpus.
            judge: says which strategies a look settles; not asked at the last look.
            workers: that share the rows' seconds.
        """
        self._study, self._planned, self._judge, self._workers = study, planned, judge, workers
        self._ends = study.looks.looks if study.looks else (study.draws,)
        self._open = {arm for arm, d in planned.arms.items() if d["role"] == "strategy"}
        self._settled: dict[str, int] = {}
        self._look = 0
        self._ending: str | None = None

    def __iter__(self) -> Iterator[Sequence[Cell]]:
        """Yield the cells of each look; `judge` must be called in between."""
        while True:
            yield self.cells
            if self._ending is not None:
                return
            self._look += 1

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells of all looks until this one: those of a settled arm until it was settled."""
        first = self._study.first_draw

        def end(cell: Cell) -> int:
            return first + self._ends[min(self._settled.get(str(cell.arm), self._look), self._look)]

        return tuple(c for c in self._planned.cells if c.draw < end(c))

    @property
    def name(self) -> str:
        """How messages call this look."""
        return f" (look {self._look + 1} of {len(self._ends)})" if self._study.looks else ""

    @property
    def taken(self) -> dict[str, Any]:
        """What study.json says of the looks until this one; nothing for a fixed number of draws."""
        if self._study.looks is None:
            return {}
        looks = {
            "planned": list(self._ends),
            "ended": self._look,
            "ending": self._ending or "last look",
            "settled": dict(sorted(self._settled.items())),
            "first": self._study.first_draw,
            "resolution": self._study.looks.resolution / 100,
        }
        return {"looks": looks}

    def judge(self, known: Mapping[str, Any], rows: Mapping[str, Row]) -> None:
        """Decide which arms go on, and whether another look follows.

        Args:
            known: the rest of study.json.
            rows: of all looks until now.
        """
        study, last = self._study, self._look + 1 == len(self._ends)
        if study.looks is None or last:
            self._ending = "last look"
            return
        if not self._open:  # no strategy waits for a verdict: every draw was asked for
            return
        found = [arm for arm in self._judge({**known, **self.taken}, rows) if arm in self._open]
        going = self._open - set(found)
        trained = (r for r in rows.values() if not r.cell.arm.members)  # blends take no time
        minutes = sum(r.cost.cell_seconds for r in trained) / self._workers / 60
        growth = self._ends[self._look + 1] / self._ends[self._look]
        if not going:
            self._ending = "settled"
        elif study.looks.minutes is not None and minutes * growth > study.looks.minutes:
            self._ending = "minutes"
        else:
            idle = self._controls(going | set(found)) - self._controls(going)
            self._settled |= dict.fromkeys([*found, *idle], self._look)
        self._open = going
        if found or self._ending:
            self._tell(found, going)

    def _controls(self, arms: set[str]) -> set[str]:
        """Return the controls of these arms that the study has."""
        named = {self._planned.arms[a].get("control") for a in arms}
        return {arm for arm in self._planned.arms if arm in named}

    def _tell(self, found: Sequence[str], going: set[str]) -> None:
        draws = self._ends[self._look]
        what = f"settled: {', '.join(found)}" if found else "nothing settled"
        then = {None: f"{len(going)} go on", "settled": "all are settled"}.get(
            self._ending, "the next look would take too long"
        )
        print(f"after {draws} draws: {what}; {then}", file=sys.stderr)
