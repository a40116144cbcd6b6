"""Counts the cells and trials of a study and predicts their time before anything runs."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.models import accelerator

if TYPE_CHECKING:
    from datayield.cells.store import CellStore
    from datayield.config import Params
    from datayield.core.arm import Arm
    from datayield.core.types import Cell, Corpus
    from datayield.study.grid import Grid, Scope
    from datayield.study.time_estimates import Shape, TimeModel
    from datayield.tuning.searches import SearchSpec

Estimate: TypeAlias = "tuple[Mapping[str, Shape], TimeModel, int]"
"""Shapes of the corpora by name, the model of time, and the number of workers."""


def planned(params: "Params", names: Sequence[str], root: Path) -> dict[str, Any]:
    """Count cells and searches and predict their seconds, per corpus and in total.

    Raises:
        UserError: if a corpus is not built yet.
    """
    from datayield.cells.store import CellStore
    from datayield.study.corpus_folder import corpus_folder

    store = CellStore(root / "state" / "cells")
    missing: list[Cell] = []
    trials: list[Cell] = []
    networks: dict[str, list[Cell]] = {}
    out: list[dict[str, Any]] = []
    for name in names:
        folder = corpus_folder(root, name)
        if not (folder / "corpus.arrow").exists():
            raise UserError(f"{folder} is not built yet. Run `dvc repro corpus@{name}` first.")
        counted, cells, searched = _counted(params, name, root)
        open_cells = [c for c in cells if not store.has(c.key)]
        missing += open_cells
        trials += searched
        networks[name] = [c for c in cells if "model" in c.settings]
        out.append({**counted, "cells": len(cells), "done": len(cells) - len(open_cells)})
    estimate = _estimate(params, store, root)
    for c in out:
        c["tokens_read"]["more"] = _ways_to_read_more(
            c["tokens_read"], networks[c["corpus"]], estimate
        )
    return {
        "corpora": out,
        "missing": len(missing),
        "looks": params.study.looks is not None,  # whether the study may end before its last draw
        "race": params.study.race is not None,  # whether the arms of the fresh draws are open
        **_seconds(params, missing, trials, estimate),
    }


def _counted(
    params: "Params", name: str, root: Path
) -> "tuple[dict[str, Any], Sequence[Cell], list[Cell]]":
    """Return what a plan says of one corpus, the cells that it trains, and those of its missing trials."""
    from datayield import corpora
    from datayield.study import data_stages, grid, race
    from datayield.study.corpus_folder import corpus_folder
    from datayield.tuning import searches

    corpus = corpora.load(corpus_folder(root, name))
    entries, notices = grid.arms_and_budgets(params, len(corpus.texts), len(corpus.unlabelled))
    scope = _scope(params, name, root)
    metric = data_stages.metric(params, name, root)
    specs = searches.searches(params, scope, metric)
    left = _left(name, specs, root)
    made = _grid(params, name, scope, root, {(s.cell.arm, s.cell.n) for s, _ in left})
    wanted = race.foreseen(params, made) if params.study.race else made.cells
    cells = made.trained(wanted)
    counted = {
        "corpus": name,
        "cells_of_arms": dict(Counter(str(cell.arm) for cell in cells)),
        "searches": len(specs),
        "trials": params.tuning.trials,
        "notices": notices,
        "metric": metric,
        "tokens_read": _tokens_read(params, name, root),
        **_compared(params, corpus, _entries_of(params, wanted, entries)),
    }
    return counted, cells, [cell for s, more in left for cell in searches.foreseen(s, more)]


def _tokens_read(params: "Params", name: str, root: Path) -> dict[str, Any]:
    """Return how much of its texts a network reads: windows, share of all tokens, what would be enough."""
    from datayield.config import own_data
    from datayield.core import files
    from datayield.core.types import Settings
    from datayield.corpora import corpus_card
    from datayield.models.settings import settings
    from datayield.study.corpus_folder import corpus_folder

    path = corpus_folder(root, name) / "card.json"
    card = files.read_json(path)
    if corpus_card.WITHIN not in card:
        return {}  # written by an earlier version
    shares = partial(corpus_card.share_read, card)
    reads = Settings.from_dict(settings("lstm", params.model, 1))
    limit = reads.tokens_read
    try:
        enough = own_data.tokens_to_read(shares, corpus_card.LIMITS[-1])
        found = {
            "max_tokens": reads.max_tokens,
            "windows": reads.windows,
            "share": shares(limit),
            "exact": limit in corpus_card.LIMITS,
        }
        more = {"enough": enough, "share_enough": shares(enough)}
    except (KeyError, TypeError, ValueError) as e:
        raise files.damaged_error(path, f"it does not say how many tokens are read: {e}") from e
    return found if found["share"] >= 1 - own_data.MOST_UNREAD else found | more


def _ways_to_read_more(
    found: Mapping[str, Any], networks: "Sequence[Cell]", estimate: Estimate
) -> list[dict[str, Any]]:
    """Return the settings that would read enough, each with its time over that of the networks now."""
    from datayield.study import time_estimates

    if "enough" not in found or not networks:
        return []

    def seconds(changed: Mapping[str, int]) -> float:
        cells = (
            replace(c, settings={**c.settings, "model": {**c.settings["model"], **changed}})
            for c in networks
        )
        return time_estimates.wall([*cells], *estimate)

    windows = -(-found["enough"] // found["max_tokens"])
    at_once = -(-found["enough"] // found["windows"])
    ways = (("windows", windows), ("max_tokens", at_once))
    now = seconds({})
    return [{"setting": k, "value": v, "times": seconds({k: v}) / now} for k, v in ways]


def _reading(found: Mapping[str, Any]) -> list[str]:
    """Return what a plan says of the tokens that networks read."""
    if "share" not in found:
        return []
    limit, windows, share = found["max_tokens"], found["windows"], 100 * found["share"]
    first = f"{limit * windows} tokens of a text"
    how = f"{first}, in {windows} windows of {limit}" if windows > 1 else first
    read = f"{'' if found['exact'] else 'at least '}{share:.1f} %"
    line = f"networks read the first {how}, {read} of all tokens"
    if "enough" not in found:
        return [line]
    enough = f"reads {100 * found['share_enough']:.1f} %"
    return [
        f"{line}; TF-IDF and NB-SVM read all",
        *(
            f"  model.{x['setting']}: {x['value']} in params.yaml {enough}, in about"
            f" {x['times']:.1f} times the networks' time"
            for x in found["more"]
        ),
    ]


def _entries_of(
    params: "Params", cells: "Sequence[Cell]", entries: "Sequence[tuple[Arm, int]]"
) -> "list[tuple[Arm, int]]":
    """Return the entries of the draws that claims come from."""
    there = {(c.arm, c.n) for c in cells if c.draw in params.study.numbers}
    return [e for e in entries if e in there]


def _compared(
    params: "Params", corpus: "Corpus", entries: "Sequence[tuple[Arm, int]]"
) -> dict[str, Any]:
    """Return what a corpus's comparisons rest on: its texts, its arms, and the draws of each budget."""
    from datayield.study import arms, grid

    counts = grid.draws_of(params, len(corpus.texts))
    return {
        "digest": corpus.digest,
        "pool": len(corpus.texts),
        "test": len(corpus.test_texts),
        "budgets": dict(Counter(str(arm) for arm, _ in entries)),
        "draws": [[str(arm), n, counts[arm, n]] for arm, n in entries],
        "arms": {str(arm): arms.describe(arm, params.strategies) for arm, _ in entries},
    }


def _estimate(params: "Params", store: "CellStore", root: Path) -> Estimate:
    """Fit the model of time on the cells that this machine computed."""
    from datayield.models import speed
    from datayield.study import data_stages, time_estimates

    device = accelerator.choose_device(params.execution.device)
    workers = machine.workers(params.execution.workers, device)
    slower = partial(speed.slower, device, params.execution.precision)
    shapes = data_stages.shapes(root)
    return shapes, time_estimates.fit(store.rows(), shapes, slower, device), workers


def _seconds(
    params: "Params", missing: "Sequence[Cell]", trials: "Sequence[Cell]", estimate: Estimate
) -> dict[str, Any]:
    """Predict the wall time of the missing cells and of the trainings of the missing trials."""
    from datayield.study import time_estimates

    search_seconds = time_estimates.wall(trials, *estimate, trials=True) if trials else None
    return {
        "seconds": time_estimates.wall(missing, *estimate),
        "search_seconds": search_seconds,
        "prune": params.tuning.prune,
        "workers": estimate[2],
        "fitted_on": estimate[1].cells,
    }


def lines(plan: dict[str, Any]) -> list[str]:
    """Return a plan as lines of text."""
    from datayield.core.progress import duration

    out = []
    for c in plan["corpora"]:
        out.append(f"{c['corpus']}: {c['cells']} cells, {c['done']} done")
        cells = c["cells_of_arms"]
        # A blend has no cells of its own to train.
        out += [
            f"  {a:24} {n:3} budgets  {cells.get(a, 0):4} cells" for a, n in c["budgets"].items()
        ]
        if plan["race"]:
            out.append(
                "  which strategies reach the fresh draws is open; this plan lets chance decide"
            )
        out += [f"  notice: {sentence}" for sentence in c["notices"]]
        out += [f"  {sentence}" for sentence in _reading(c.get("tokens_read", {}))]
        out += [f"  {sentence}" for sentence in c.get("sees", ())]
        if c["searches"]:
            out.append(f"  tuning: {c['searches']} searches of {c['trials']} trials")
    source = (
        f"fitted on {plan['fitted_on']} cells" if plan["fitted_on"] else "from a short training"
    )
    most = "at most " if plan["looks"] else ""
    out.append(
        f"to compute: {most}{plan['missing']} cells, about {duration(plan['seconds'])} with"
        f" {plan['workers']} workers ({source})"
    )
    if plan["search_seconds"] is not None:
        seconds = duration(plan["search_seconds"])
        most = "at most " if plan["prune"] else ""
        out.append(f"before that: the searches' trainings, {most}about {seconds}")
    return [*out, *plan.get("unused", ())]


def _scope(params: "Params", name: str, root: Path) -> "Scope":
    """Return the scope of a corpus; cells whose data stage has not run for them count as not done."""
    from datayield import corpora
    from datayield.study import data_stages, grid
    from datayield.study.corpus_folder import corpus_folder

    try:
        built = data_stages.scope(params, name, root)
        # an arm that was added since then may read a table that no stage has written yet
        return replace(built, precomputed=defaultdict(str, built.precomputed))
    except UserError:
        corpus = corpora.load(corpus_folder(root, name))
        return grid.Scope(
            name,
            len(corpus.texts),
            "not built",
            defaultdict(str),
            unlabelled=len(corpus.unlabelled),
        )


def _grid(
    params: "Params",
    name: str,
    scope: "Scope",
    root: Path,
    open_regimes: "set[tuple[Arm, int]]",
) -> "Grid":
    """Return the grid of a corpus with the settings that searches found, else with untuned settings."""
    from datayield.core import files
    from datayield.study import arms, grid
    from datayield.tuning import searches

    path = root / "results" / name / "settings.json"
    known = files.read_json(path) if path.exists() else {}
    chosen: dict[str, dict[str, Any]] = {}
    for arm, n in grid.arms_and_budgets(params, scope.pool, scope.unlabelled)[0]:
        by = searches.served(params, arm, n) if params.tuning.trials else None
        searched = by is not None and by not in open_regimes
        tuned = known.get(str(n), {}).get(str(arm)) if searched else None
        untuned = {grid.ALL: arms.default_settings(params, arm, n)}
        chosen.setdefault(str(n), {})[str(arm)] = tuned or untuned
    return grid.make_grid(params, scope, chosen)


def _left(name: str, specs: "Sequence[SearchSpec]", root: Path) -> "list[tuple[SearchSpec, int]]":
    """Return the searches that trials.parquet has not complete, each with its missing trials."""
    from datayield.core import tables

    path = root / "results" / name / "trials.parquet"
    rows = tables.read_table(path, tables.TRIALS) if path.exists() else tables.TRIALS.empty_table()
    done = Counter(rows["search"].to_pylist())
    return [(s, s.trials - done[s.name]) for s in specs if done[s.name] < s.trials]
