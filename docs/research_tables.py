"""Writes the table of docs/research.md from the showcases: `python docs/research_tables.py`.

A published gain held where a claim of ours says that it helps. It did not where our interval lies below it.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

from datayield.analysis.across_corpora import EDA_TABLE

DOCS = Path(__file__).parent
START, END = "<!-- table -->\n", "<!-- end -->\n"
HEAD = "| published | gain there, points | gain here, points | shown to help on | held? |\n|---|---|---|---|---|"


@dataclass(frozen=True)
class Gain:
    """A gain with its interval, in points, and on how many sets one claim says that it helps."""

    estimate: float
    low: float
    high: float
    helps: int
    sets: int


@dataclass(frozen=True)
class Published:
    """A published claim, its gain in points (None: none is given for these texts), and ours."""

    claim: str
    gain: float | None
    ours: Gain


def rows(study: str, table: str) -> list[dict[str, str]]:
    """Return the rows of a stored table of a showcase."""
    path = DOCS.parent / "reports" / "showcase" / study / "tables" / f"{table}.csv"
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def over_families(study: str, arm: str, n: int) -> Gain:
    """Return the mean gain of an arm over families of corpora at a budget."""
    (mean,) = (r for r in rows(study, "across") if (r["arm"], r["n"]) == (arm, str(n)))
    each = [r for r in rows(study, "differences") if (r["arm"], r["n"]) == (arm, str(n))]
    return _gain(mean, each)


def on_one_corpus(study: str, arm: str) -> Gain:
    """Return the mean gain of an arm over the budgets of a study of one corpus."""
    (mean,) = (r for r in rows(study, "mean_differences") if r["arm"] == arm)
    return _gain(mean, [mean])


def _gain(mean: dict[str, str], each: list[dict[str, str]]) -> Gain:
    estimate, low, high = (
        100 * float(mean[f"difference.{k}"]) for k in ("estimate", "low", "high")
    )
    return Gain(estimate, low, high, sum(r["claim.verdict"] == "helps" for r in each), len(each))


def published() -> list[Published]:
    """Return the published claims that a showcase of the present protocol speaks about."""
    scores = dict(EDA_TABLE[:2])
    plain, eda = scores["RNN with GloVe (Wei & Zou 2019)"], scores["the same + EDA"]
    found = [
        Published(
            f"EDA, RNN, {n:,} labels, mean of five sets (Wei & Zou 2019, Table 2)",
            100 * (eda[str(n)] - plain[str(n)]),
            over_families("eda5", "lstm:eda", n),
        )
        for n in (500, 2000)
    ]
    return [
        *found,
        Published(
            "mixup of words helps (Guo et al. 2019)",
            None,
            on_one_corpus("default", "lstm:mixup_word"),
        ),
        Published(
            "NB-SVM is a strong baseline (Wang & Manning 2012)",
            None,
            on_one_corpus("default", "nbsvm"),
        ),
        Published(
            "a student learns from a teacher's answers (Hinton et al. 2015): sentence encoder, 500 labels",
            None,
            over_families("blends", "lstm:distil_encoder", 500),
        ),
        Published(
            "a mean of different models is better (Dietterich 2000): LSTM and TF-IDF",
            None,
            on_one_corpus("default", "blend(lstm:plain, tfidf)"),
        ),
    ]


def held(p: Published) -> str:
    """Return what our study says of a published claim."""
    if p.ours.helps:
        return "yes" if p.ours.helps == p.ours.sets else "in part"
    if p.gain is not None and p.ours.high < p.gain:
        return "no: the interval lies below the published gain"
    return "open: the interval holds the published gain and 0" if p.gain else "not shown"


def line(p: Published) -> str:
    """Return the row of a published claim."""
    there = "–" if p.gain is None else signed(p.gain)
    o = p.ours
    here = f"{signed(o.estimate)} [{signed(o.low)}, {signed(o.high)}]"
    return f"| {p.claim} | {there} | {here} | {o.helps} of {o.sets} | {held(p)} |"


def signed(points: float) -> str:
    """Return points with their sign."""
    return f"{points:+.1f}".replace("-", "−").replace("−0.0", "0.0")


def page(before: str) -> str:
    """Return the page with its table made again."""
    start, end = before.index(START) + len(START), before.index(END)
    table = "\n".join([HEAD, *map(line, published())]) + "\n"
    return before[:start] + table + before[end:]


if __name__ == "__main__":
    path = DOCS / "research.md"
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
