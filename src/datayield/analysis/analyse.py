"""Computes the statistics of a study, everything that the report prints, from its tables."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield.analysis import across_corpora, claims, comparisons, labels_needed, text_findings
from datayield.analysis.across_corpora import across
from datayield.analysis.arm_costs import by_arm, costs
from datayield.analysis.class_scores import by_class
from datayield.analysis.collapses import collapsed
from datayield.analysis.decision import decide, method_rows, yardstick
from datayield.analysis.frame import Frame, make_frame
from datayield.analysis.intervals import METHOD
from datayield.analysis.label_exchange import exchanges
from datayield.analysis.probability_findings import probability_findings
from datayield.analysis.race_statements import RaceTaken
from datayield.analysis.recommend import recommend
from datayield.analysis.robustness import leave_one_out, still_rising
from datayield.analysis.scores import Metric, gather, mean_known
from datayield.analysis.spreads import architecture_of
from datayield.analysis.statements import (
    ArchitectureRow,
    FailedCell,
    HistoryPoint,
    UnbalancedArm,
)
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.analysis.text_statements import (
    DataMap,
    HardTestText,
    HardTrainingText,
    WrongTestTexts,
)
from datayield.analysis.tuning_gain import tuning
from datayield.analysis.typed_json import from_json
from datayield.config import Params
from datayield.core import files, tables
from datayield.core.errors import UserError
from datayield.core.metrics import lead_metric
from datayield.core.tables import CELLS, HISTORY
from datayield.core.types import Ints

MODEL = (
    "cell",
    "hidden",
    "layers",
    "bidirectional",
    "embedding",
)  # settings in the article's comparison
MEASURED = ("loss", "train_accuracy", "validation_loss", "validation_accuracy")
PROBABILITIES = "probabilities.parquet"  # class probabilities, in results/<corpus>
NOISY = "noisy labels"  # in card.json, number of pool texts that have one
NEXT = 500  # labels, whose gain the report states at every budget


@dataclass(frozen=True, slots=True)
class Loaded:
    """The stored tables of one corpus."""

    summary: dict[str, Any]  # study.json
    finished: int  # cells, those that only screened included
    lines: list[dict[str, Any]]  # cells.parquet, of the draws that claims come from
    audited: pa.Table
    frame: Frame
    truth: Ints  # class index of every test text, in test order


def load(params: Params, name: str, root: Path) -> Loaded:
    """Read the tables of one corpus of a study.

    Raises:
        UserError: when a table is missing, damaged, of another version, or empty.
    """
    results = root / "results" / name
    summary = files.read_json(results / "study.json")
    table = tables.read_table(results / "cells.parquet", CELLS)
    lines = _compared(table, params)
    if "race" in summary:
        compared = {x["arm"] for x in lines}
        summary["arms"] = {a: d for a, d in summary["arms"].items() if a in compared}
    if not lines:
        raise UserError(
            f"{results / 'cells.parquet'} holds no finished cell. Run `dvc repro` to fill it."
        )
    audited = tables.read_table(root / "data" / name / "audit.parquet", tables.AUDIT)
    metric: Metric = lead_metric(params.analysis.metric, summary["majority_share"])  # type: ignore[assignment]
    truth = text_findings.truth(audited, summary["classes"])
    try:
        frame = make_frame(params, summary, gather(lines, truth, metric))
    except ValueError as e:
        raise files.damaged_error(results / "study.json", str(e)) from e
    return Loaded(summary, len(table), lines, audited, frame, truth)


def _compared(table: pa.Table, params: Params) -> list[dict[str, Any]]:
    """Return the rows of the arms and draws that claims come from.

    Other draws only screened strategies, and other seeds only belong to members of blends.
    """
    draws, seeds = params.study.numbers, range(params.study.seeds)
    return [x for x in table.to_pylist() if x["draw"] in draws and x["seed"] in seeds]


def analyse(params: Params, root: Path) -> StudyStatistics:
    """Return the statistics of one study.

    Args:
        params: the study.
        root: the project folder, with results/<corpus>/ and data/<corpus>/card.json.

    Raises:
        UserError: a table is missing, damaged, of another version, or empty.
    """
    loaded = {name: load(params, name, root) for name in params.study.corpora}
    corpora = tuple(_corpus(params, name, one, root) for name, one in loaded.items())
    families = {c.corpus: c.family for c in corpora}
    return StudyStatistics(
        study=params.study.name,
        seed=params.study.seed,
        draws=max(_draws(x) for x in loaded.values()),
        level=params.analysis.level,
        population=params.analysis.population,
        method=METHOD,
        baseline=params.analysis.baseline,
        texts=params.analysis.texts,
        corpora=corpora,
        across=across({n: x.frame for n, x in loaded.items()}, families),
        published=across_corpora.next_to_published(corpora),
        shared_texts=text_findings.shared(params.study.corpora, families, root),
    )


def _corpus(params: Params, name: str, loaded: Loaded, root: Path) -> CorpusStatistics:
    frame, lines, summary = loaded.frame, loaded.lines, loaded.summary
    baseline, results = params.analysis.baseline, root / "results" / name
    history = _compared(tables.read_table(results / "history.parquet", HISTORY), params)
    simple = comparisons.best_simple(frame)
    differences, means = claims.claims(frame)
    spent, recommended = costs(lines, len(summary["classes"])), recommend(frame)
    methods = method_rows(frame, differences, means, spent)
    card, audit = (files.read_json(root / "data" / name / x) for x in ("card.json", "audit.json"))
    worth = comparisons.multipliers(frame, None)
    data_map, tested, hard_training, hard_test = _texts(params, name, loaded, root)
    return CorpusStatistics(
        **{k: card[k] for k in ("family", "digest")},
        description=_description(card), card=tuple(_flat(card)),
        cells=loaded.finished, race=_race(summary),
        missing=tuple(FailedCell(**x) for x in summary["missing"]),
        notices=tuple(summary["notices"]),
        **{
            k: summary[k] for k in ("corpus", "planned", "pool_size", "test_size", "majority_share")
        },
        classes=tuple(summary["classes"]), arms=frame.arms,
        metric=next(iter(frame.scores.values())).metric,
        settings=_digest(lines), versions=_versions(lines), unbalanced=unbalanced(frame),
        scores=comparisons.learning_curve(frame),
        differences=differences, mean_differences=means,
        components=claims.variance_components(frame), looks=frame.looks,
        multipliers=worth, shared_multipliers=comparisons.shared_multipliers(frame),
        exchanges=exchanges(worth, frame.arms, card["texts"].get(NOISY, 0), *_prices(params, name)),
        best_simple=simple,
        multipliers_simple=comparisons.multipliers(frame, simple) if simple else (),
        recommended=recommended,
        decision=decide(frame, recommended, differences, methods, simple),
        methods=methods, yardstick=yardstick(frame, sorted({r.n for r in recommended})),
        sensitivity=leave_one_out(frame), checks=comparisons.checks(frame, _networks(lines)),
        interactions=comparisons.interactions(frame), against_controls=comparisons.against_controls(frame),
        target=comparisons.to_target(frame, params.analysis.target),
        extrapolations=labels_needed.extrapolations(frame),
        next=labels_needed.next_labels(frame, [a for a in (baseline, simple) if a], NEXT),
        architectures=_architectures(frame, lines), costs=spent,
        tuning=tuning(frame, results / "trials.parquet", lines),
        history=_history(history, baseline),
        rising=still_rising(history, params.analysis.level),
        collapsed=collapsed(lines, frame.arms, baseline, params.analysis.level),
        findings=text_findings.findings(audit, params.analysis.texts),
        overlap=text_findings.overlap(loaded.audited, frame.scores),
        map=data_map, tested=tested,
        hard_training_texts=hard_training, hard_test_texts=hard_test,
        probabilities=probability_findings(results / PROBABILITIES, lines, frame, loaded.truth),
        **by_class(lines, frame, loaded.truth, summary["classes"]),
    )  # fmt: skip


def _race(summary: dict[str, Any]) -> RaceTaken | None:
    """Return how the strategies of a corpus were screened; None: the study has no race."""
    return from_json(RaceTaken, summary["race"]) if "race" in summary else None


def _draws(loaded: Loaded) -> int:
    """Return the number of draws of one corpus."""
    return len({line["draw"] for line in loaded.lines})


def _description(card: dict[str, Any]) -> str | None:
    """Return what the corpus is, if its source says so."""
    source: dict[str, str] = card.get("source", {})
    return source.get("title") or source.get("what")


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, str | int]]:
    """Yield every field of a nested object with its path, such as ("classes: weather: pool", 90)."""
    if not isinstance(value, dict):
        yield path, value if isinstance(value, int) and not isinstance(value, bool) else str(value)
        return
    for key, inner in value.items():
        yield from _flat(inner, f"{path}: {key}" if path else str(key))


def _texts(
    params: Params, name: str, loaded: Loaded, root: Path
) -> tuple[DataMap, WrongTestTexts, tuple[HardTrainingText, ...], tuple[HardTestText, ...]]:
    """Return the data map and the hardest texts; the texts themselves only where they may be shown."""
    classes, corpus = loaded.summary["classes"], root / "data" / name / "corpus.arrow"
    data_map, d = text_findings.data_map(
        root / "results" / name / "dynamics.parquet", params.analysis.baseline, loaded.lines
    )
    training: tuple[HardTrainingText, ...] = ()
    if d is not None:
        labels = text_findings.labels(loaded.audited)
        training = text_findings.hardest_training(d, labels, classes)
    tested, test = text_findings.hardest_test(
        loaded.lines,
        {arm: description.role for arm, description in loaded.frame.arms.items()},
        loaded.summary["majority_share"],
        loaded.truth,
        classes,
    )
    if params.analysis.texts == "shown":
        pool = loaded.summary["pool_size"]
        training = text_findings.with_texts(training, corpus, pool)
        test = text_findings.with_texts(test, corpus, pool)
    return data_map, tested, training, test


def _digest(lines: list[dict[str, Any]]) -> str:
    """Return a digest of the settings of every arm, budget and draw."""
    settings = sorted({(x["arm"], x["n"], x["draw"], x["settings"]) for x in lines})
    return files.digest(settings)[:16]


def _networks(lines: list[dict[str, Any]]) -> dict[tuple[str, int], dict[int, str]]:
    """Return the settings by draw, for every arm and budget with a network."""
    out: dict[tuple[str, int], dict[int, str]] = {}
    for line in lines:
        if "model" in (settings := json.loads(line["settings"])):
            by_draw = out.setdefault((line["arm"], line["n"]), {})
            by_draw[line["draw"]] = files.canonical(settings["model"])
    return out


def _prices(params: Params, name: str) -> tuple[float | None, float | None]:
    """Return the prices of a noisy and of a clean label of a corpus, as far as params.yaml names them."""
    noisy = params.corpora[name].noisy if name in params.corpora else None
    return (None, None) if noisy is None else (noisy.price, noisy.clean_price)


def unbalanced(f: Frame) -> tuple[UnbalancedArm, ...]:
    """Return the arms and budgets without some of the draws that others have."""
    draws = sorted({d for m in f.scores.values() for d in m.draws})
    return tuple(
        UnbalancedArm(arm, n, len(m.draws), len(draws))
        for (arm, n), m in sorted(f.scores.items())
        if len(m.draws) < len(draws)
    )


def _architectures(f: Frame, lines: list[dict[str, Any]]) -> tuple[ArchitectureRow, ...]:
    """Compare plain arms, as the article does, at budgets where two architectures or more were run."""
    plain = {k: v for k, v in by_arm(lines).items() if f.role(k[0]) == "plain"}
    budgets = sorted({n for _, n in plain if sum(b == n for _, b in plain) >= 2})
    out = []
    for n in budgets:
        for arm in sorted(a for a, b in plain if b == n):
            rows = plain[arm, n]
            model = json.loads(rows[0]["settings"])["model"]
            m = f.scores[arm, n]
            infer = float(np.mean([x["inference_seconds"] for x in rows]))
            out.append(
                ArchitectureRow(
                    n,
                    rows[0]["architecture"],
                    **{k: model[k] for k in MODEL},
                    parameters=float(np.mean([x["parameters"] for x in rows])),
                    train_seconds=float(np.mean([x["train_seconds"] for x in rows])),
                    inference_seconds=infer,
                    inference_ms_per_text=1000 * infer / rows[0]["test_size"],
                    accuracy=f.interval(m.hits, n),
                    macro_f1=f.interval(m.f1, n),
                    same_as=copied(f, arm, n, [a for a, b in plain if b == n]),
                )
            )
    return tuple(out)


def copied(f: Frame, arm: str, n: int, arms: list[str]) -> str | None:
    """Return the architecture of an earlier arm with equal answers: the same network, trained twice."""
    earlier = [a for a in sorted(arms) if a < arm and f.same_as(a, arm, n)]
    return architecture_of(earlier[0]) if earlier else None


def _history(lines: list[dict[str, Any]], arm: str) -> tuple[HistoryPoint, ...]:
    """Return one arm's mean training history by budget; NaN (not measured) is left out of each mean."""
    grouped: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for line in lines:
        if line["arm"] == arm:
            grouped.setdefault((line["n"], line["round"]), []).append(line)
    return tuple(
        HistoryPoint(
            n, rows[0]["updates"], **{k: mean_known([x[k] for x in rows]) for k in MEASURED}
        )
        for (n, _), rows in sorted(grouped.items())
    )


def _versions(lines: list[dict[str, Any]]) -> tuple[str, ...]:
    identities = [json.loads(line["identity"]) for line in lines]
    identities = [i for i in identities if "blend" not in i]
    engines = sorted({i["engine"] for i in identities})
    places = sorted({f"{i['precision']} on {i['device']}" for i in identities})
    recipes = sorted({f"recipe {i['recipe']}" for i in identities})
    return (*engines, *places, *recipes)
