"""Finds single texts: the data map of the training texts, hard test texts, texts that corpora share.

This is the only module of analysis that reads texts, to show the few that it lists.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datayield.analysis.scores import Scores
from datayield.analysis.text_statements import (
    AuditFinding,
    DataMap,
    HardTestText,
    HardTrainingText,
    MapBin,
    Overlap,
    OverlapScore,
    SharedTexts,
    WrongTestTexts,
)
from datayield.core import dynamics_rows, tables
from datayield.core.metrics import most_voted
from datayield.core.rows import unpack_predicted
from datayield.core.types import Dynamics, Floats, Ints

HardText = TypeVar("HardText", HardTrainingText, HardTestText)
SHOWN = 10  # texts per list
LENGTH = 280  # characters of a text that are shown
COLUMNS, ROWS = 25, 40  # of the map's grid: variability 0 to 0.5, confidence 0 to 1
JOINERS = "\u200c\u200d"  # format characters that words need; all others could hide or reorder text


def pooled(trainings: Sequence[Dynamics]) -> Dynamics:
    """Join several trainings: every presentation of every draw counts alike; ids ascend."""
    columns = {
        k: np.concatenate([getattr(d, k) for d in trainings]) for k in Dynamics.__dataclass_fields__
    }
    # A wrong answer counts once for every presentation at which it was given.
    wrong = columns["presentations"] * (1 - columns["correctness"])
    named = columns["confused_with"] >= 0
    ids, place = np.unique(columns["ids"], return_inverse=True)
    times = columns["presentations"].astype(float)

    def mean(values: Floats) -> Floats:
        out: Floats = np.bincount(place, times * values) / np.bincount(place, times)
        return out

    confidence = mean(columns["confidence"])
    square = mean(columns["variability"] ** 2 + columns["confidence"] ** 2)
    return Dynamics(
        ids,
        np.bincount(place, times).astype(np.int64),
        confidence,
        np.sqrt(np.maximum(square - confidence**2, 0)),
        mean(columns["correctness"]),
        most_voted(place[named], columns["confused_with"][named], wrong[named], len(ids)),
    )


def data_map(
    path: Path, arm: str, lines: Sequence[Mapping[str, Any]]
) -> tuple[DataMap, Dynamics | None]:
    """Return the data map, and the dynamics that it is made of; None where no cell has them.

    Args:
        path: the corpus's `dynamics.parquet`.
        arm: the study's baseline, mapped at its largest budget.
        lines: the rows of `cells.parquet`.

    Raises:
        UserError: when the table is missing, damaged or of another version.
    """
    rows = [x for x in lines if x["arm"] == arm]
    n = max((x["n"] for x in rows), default=0)
    cells = {x["cell"]: x["draw"] for x in rows if x["n"] == n}
    stored = tables.read_table(path, dynamics_rows.DYNAMICS)
    chosen = stored.filter(pc.is_in(stored["cell"], pa.array(list(cells), pa.string())))
    by_cell = dynamics_rows.dynamics_by_cell(chosen)
    empty = DataMap(arm, n, len({cells[k] for k in by_cell}), len(set(cells.values())))
    if not by_cell:
        return empty, None
    d = pooled(list(by_cell.values()))
    return replace(
        empty,
        texts=len(d),
        presentations=float(np.median(d.presentations)),
        always=float((d.correctness == 1).mean()),
        never=float((d.correctness == 0).mean()),
        bins=_bins(d),
    ), d


def _bins(d: Dynamics) -> tuple[MapBin, ...]:
    """Return the bins of a grid that hold texts: their centre, how many, how often their label led."""
    column = np.minimum((d.variability / 0.5 * COLUMNS).astype(int), COLUMNS - 1)
    row = np.minimum((d.confidence * ROWS).astype(int), ROWS - 1)
    place = column * ROWS + row
    counts = np.bincount(place, minlength=COLUMNS * ROWS)
    right = np.bincount(place, d.correctness, COLUMNS * ROWS)
    return tuple(
        MapBin(
            variability=(k // ROWS + 0.5) / COLUMNS / 2,
            confidence=(k % ROWS + 0.5) / ROWS,
            texts=int(counts[k]),
            correctness=float(right[k] / counts[k]),
        )
        for k in np.flatnonzero(counts).tolist()
    )


def hardest_training(
    d: Dynamics, labels: Sequence[str], classes: Sequence[str]
) -> tuple[HardTrainingText, ...]:
    """Return the texts that the model did not learn, and those that it was least settled about.

    Not learnt: low confidence with low variability (the smallest sum), wrong at more than half of
    the presentations. Ambiguous: the highest variability of those sometimes right, sometimes not.
    Texts presented less than half as often as the median text are left out.

    Args:
        d: the pooled dynamics.
        labels: class of every pool text.
        classes: names by index.
    """
    known = np.flatnonzero(d.presentations >= max(2, np.median(d.presentations) / 2))
    wrong = known[d.correctness[known] < 0.5]
    open_ = known[(d.correctness[known] > 0) & (d.correctness[known] < 1)]
    lists: dict[Literal["not learnt", "ambiguous"], Ints] = {
        "not learnt": wrong[np.argsort((d.confidence + d.variability)[wrong], kind="stable")],
        "ambiguous": open_[np.argsort(-d.variability[open_], kind="stable")],
    }
    return tuple(
        HardTrainingText(
            name,
            id=int(d.ids[k]),
            label=labels[int(d.ids[k])],
            confused_with=classes[int(d.confused_with[k])] if d.confused_with[k] >= 0 else "",
            confidence=float(d.confidence[k]),
            variability=float(d.variability[k]),
            correctness=float(d.correctness[k]),
            presentations=int(d.presentations[k]),
        )
        for name, order in lists.items()
        for k in order[:SHOWN]
    )


def hardest_test(
    lines: Sequence[Mapping[str, Any]],
    roles: Mapping[str, str],
    floor: float,
    truth: Ints,
    classes: Sequence[str],
) -> tuple[WrongTestTexts, tuple[HardTestText, ...]]:
    """Rank test texts by how many arms get them wrong in most cells, at the largest budget of most arms.

    Args:
        lines: the rows of `cells.parquet`.
        roles: arm → role; controls and checks do not count.
        floor: share of the largest class; arms that are no better on average do not count.
        truth: class index of every test text.
        classes: names by index.

    Returns:
        Counts over all test texts, and the first texts with the class that the arms predict instead.
    """
    compared = [x for x in lines if roles[x["arm"]] in ("plain", "baseline", "strategy")]
    arms_at: dict[int, set[str]] = {}
    for x in compared:
        arms_at.setdefault(x["n"], set()).add(x["arm"])
    most = max(map(len, arms_at.values()), default=0)
    n = max((b for b, arms in arms_at.items() if 2 * len(arms) >= most), default=0)
    by_arm: dict[str, list[Mapping[str, Any]]] = {}
    for x in compared:
        if x["n"] == n:
            by_arm.setdefault(x["arm"], []).append(x)
    by_arm = {a: own for a, own in by_arm.items() if np.mean([x["accuracy"] for x in own]) > floor}
    if not by_arm:
        return WrongTestTexts(n, 0, 0, len(truth)), ()
    return _rank_test_texts(n, by_arm, truth, classes)


def _rank_test_texts(
    n: int, by_arm: Mapping[str, Sequence[Mapping[str, Any]]], truth: Ints, classes: Sequence[str]
) -> tuple[WrongTestTexts, tuple[HardTestText, ...]]:
    """Rank test texts by the arms, then the cells, that get them wrong; `by_arm`: rows of each arm."""
    predicted = {
        a: np.stack([unpack_predicted(x["predicted"]) for x in own]) for a, own in by_arm.items()
    }
    wrong = np.stack([(p != truth).mean(0) for p in predicted.values()])  # (arms, texts)
    failing, share = (wrong > 0.5).sum(0), wrong.mean(0)
    confused = _confused_with(np.concatenate(list(predicted.values())), truth, len(classes))
    agree = confused.max(0) / np.maximum(confused.sum(0), 1)
    # Of equally hard texts those first whose wrong answers agree: there the label may be wrong.
    order = np.lexsort((-agree, -share, -failing))[:SHOWN]
    wrong_everywhere = int((failing == len(by_arm)).sum())
    return WrongTestTexts(n, len(by_arm), wrong_everywhere, len(truth)), tuple(
        HardTestText(
            id=int(i),
            label=classes[truth[i]],
            confused_with=classes[int(confused[:, i].argmax())],
            agree=float(agree[i]),
            arms_wrong=int(failing[i]),
            arms=len(by_arm),
            cells_wrong=float(share[i]),
        )
        for i in order
        if failing[i]
    )


def _confused_with(votes: Ints, truth: Ints, classes: int) -> Ints:
    """Count how often each class was predicted in place of the true one, (classes, texts).

    Args:
        votes: predicted class by cell and text, (cells, texts).
        truth: class of every text.
        classes: number of classes.
    """
    return np.stack([((votes == c) & (truth != c)).sum(0) for c in range(classes)])


def with_texts(hardest: tuple[HardText, ...], path: Path, pool: int) -> tuple[HardText, ...]:
    """Return the entries with their texts, shortened.

    Args:
        hardest: entries with `split` and `id`.
        path: the corpus's `corpus.arrow`.
        pool: number of texts in the pool, which come before the test texts in the file.
    """
    if not hardest:
        return ()
    rows = [x.id + (pool if x.split == "test" else 0) for x in hardest]
    texts = tables.read_mapped(path, tables.CORPUS)["text"].take(pa.array(rows)).to_pylist()
    return tuple(replace(x, text=shortened(t)) for x, t in zip(hardest, texts, strict=True))


def shortened(text: str) -> str:
    """Return one line of at most LENGTH characters, without characters that hide or reorder others."""
    plain = " ".join(text.split())
    visible = "".join(
        c for c in plain if c in JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs")
    )
    return visible if len(visible) <= LENGTH else visible[:LENGTH].rstrip() + "…"


def truth(audited: pa.Table, classes: list[str]) -> Ints:
    """Return the class index of every test text, in test order."""
    test = audited.filter(pc.equal(audited["split"], "test")).sort_by("id")
    return np.array([classes.index(c) for c in test["class"].to_pylist()], np.int64)


def labels(audited: pa.Table) -> list[str]:
    """Return the class of every pool text, in pool order."""
    named: list[str] = (
        audited.filter(pc.equal(audited["split"], "pool")).sort_by("id")["class"].to_pylist()
    )
    return named


def findings(audit: Mapping[str, Any], texts: str) -> tuple[AuditFinding, ...]:
    """Return the findings of audit.json; without their examples where `texts` is "hidden"."""
    return tuple(
        AuditFinding(
            f["what"], f["count"], f["of"], tuple(f["examples"]) if texts == "shown" else ()
        )
        for f in audit["findings"]
    )


def overlap(audited: pa.Table, scores: Scores) -> Overlap:
    """Return the mean score with and without the test texts that the pool also holds, exactly or nearly.

    Args:
        audited: audit.parquet (schema core.tables.AUDIT).
        scores: of the same corpus; test texts in test order.
    """
    test = audited.filter(pc.equal(audited["split"], "test")).sort_by("id")
    clean = np.array([twin == "" for twin in test["twin"].to_pylist()], bool)
    rows = tuple(
        OverlapScore(arm, n, float(m.values.mean()), float(m.values[:, clean].mean()))
        for (arm, n), m in sorted(scores.items())
        if clean.any() and not clean.all()
    )
    return Overlap(int((~clean).sum()), len(clean), rows)


def shared(
    names: Sequence[str], families: Mapping[str, str], root: Path
) -> tuple[SharedTexts, ...]:
    """Return pairs of corpora with texts of the same letters, most first.

    `test_in_other` counts the test texts of each that occur anywhere in the other; `other_class` the
    shared texts whose class has another name there, where both have the same classes.
    """
    content = {
        n: _classes(tables.read_table(root / "data" / n / "audit.parquet", tables.AUDIT))
        for n in names
    }
    out = []
    for a, b in combinations(names, 2):
        common = content[a].keys() & content[b].keys()
        if not common:
            continue
        named = {s for c in (a, b) for _, s in content[c].values()}
        same = all({s for _, s in content[c].values()} == named for c in (a, b))
        in_a, in_b = (sum(content[x][k][0] == "test" for k in common) for x in (a, b))
        other_class = sum(content[a][k][1] != content[b][k][1] for k in common) if same else None
        out.append(
            SharedTexts(
                (a, b), len(common), (in_a, in_b), other_class, families[a] == families[b],
                share=len(common) / min(len(content[a]), len(content[b])),
            )
        )  # fmt: skip
    return tuple(sorted(out, key=lambda pair: -pair.texts))


def _classes(audited: pa.Table) -> dict[int, tuple[str, str]]:
    """Return letters → (split, class); a text in both parts counts for the test set."""
    columns = (audited[c].to_pylist() for c in ("letters", "split", "class"))
    lines = sorted(zip(*columns, strict=True), key=lambda line: line[1])  # pool before test
    return {key: (split, name) for key, split, name in lines}
