"""Says in a plan which differences the study will see, from what earlier studies measured."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datayield.analysis import statistics
from datayield.analysis.claim_statements import BudgetComponents
from datayield.analysis.looks import level_of
from datayield.analysis.planned_difference import (
    PlannedArm,
    PlannedCorpus,
    PlannedDifference,
    planned_differences,
    unforeseen,
)
from datayield.analysis.statements import ArmDescription
from datayield.analysis.statistics import StudyStatistics
from datayield.analysis.typed_json import from_json, to_json
from datayield.analysis.visible_difference import MOST_DRAWS, RESOLUTION
from datayield.config import Params
from datayield.config.own_data import FEWEST_SHARE
from datayield.core.errors import UserError
from datayield.report import wording


def with_differences(params: Params, plan: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """Return a plan (`tuning.plan.planned`) with the differences that each corpus will show.

    Each corpus gets `differences`, as values, and `sees`, as sentences. The plan gets `unused`: what it
    says of earlier statistics that cannot be read.
    """
    earlier, unused = _earlier(root)
    corpora = []
    for counted in plan["corpora"]:
        corpus = _planned_corpus(params, counted)
        components = _components(earlier, counted)
        found = planned_differences(corpus, components)
        source = params.corpora.get(counted["corpus"])
        sees = sentences(found, unforeseen(corpus))
        if source is not None and source.settled and source.test_share > FEWEST_SHARE:
            sees = [*_test_set(corpus, components), *sees]
        corpora.append(counted | {"differences": to_json(found), "sees": sees})
    return {**plan, "corpora": corpora, "unused": unused}


def _earlier(root: Path) -> tuple[list[StudyStatistics], list[str]]:
    """Return the statistics of this folder's earlier studies, the newest last, and what is not used."""
    paths = sorted(root.glob("reports/*/statistics.json"), key=lambda p: p.stat().st_mtime)
    found, unused = [], []
    for path in paths:
        try:
            found.append(statistics.read(path))
        except UserError:
            unused.append(
                f"{path} is of another version of datayield, or damaged: this plan does not use it"
            )
    return found, unused


def _components(
    earlier: Sequence[StudyStatistics], counted: Mapping[str, Any]
) -> list[tuple[BudgetComponents, ...]]:
    """Return what each study of these very texts, judged by the same metric, measured."""
    wanted = (counted["corpus"], counted["digest"], counted["metric"])
    return [
        c.components
        for study in earlier
        for c in study.corpora
        if (c.corpus, c.digest, c.metric) == wanted
    ]


def _planned_corpus(params: Params, counted: Mapping[str, Any]) -> PlannedCorpus:
    draws: dict[str, dict[int, int]] = {}
    for arm, n, count in counted["draws"]:
        draws.setdefault(arm, {})[n] = count
    analysis, looks = params.analysis, params.study.looks
    last = len(looks.looks) - 1 if looks else 0
    return PlannedCorpus(
        tuple(
            PlannedArm(arm, from_json(ArmDescription, described), draws[arm])
            for arm, described in counted["arms"].items()
        ),
        analysis.baseline,
        counted["test"],
        counted["pool"],
        level_of(last, last + 1, analysis.level),
        analysis.population == "new_texts",
        looks.resolution / 100 if looks else RESOLUTION,
    )


def sentences(found: Sequence[PlannedDifference], without: Sequence[str]) -> list[str]:
    """Return what a plan says of one corpus.

    Args:
        found: entries of one corpus.
        without: strategies about which nothing is foreseen.
    """
    lines = []
    for base in dict.fromkeys(x.baseline for x in found):
        own = [x for x in found if x.baseline == base]
        seen = [(x, x.visible) for x in own if x.visible is not None and x.visible < 1]
        if not seen:
            lines.append(
                f"sees no difference from {base}, however large: {own[-1].draws} draws and"
                f" {own[-1].texts:,} test texts are too few"
            )
            continue
        sizes = [f"{100 * visible:.1f} points {_where(x)}" for x, visible in seen]
        last = seen[-1][0]
        source = "measured here before" if last.measured else "in the default study of pydocs"
        lines += [
            f"sees differences from {base} of {wording.listed(sizes)}, in 80 of 100 such studies",
            f"  (of strategies that vary from draw to draw as most do; spread as {source})",
            f"  {_draws_needed(last)}",
        ]
    if without:
        few = len(without) <= wording.MANY
        names = wording.listed(without) if few else f"{len(without)} strategies"
        lines.append(
            f"how small a difference it sees is not foreseen for {names}: one draw, no baseline in the"
            " grid, or a baseline of another architecture"
        )
    return lines


def _test_set(corpus: PlannedCorpus, components: Sequence[Sequence[BudgetComponents]]) -> list[str]:
    """Return what a plan says of a test set that was made larger than a tenth of a small file."""
    texts = corpus.pool + corpus.texts
    usual = replace(corpus, texts=max(2, round(FEWEST_SHARE * texts)))
    found = [x for x in planned_differences(usual, components) if x.visible is not None]
    line = f"test set: {corpus.texts:,} of {texts:,} texts, so that smaller differences show"
    if not found:
        return [line]
    visible = found[-1].visible or 0.0
    seen = f"{100 * visible:.1f} points {_where(found[-1])}" if visible < 1 else "none at all"
    return [f"{line} (with a tenth of the texts: {seen})"]


def _where(x: PlannedDifference) -> str:
    if len(x.budgets) == 1:
        return f"at {x.budgets[0]:,} labels"
    return f"on the mean over {wording.listed([f'{n:,}' for n in x.budgets])}"


def _draws_needed(x: PlannedDifference) -> str:
    size = f"{100 * x.resolution:.1f} points {_where(x)}"
    if x.draws_needed is None and x.reachable is not None:
        reached = f"{100 * x.reachable:.1f}; more test texts show less"
        return f"{size}: too few for any number of draws; {MOST_DRAWS} draws show {reached}"
    return f"{size}: {x.draws_needed} draws show them, {x.draws} are planned"
