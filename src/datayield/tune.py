"""Searches of settings: one per (corpus, arm, budget), on labels that are paid for. The only optuna import.

Trials inside a search follow each other; searches run side by side. The sampler is made anew before
every trial from (search, number of finished trials), so the same key gives the same trials under
any worker count, interrupted or not.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import optuna
import pyarrow as pa
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from datayield import grid, seeds, strategies, table
from datayield.config import Params
from datayield.draws import TUNING_DRAW
from datayield.errors import UserError
from datayield.search import Choice, Range, space_of
from datayield.types import Arm, Cell

STORAGE = "DATAYIELD_OPTUNA_STORAGE"  # a database for many machines; else a journal in state/
STARTUP = 6  # random trials before the model of what is good steers
TRIALS = pa.schema(
    [
        ("corpus", pa.string()),
        ("arm", pa.string()),
        ("n", pa.int64()),
        ("draw", pa.int64()),
        ("number", pa.int64()),
        ("score", pa.float64()),  # validation score; null where the trial failed
        ("seconds", pa.float64()),
        ("tokens", pa.int64()),
        ("settings", pa.string()),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Search:
    """One search: where it looks and from where it starts.

    `cell` holds arm, budget, draw and the untuned settings; trials replace its settings.
    """

    cell: Cell
    space: Mapping[str, BaseDistribution]  # "model.hidden", "eda_nn.alpha", ...
    metric: str

    @property
    def name(self) -> str:
        """Unique for everything that determines its trials, their number excepted."""
        told = {k: optuna.distributions.distribution_to_json(d) for k, d in self.space.items()}
        content = [grid.key(self.cell), told, self.metric, STARTUP, optuna.__version__]
        digest = hashlib.sha256(table.canonical(content).encode()).hexdigest()[:16]
        c = self.cell
        return f"{c.corpus} {c.arm} n={c.n} draw={c.draw} {digest}"


def searches(params: Params, scope: grid.Scope, metric: str) -> list[Search]:
    """Every search that the study's arms need, each once, in the order of params.yaml."""
    if not params.tuning.trials:
        return []
    found: dict[tuple[str, int, int], Search] = {}
    for arm, n in grid.entries(params, scope.pool)[0]:
        searched = tuned_as(params, arm)
        if searched is None:
            continue
        for draw in _draws(params):
            cell = grid.cell(
                params, scope, searched, n, draw, 0, grid.default_settings(params, searched, n)
            )
            found[str(searched), n, draw] = Search(cell, _space(searched, cell.settings), metric)
    return list(found.values())


def tuned_as(params: Params, arm: Arm) -> Arm | None:
    """The arm whose search serves this arm; None for arms that nothing is searched for.

    Checks run with the settings of what they check; recipes that fix the rate are what they are.
    """
    if not arm.strategies:
        return None
    parts = strategies.compose(arm.strategies, {})
    if "learning_rate" in parts.pins(1000):
        return None
    own = tuple(p.name for p in parts.parts if p.plan is None)
    if params.tuning.arms == "shared":
        own = ()
    return Arm(arm.architecture, own or ("plain",))


def _draws(params: Params) -> Sequence[int]:
    return range(params.study.draws) if params.tuning.scope == "draw" else (TUNING_DRAW,)


def _space(arm: Arm, settings: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """The shared space and the knobs of the arm's strategies, widened to hold what is untuned."""
    parts = strategies.compose(arm.strategies, {s: settings.get(s, {}) for s in arm.strategies})
    pinned = {*grid.pinned(arm), *parts.pins(1000)}
    shaped = parts.one("pretrain") is not None or parts.needs("reader")
    out = {
        f"model.{r.name}": _distribution(r, settings["model"][r.name])
        for r in space_of(pinned, pretrained=shaped)
    }
    for part in parts.parts:
        for knob in part.space:
            untuned = settings.get(part.name, {}).get(knob.name)
            known = Range(knob.name, knob.low, knob.high, knob.log, knob.integer)
            out[f"{part.name}.{knob.name}"] = _distribution(known, untuned)
    return out


def _distribution(r: Range | Choice, untuned: Any) -> BaseDistribution:
    if isinstance(r, Choice):
        options = r.options if untuned in r.options else (*r.options, untuned)
        return CategoricalDistribution(options)
    low, high = r.low, r.high
    if untuned is not None:
        low, high = min(low, untuned), max(high, untuned)
    if r.integer:
        return IntDistribution(int(low), int(high), log=r.log)
    return FloatDistribution(float(low), float(high), log=r.log)


def storage(root: Path) -> BaseStorage:
    """Where trials are kept: `state/optuna.journal`, or the database named by the environment.

    Raises:
        UserError: when it cannot be reached or is of another version.
    """
    url = os.environ.get(STORAGE)
    try:
        if url:
            return RDBStorage(url)
        (root / "state").mkdir(parents=True, exist_ok=True)
        return JournalStorage(JournalFileBackend(str(root / "state" / "optuna.journal")))
    except Exception as e:  # a driver may raise anything
        where = STORAGE if url else str(root / "state" / "optuna.journal")
        raise UserError(
            f"the trials' storage cannot be opened ({where}: {type(e).__name__}: {str(e)[:200]})."
            " Check the address, the server and its version; a damaged journal may be deleted."
        ) from e


Storage: TypeAlias = BaseStorage
Score: TypeAlias = Callable[
    [Cell], Mapping[str, float]
]  # validation accuracy, macro_f1, seconds, tokens


def run(search: Search, trials: int, kept: BaseStorage, score: Score) -> None:
    """Bring a search to its number of trials; finished ones are never repeated.

    Args:
        search: what to look for.
        trials: finished trials wanted, failed ones included.
        kept: the storage.
        score: trains with a cell's settings and scores on its labels; raises RuntimeError where the
            settings cannot be trained, which counts as a failed trial.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name=search.name, storage=kept, direction="maximize", load_if_exists=True
    )
    for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        # This process holds the study's lock: whoever ran it is dead. It is run again.
        study.tell(left.number, state=TrialState.FAIL)
    while (done := len(counted(study))) < trials:
        study.sampler = _sampler(search, done)
        waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
        if done == 0 and not waiting:  # the first trial is the untuned setting
            study.enqueue_trial(_untuned(search), skip_if_exists=False)
        trial = study.ask(dict(search.space))
        cell = replace(search.cell, settings=with_values(search.cell.settings, trial.params))
        try:
            found = score(cell)
        except RuntimeError as e:
            trial.set_user_attr("error", str(e)[:500])
            study.tell(trial, state=TrialState.FAIL)
            continue
        for name, value in found.items():
            trial.set_user_attr(name, value)
        study.tell(trial, found[search.metric])


def counted(study: optuna.Study) -> list[FrozenTrial]:
    """Trials that ended by themselves: complete, or failed for a reason of their own."""
    return [
        t
        for t in study.get_trials(deepcopy=False)
        if t.state == TrialState.COMPLETE or "error" in t.user_attrs
    ]


def _sampler(search: Search, done: int) -> BaseSampler:
    return TPESampler(
        n_startup_trials=STARTUP,
        n_ei_candidates=24,
        seed=seeds.integer("trial", search.name, done) % 2**32,
        multivariate=True,
        group=False,
        constant_liar=False,
    )


def _untuned(search: Search) -> dict[str, Any]:
    out = {}
    for name in search.space:
        group, _, setting = name.partition(".")
        value = search.cell.settings.get(group, {}).get(setting)
        if value is not None:  # a knob whose default says "as usual" has no place in its range
            out[name] = value
    return out


def with_values(
    settings: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Settings with "group.name" values put in their places."""
    out = {group: dict(own) for group, own in settings.items()}
    for name, value in values.items():
        group, _, setting = name.partition(".")
        out.setdefault(group, {})[setting] = value
    return out


def best(search: Search, kept: BaseStorage) -> dict[str, Any] | None:
    """The values of the best trial, the earliest among equals; None when every trial failed."""
    study = optuna.load_study(study_name=search.name, storage=kept)
    known = [(t.value, -t.number, t) for t in counted(study) if t.value is not None]
    return dict(max(known, key=lambda x: x[:2])[2].params) if known else None


def taken_over(
    params: Params, arm: Arm, n: int, values: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The settings of an arm with the values of the search that serves it.

    What the arm or its architecture pins stays; so does all that the search did not look at.
    """
    untuned = grid.default_settings(params, arm, n)
    if values is None or not arm.strategies:
        return untuned
    pins = {*grid.pinned(arm), *strategies.compose(arm.strategies, {}).pins(n)}
    fixed = {f"model.{name}" for name in pins}
    groups = {"model", *arm.strategies}
    usable = {k: v for k, v in values.items() if k.partition(".")[0] in groups and k not in fixed}
    return with_values(untuned, usable)


def lines(search: Search, kept: BaseStorage) -> Iterator[dict[str, Any]]:
    """The trials of a search as rows of TRIALS, numbered from 0 in the order they ended."""
    study = optuna.load_study(study_name=search.name, storage=kept)
    c = search.cell
    for number, t in enumerate(counted(study)):
        settings = with_values(c.settings, t.params)
        yield {
            "corpus": c.corpus, "arm": str(c.arm), "n": c.n, "draw": c.draw, "number": number,
            "score": t.value, "seconds": t.user_attrs.get("seconds"),
            "tokens": t.user_attrs.get("tokens"), "settings": json.dumps(settings, sort_keys=True),
            "error": t.user_attrs.get("error", ""),
        }  # fmt: skip


def importances(search: Search, kept: BaseStorage) -> dict[str, float]:
    """Share of the score's variance per setting (fANOVA); empty below eight different scores."""
    study = optuna.load_study(study_name=search.name, storage=kept)
    values = {t.value for t in counted(study) if t.state == TrialState.COMPLETE}
    if len(values) < 8:
        return {}
    seed = seeds.integer("importance", search.name) % 2**32
    judge = optuna.importance.FanovaImportanceEvaluator(n_trees=64, max_depth=64, seed=seed)
    return optuna.importance.get_param_importances(study, evaluator=judge)
