"""The tune stage: every search carried, `settings.json` and `trials.parquet` written."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from datayield import corpora, grid, regimes, stages, table, tune
from datayield.config import Params
from datayield.draws import TUNING_DRAW
from datayield.errors import UserError
from datayield.recorder import Recorder
from datayield.regimes import Search
from datayield.workers import Pool

Outcome: TypeAlias = tuple[str, Any]  # a key with None, or with the exception that ended it
Carry: TypeAlias = Callable[[Mapping[str, str], Callable[[str], None]], Iterator[Outcome]]


def wanted(params: Params, corpus: str, root: Path) -> list[Search]:
    """The searches of one corpus."""
    scope, metric = stages.scope(params, corpus, root), stages.metric(params, corpus, root)
    return regimes.searches(params, scope, metric)


def settle(corpus: str, params: Params, root: Path, carry: Carry, pool: Pool) -> int:
    """Carry the searches of one corpus to their end and write the stage's outputs.

    Args:
        corpus: its name.
        params: the study.
        root: the project folder.
        carry: works on many keys at once.
        pool: scores one trial at a time for each of the carrying threads.

    Returns:
        The number of searches.
    """
    searches = wanted(params, corpus, root)
    if searches:
        stages.check_draws(params, corpus, root)
    kept = tune.storage(root, alone=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    family = corpora.load(stages.folder(root, corpus)).family
    with Recorder(params.study.name, family, root) as recorder:
        for wave in regimes.waves(searches):
            for search in _carried(wave, kept, pool, carry):
                rows[search.name] = tune.lines(search, kept)
                recorder.trials(rows[search.name])
                told = f"{len(rows)}/{len(searches)} searches"
                print(f"[{told}] {_outcome(rows[search.name])}", file=sys.stderr)
    _write(corpus, params, root, searches, kept, [x for s in searches for x in rows[s.name]])
    return len(searches)


def _carried(
    wave: Sequence[Search], kept: tune.Storage, pool: Pool, carry: Carry
) -> Iterator[Search]:
    """Searches side by side, as they end; those that another machine holds are waited for last."""
    every = {s.name: s for s in wave}
    elsewhere: list[str] = []

    def work(name: str, wait: bool) -> None:
        with tune.claimed(every[name], kept, wait) as ours:
            if ours:
                tune.run(every[name], kept, pool.trial)
            else:
                elsewhere.append(name)

    for names, wait in ((list(every), False), (elsewhere, True)):
        labels = {name: f"search {name}" for name in names}
        for name, error in carry(labels, partial(work, wait=wait)):
            if isinstance(error, UserError):
                raise error
            if error is not None:
                raise UserError(
                    f"the search {name} ended: {type(error).__name__}: {str(error)[:300]}."
                    " The same command goes on from its last trial."
                ) from error
            if wait or name not in elsewhere:
                yield every[name]


def _outcome(rows: Sequence[Mapping[str, Any]]) -> str:
    first = rows[0]
    scores = [r["score"] for r in rows if r["score"] is not None]
    found = f"best {max(scores):.3f}" if scores else "no trial was completed, its arms stay untuned"
    seconds = sum(r["seconds"] or 0 for r in rows)
    where = f"{first['corpus']} {first['arm']} n={first['n']} draw={first['draw']}"
    return f"{where}: {found}, {len(rows)} trials, {seconds:.0f} s"


def _write(
    corpus: str,
    params: Params,
    root: Path,
    searches: Sequence[Search],
    kept: tune.Storage,
    rows: list[dict[str, Any]],
) -> None:
    results = root / "results" / corpus
    pool = len(corpora.load(stages.folder(root, corpus)).texts)
    told = {**params.tuning.model_dump(mode="json"), "served": _served(params, pool)}
    trials = pa.Table.from_pylist(rows, table.TRIALS)
    labelled = trials.replace_schema_metadata({"tuning": table.canonical(told)})
    table.write(labelled, results / "trials.parquet")
    table.write_json(_chosen(searches, params, pool, kept), results / "settings.json")


def _served(params: Params, pool: int) -> list[dict[str, Any]]:
    """Per arm and budget the arm and budget whose searches served it."""
    if not params.tuning.trials:
        return []
    return [
        {"arm": str(arm), "n": n, "by": str(found[0]), "at": found[1]}
        for arm, n in grid.entries(params, pool)[0]
        if (found := regimes.served(params, arm, n)) is not None
    ]


def _chosen(
    searches: Sequence[Search], params: Params, pool: int, kept: tune.Storage
) -> dict[str, dict[str, dict[str, Any]]]:
    """Settings by budget, arm and draw: the best trial's, or the untuned."""
    found = {(s.cell.arm, s.cell.n, s.cell.draw): tune.best(s, kept) for s in searches}
    chosen: dict[str, dict[str, dict[str, Any]]] = {}
    for arm, n in grid.entries(params, pool)[0]:
        by = regimes.served(params, arm, n) if searches else None
        draws = regimes.drawn(params) if by else (TUNING_DRAW,)
        chosen.setdefault(str(n), {})[str(arm)] = {
            grid.ALL if draw == TUNING_DRAW else str(draw): regimes.taken_over(
                params, arm, n, found[*by, draw] if by else None
            )
            for draw in draws
        }
    return chosen
