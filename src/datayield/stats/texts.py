"""Single texts: the data map of the training texts, and the test texts that most arms get wrong."""

import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datayield import dynamics, records, table
from datayield.types import Dynamics, Floats, Ints

SHOWN = 10  # texts per list
LENGTH = 280  # characters of a text that are shown
COLUMNS, ROWS = 25, 40  # of the map's grid: variability 0 to 0.5, confidence 0 to 1
JOINERS = "\u200c\u200d"  # format characters that words need; all others could hide or reorder text


def pooled(found: Sequence[Dynamics]) -> Dynamics:
    """Several trainings as one: every presentation of every draw counts alike; ids ascend."""
    columns = {
        k: np.concatenate([getattr(d, k) for d in found]) for k in Dynamics.__dataclass_fields__
    }
    ids, place = np.unique(columns["ids"], return_inverse=True)
    times = columns["times"].astype(float)

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
        _led(place, columns["instead"], times * (1 - columns["correctness"]), len(ids)),
    )


def _led(place: Ints, said: Ints, votes: Floats, count: int) -> Ints:
    """The class with the most votes per text, the first among equals; -1: none, (count,)."""
    known = said >= 0
    pairs, where = np.unique(np.stack([place[known], said[known]]), axis=1, return_inverse=True)
    total = np.bincount(where.ravel(), votes[known], pairs.shape[1])
    order = np.lexsort((pairs[1], -total, pairs[0]))
    named, first = np.unique(pairs[0][order], return_index=True)
    out = np.full(count, -1)
    out[named] = pairs[1][order][first]
    return out


def data_map(
    path: Path, arm: str, lines: Sequence[Mapping[str, Any]]
) -> tuple[dict[str, Any], Dynamics | None]:
    """What the map shows, and per text what it is made of; None where no cell carries dynamics.

    Args:
        path: `dynamics.parquet`.
        arm: the study's baseline, mapped at the largest budget that it was run at.
        lines: the rows of `cells.parquet`.

    Raises:
        UserError: when the table is missing, damaged or of another version.
    """
    own = [x for x in lines if x["arm"] == arm]
    n = max((x["n"] for x in own), default=0)
    cells = {x["cell"]: x["draw"] for x in own if x["n"] == n}
    stored = table.read(path, dynamics.DYNAMICS)
    chosen = stored.filter(pc.is_in(stored["cell"], pa.array(list(cells), pa.string())))
    found = dynamics.by_cell(chosen)
    told: dict[str, Any] = {
        "arm": arm,
        "n": n,
        "draws": len({cells[k] for k in found}),
        "of": len(set(cells.values())),
    }
    if not found:
        return told, None
    d = pooled(list(found.values()))
    return {
        **told,
        "texts": len(d),
        "presentations": float(np.median(d.times)),
        "always": float((d.correctness == 1).mean()),
        "never": float((d.correctness == 0).mean()),
        "bins": _bins(d),
    }, d


def _bins(d: Dynamics) -> list[dict[str, float]]:
    """The cells of a grid that hold texts: their centre, how many, how often right."""
    column = np.minimum((d.variability / 0.5 * COLUMNS).astype(int), COLUMNS - 1)
    row = np.minimum((d.confidence * ROWS).astype(int), ROWS - 1)
    place = column * ROWS + row
    counts = np.bincount(place, minlength=COLUMNS * ROWS)
    right = np.bincount(place, d.correctness, COLUMNS * ROWS)
    return [
        {
            "variability": (k // ROWS + 0.5) / COLUMNS / 2,
            "confidence": (k % ROWS + 0.5) / ROWS,
            "texts": int(counts[k]),
            "correctness": float(right[k] / counts[k]),
        }
        for k in np.flatnonzero(counts).tolist()
    ]


def hardest_training(
    d: Dynamics, labels: Sequence[str], classes: Sequence[str]
) -> list[dict[str, Any]]:
    """Texts that the model did not learn, and those that it was least settled about.

    Not learnt: low confidence with low variability (the smallest sum), wrong at more than half of
    the presentations. Ambiguous: the highest variability of those sometimes right, sometimes not.
    Texts shown less than half as often as the median text are left out.

    Args:
        d: the pooled dynamics.
        labels: class of every pool text.
        classes: names by index.
    """
    known = np.flatnonzero(d.times >= max(2, np.median(d.times) / 2))
    wrong = known[d.correctness[known] < 0.5]
    open_ = known[(d.correctness[known] > 0) & (d.correctness[known] < 1)]
    lists = {
        "not learnt": wrong[np.argsort((d.confidence + d.variability)[wrong], kind="stable")],
        "ambiguous": open_[np.argsort(-d.variability[open_], kind="stable")],
    }
    return [
        {
            "list": name,
            "split": "pool",
            "id": int(d.ids[k]),
            "label": labels[int(d.ids[k])],
            "instead": classes[int(d.instead[k])] if d.instead[k] >= 0 else "",
            "confidence": float(d.confidence[k]),
            "variability": float(d.variability[k]),
            "correctness": float(d.correctness[k]),
            "presentations": int(d.times[k]),
        }
        for name, order in lists.items()
        for k in order[:SHOWN]
    ]


def hardest_test(
    lines: Sequence[Mapping[str, Any]],
    roles: Mapping[str, str],
    floor: float,
    truth: Ints,
    classes: Sequence[str],
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Test texts by how many arms get them wrong in most cells, at the largest budget of most arms.

    Args:
        lines: the rows of `cells.parquet`.
        roles: arm → role; controls and checks have no say.
        floor: share of the largest class; arms that are no better on average have no say.
        truth: class index of every test text.
        classes: names by index.

    Returns:
        What was counted, and the first texts with what the arms say of them instead.
    """
    said = [x for x in lines if roles[x["arm"]] in ("plain", "baseline", "strategy")]
    arms_at: dict[int, set[str]] = {}
    for x in said:
        arms_at.setdefault(x["n"], set()).add(x["arm"])
    most = max(map(len, arms_at.values()), default=0)
    n = max((b for b, arms in arms_at.items() if 2 * len(arms) >= most), default=0)
    by_arm: dict[str, list[Mapping[str, Any]]] = {}
    for x in said:
        if x["n"] == n:
            by_arm.setdefault(x["arm"], []).append(x)
    by_arm = {a: own for a, own in by_arm.items() if np.mean([x["accuracy"] for x in own]) > floor}
    if not by_arm:
        return {"n": n, "arms": 0, "all": 0, "of": len(truth)}, []
    predicted = {
        a: np.stack([records.unpack_predicted(x["predicted"]) for x in own])
        for a, own in by_arm.items()
    }
    wrong = np.stack([(p != truth).mean(0) for p in predicted.values()])  # (arms, texts)
    failing, share = (wrong > 0.5).sum(0), wrong.mean(0)
    instead = _instead(np.concatenate(list(predicted.values())), truth, len(classes))
    agree = instead.max(0) / np.maximum(instead.sum(0), 1)
    # Of equally hard texts those first whose wrong answers agree: there the label may be wrong.
    order = np.lexsort((-agree, -share, -failing))[:SHOWN]
    return {
        "n": n,
        "arms": len(by_arm),
        "all": int((failing == len(by_arm)).sum()),
        "of": len(truth),
    }, [
        {
            "list": "test",
            "split": "test",
            "id": int(i),
            "label": classes[truth[i]],
            "instead": classes[int(instead[:, i].argmax())],
            "agree": float(agree[i]),
            "arms_wrong": int(failing[i]),
            "arms": len(by_arm),
            "cells_wrong": float(share[i]),
        }
        for i in order
        if failing[i]
    ]


def _instead(votes: Ints, truth: Ints, classes: int) -> Ints:
    """How often each class was said in place of the true one, (classes, texts).

    Args:
        votes: predicted class by cell and text, (cells, texts).
        truth: class of every text.
        classes: how many.
    """
    return np.stack([((votes == c) & (truth != c)).sum(0) for c in range(classes)])


def with_texts(hardest: list[dict[str, Any]], path: Path, pool: int) -> list[dict[str, Any]]:
    """The entries with the texts they are about, shortened.

    Args:
        hardest: entries with `split` and `id`.
        path: `corpus.arrow`.
        pool: how many texts the pool holds.
    """
    if not hardest:
        return []
    rows = [x["id"] + (pool if x["split"] == "test" else 0) for x in hardest]
    texts = table.read_mapped(path, table.CORPUS)["text"].take(pa.array(rows)).to_pylist()
    return [{**x, "text": shortened(t)} for x, t in zip(hardest, texts, strict=True)]


def shortened(text: str) -> str:
    """One line of at most LENGTH characters, without characters that hide or reorder others."""
    plain = " ".join(text.split())
    seen = "".join(
        c for c in plain if c in JOINERS or unicodedata.category(c) not in ("Cc", "Cf", "Cs")
    )
    return seen if len(seen) <= LENGTH else seen[:LENGTH].rstrip() + "…"
