"""`plan`: cells, trials and the time they take, before anything runs."""

import argparse
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from datayield import environment
from datayield.commands import common
from datayield.errors import UserError

if TYPE_CHECKING:
    from datayield.config import Params
    from datayield.grid import Scope
    from datayield.regimes import Search
    from datayield.types import Arm, Cell


def add(commands: "common.Commands") -> None:
    """The planning command."""
    plan = common.command(
        commands,
        "plan",
        "what would be computed, before anything runs",
        "datayield plan",
        "datayield plan --json",
    )
    common.listing(plan)
    plan.set_defaults(run=_plan)


def _plan(options: argparse.Namespace) -> None:
    params = common.checked_params()
    found = planned(params, params.study.corpora)
    print(common.as_json(found) if options.json else "\n".join(lines(found)) + "\n", end="")


def planned(params: "Params", names: Sequence[str]) -> dict[str, Any]:
    """Cells, searches and their predicted seconds, per corpus and in all.

    Raises:
        UserError: when a corpus is not built yet.
    """
    from datayield import corpora, cost, grid, probe, regimes, stages
    from datayield.cells import CellStore

    store = CellStore(common.ROOT / "state" / "cells")
    missing: list[Cell] = []
    trials: list[Cell] = []
    out: list[dict[str, Any]] = []
    for name in names:
        folder = stages.folder(common.ROOT, name)
        if not (folder / "corpus.arrow").exists():
            raise UserError(f"{folder} is not built yet. Run `dvc repro corpus@{name}` first.")
        entries, notices = grid.entries(params, len(corpora.load(folder).texts))
        scope = _scope(params, name)
        searches = regimes.searches(params, scope, stages.metric(params, name, common.ROOT))
        left = _left(name, searches)
        cells = _cells(params, name, scope, {(s.cell.arm, s.cell.n) for s, _ in left})
        open_cells = [c for c in cells if not store.has(grid.key(c))]
        missing += open_cells
        trials += [cell for s, more in left for cell in regimes.foreseen(s, more)]
        out.append(
            {
                "corpus": name,
                "cells": len(cells),
                "done": len(cells) - len(open_cells),
                "per_budget": params.study.draws * params.study.seeds,
                "budgets": dict(Counter(str(arm) for arm, _ in entries)),
                "searches": len(searches),
                "trials": params.tuning.trials,
                "notices": notices,
            }
        )
    device = environment.device(params.execution.device)
    workers = environment.workers(params.execution.workers, device)
    machine = partial(probe.slower, device, params.execution.precision)
    shapes = stages.shapes(common.ROOT)
    model = cost.fit(store.rows(), shapes, machine, device)
    return {
        "corpora": out,
        "missing": len(missing),
        "seconds": cost.wall(missing, shapes, model, workers),
        "search_seconds": cost.wall(trials, shapes, model, workers, True) if trials else None,
        "prune": params.tuning.prune,
        "workers": workers,
        "fitted_on": model.cells,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """A plan in words."""
    from datayield.progress import duration

    out = []
    for c in found["corpora"]:
        each = c["per_budget"]
        out.append(
            f"{c['corpus']}: {c['cells']} cells ({each} per arm and budget), {c['done']} done"
        )
        out += [f"  {a:24} {n:3} budgets  {n * each:4} cells" for a, n in c["budgets"].items()]
        out += [f"  notice: {sentence}" for sentence in c["notices"]]
        if c["searches"]:
            out.append(f"  tuning: {c['searches']} searches of {c['trials']} trials")
    source = (
        f"fitted on {found['fitted_on']} cells" if found["fitted_on"] else "from a short training"
    )
    out.append(
        f"to compute: {found['missing']} cells, about {duration(found['seconds'])} with"
        f" {found['workers']} workers ({source})"
    )
    if found["search_seconds"] is not None:
        seconds = duration(found["search_seconds"])
        most = "at most " if found["prune"] else ""
        out.append(f"before that: the searches' trainings, {most}about {seconds}")
    return out


def _scope(params: "Params", name: str) -> "Scope":
    """Of a corpus; before its data stages one of which no cell counts as done."""
    from datayield import corpora, grid, stages

    try:
        return stages.scope(params, name, common.ROOT)
    except UserError:
        pool = len(corpora.load(stages.folder(common.ROOT, name)).texts)
        return grid.Scope(name, pool, "not built", defaultdict(str))


def _cells(
    params: "Params", name: str, scope: "Scope", open_regimes: "set[tuple[Arm, int]]"
) -> "tuple[Cell, ...]":
    """The cells of a corpus with the settings that were searched, untuned where none are known."""
    from datayield import grid, regimes, table

    path = common.ROOT / "results" / name / "settings.json"
    known = table.read_json(path) if path.exists() else {}
    chosen: dict[str, dict[str, Any]] = {}
    for arm, n in grid.entries(params, scope.pool)[0]:
        by = regimes.served(params, arm, n) if params.tuning.trials else None
        searched = by is not None and by not in open_regimes
        found = known.get(str(n), {}).get(str(arm)) if searched else None
        untuned = {grid.ALL: grid.default_settings(params, arm, n)}
        chosen.setdefault(str(n), {})[str(arm)] = found or untuned
    return grid.make(params, scope, chosen).cells


def _left(name: str, searches: "Sequence[Search]") -> "list[tuple[Search, int]]":
    """The searches that trials.parquet does not hold to their end, and how many trials they lack."""
    from datayield import table

    path = common.ROOT / "results" / name / "trials.parquet"
    rows = table.read(path, table.TRIALS) if path.exists() else table.TRIALS.empty_table()
    done = Counter(rows["search"].to_pylist())
    return [(s, s.trials - done[s.name]) for s in searches if done[s.name] < s.trials]
