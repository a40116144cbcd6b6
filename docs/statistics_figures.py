"""Draws docs/pictures/statistics-*.svg and writes their captions: `python -m docs.statistics_figures`.

The numbers come from the simulated studies of tests/calibration and from the stored tables of the default study.
"""

import csv
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from scipy.special import stdtrit
from tests.calibration import families
from tests.calibration.simulate import Study, make, truth

from datayield.analysis.intervals import p_values, two_way
from datayield.report.figures import COLOURS, STYLE, budget_axis, drawing

DOCS = Path(__file__).parent
PAGE, PICTURES = DOCS / "how-the-statistics-work.md", DOCS / "pictures"
TABLES = DOCS.parent / "reports" / "showcase" / "default" / "tables"
BLUE, ORANGE, GREEN = COLOURS[:3]
N = 400  # labels in the simulated studies


def draws() -> tuple[Figure, str]:
    """Return ten draws of one simulated study: both methods, and their difference."""
    study = Study(draws=10, effects={"method": 1.6})
    simulated = make(study, 5)
    plain, method = (100 * simulated.cells[arm][N].mean(1) for arm in ("plain", "method"))
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for k, pair in enumerate(zip(plain, method, strict=True), 1):
        left.plot([k, k], pair, color="#bbbbbb", lw=1, zorder=1)
    numbers = np.arange(1, 11)
    left.scatter(numbers, plain, color="black", label="plain training", zorder=2)
    left.scatter(numbers, method, color=BLUE, marker="s", label="a method", zorder=2)
    left.set_ylabel("accuracy, %")
    left.legend(frameon=False, fontsize=9)
    right.bar(numbers, method - plain, color=BLUE)
    right.set_ylabel("method minus plain, points")
    for axis in (left, right):
        axis.set_xlabel("draw")
        axis.set_xticks(numbers)
    gap = method - plain
    true = 100 * (truth(study, simulated, "method", N) - truth(study, simulated, "plain", N))
    return figure, (
        f"One simulated study, {N} labels, ten draws. Plain training scores {plain.min():.1f} to"
        f" {plain.max():.1f} % although nothing changed but the texts that were labelled."
        f" The gain of the method goes from {gap.min():.1f} to {gap.max():.1f} points; its true size is"
        f" {true:.1f}."
    )


def intervals() -> tuple[Figure, str]:
    """Return the intervals of fifty simulated studies of the same gain, around the truth."""
    study = Study(draws=5, effects={"method": 1.6})
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    axis = figure.subplots()
    missed = 0
    for seed in range(50):
        made = make(study, seed)
        found = two_way(made.cells["method"][N] - made.cells["plain"][N], 0.95)
        true = truth(study, made, "method", N) - truth(study, made, "plain", N)
        low, high, point = (100 * (v - true) for v in (found.low, found.high, found.estimate))
        outside = low > 0 or high < 0
        missed += outside
        colour = ORANGE if outside else "#777777"
        axis.plot([seed + 1] * 2, [low, high], color=colour, lw=2.5 if outside else 1.5)
        axis.plot([seed + 1], [point], "o", color=colour, ms=3)
    axis.axhline(0, color="black", lw=1)
    axis.set_xlabel("study")
    axis.set_ylabel("points from the true gain")
    return figure, (
        f"Fifty studies of the same method, five draws each. The line at 0 is the true gain. {50 - missed} of"
        f" 50 brackets hold it; the other {missed} (orange) do not, and the people who ran"
        f" those studies could not know."
    )


def many() -> tuple[Figure, str]:
    """Return one study of useless methods: intervals one at a time, and all at once."""
    case = families.Case("20 useless methods", 20, 5, budgets=(1000,))
    tests = case.arms
    wrong_alone, wrong_together, picture = 0, 0, None
    rng = np.random.default_rng(2)
    for _ in range(1000):
        t = families.simulate(case, rng)
        variance, df = families.pooled(case, t)
        p = p_values(t.mean, variance, df)[:, 0]
        wrong_alone += (p <= 0.05).any()
        wrong_together += (p <= 0.05 / tests).any()
        if picture is None and (p <= 0.05).any():
            picture = t.mean[:, 0], variance[:, 0], df[:, 0], p
    assert picture is not None
    mean, variance, df, p = picture
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    axis = figure.subplots()
    for k, (m, v, f, one) in enumerate(zip(mean, variance, df, p, strict=True), 1):
        for level, width, colour in (
            (1 - 0.05 / tests, 1.2, "#999999"),
            (0.95, 4, ORANGE if one <= 0.05 else BLUE),
        ):
            half = stdtrit(f, (1 + level) / 2) * np.sqrt(v)
            axis.plot([k, k], [100 * (m - half), 100 * (m + half)], color=colour, lw=width)
    axis.axhline(0, color="black", lw=1)
    axis.set_xticks(range(1, tests + 1))
    axis.set_xlabel("method, each of them useless")
    axis.set_ylabel("gain, points")
    return figure, (
        f"Twenty methods that do nothing. Thick: brackets that are right one at a time; {(p <= 0.05).sum()} of"
        f" them (orange) leave out 0. Thin: brackets that are right all at once; every one holds 0. In 1,000"
        f" such studies the thick ones find something in {wrong_alone / 10:.0f} of 100 studies, the thin ones in"
        f" {wrong_together / 10:.0f}."
    )


def multiplier() -> tuple[Figure, str]:
    """Return the default study's curve of plain training, and how a method is counted on it."""
    arm, at = "blend(lstm:distil, tfidf)", 1000
    scores = {(r["arm"], int(r["n"])): 100 * float(r["score.estimate"]) for r in rows("scores")}
    curve = sorted((n, score) for (a, n), score in scores.items() if a == "lstm:plain" and n >= 500)
    (found,) = (r for r in rows("multipliers") if (r["arm"], r["n"]) == (arm, str(at)))
    point, low, high = (float(found[f"multiplier.{k}"]) for k in ("point", "low", "high"))
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    axis = figure.subplots()
    budget_axis(axis, [n for n, _ in curve])
    axis.plot(*zip(*curve, strict=True), "o-", color="black", label="plain LSTM")
    score = scores[arm, at]
    axis.plot([at], [score], "s", color=BLUE, label="LSTM taught by TF-IDF, averaged with TF-IDF")
    axis.annotate(
        "", (at * point, score), (at, score), arrowprops={"arrowstyle": "->", "color": BLUE}
    )
    axis.plot(
        [at * low, at * high], [score] * 2, color=BLUE, lw=5, alpha=0.35, solid_capstyle="butt"
    )
    axis.plot([at * point] * 2, [curve[0][1], score], ":", color=BLUE)
    axis.set_xlabel("labels paid")
    axis.set_ylabel("accuracy, %")
    axis.legend(frameon=False)
    return figure, (
        f"The default study. With {at:,} labels the method scores {score:.1f} %. Plain training reaches that with"
        f" {at * point:,.0f} labels, so a label is worth {point:.2f} of plain training's ({low:.2f} to"
        f" {high:.2f}, the pale bar)."
    )


def visible() -> tuple[Figure, str]:
    """Return how often a true gain is claimed, by its size and the number of draws."""
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    axis = figure.subplots()
    gains, sees, claimed = np.arange(0, 4.01, 0.25), [], []
    for count, colour, marker in ((3, ORANGE, "o"), (10, BLUE, "s")):
        case = families.Case("five methods", 5, count, 4760, families.THREE, helped=1)
        shares = [100 * power(replace(case, gain=gain / 100)) for gain in gains]
        axis.plot(gains, shares, marker=marker, ms=4, color=colour, label=f"{count} draws")
        sees.append(100 * families.visible(replace(case, helped=0), 1))
        claimed.append(100 * power(replace(case, gain=sees[-1] / 100), 1500))
        axis.plot([sees[-1]] * 2, [0, claimed[-1]], ":", color=colour)
    axis.axhline(80, color="#999999", lw=1)
    axis.set_xlabel("true gain at 1,000 labels, points")
    axis.set_ylabel("studies that claim it, %")
    axis.legend(frameon=False)
    return figure, (
        f"Simulated studies of five methods with 4,760 test texts. Dotted: the smallest visible difference"
        f" that such studies print, {sees[0]:.1f} points with 3 draws and {sees[1]:.1f} with 10. A true gain"
        f" of this size is claimed in"
        f" {claimed[0]:.0f} and {claimed[1]:.0f} of 100 studies."
    )


def power(case: families.Case, studies: int = 400) -> float:
    """Return the share of studies that claim the first method's gain at the middle budget."""
    rng = np.random.default_rng([case.draws, round(1e4 * case.gain)])
    claimed = 0
    for _ in range(studies):
        t = families.simulate(case, rng)
        found = families.one_family(p_values(t.mean, *families.pooled(case, t)))
        claimed += bool(found[0, 1] and t.mean[0, 1] > 0)
    return claimed / studies


def rows(table: str) -> list[dict[str, str]]:
    """Return the rows of a stored table of the default study."""
    return list(csv.DictReader((TABLES / f"{table}.csv").read_text(encoding="utf-8").splitlines()))


FIGURES: dict[str, Callable[[], tuple[Figure, str]]] = {
    "draws": draws,
    "intervals": intervals,
    "many": many,
    "multiplier": multiplier,
    "visible": visible,
}


def made() -> dict[str, tuple[str, str]]:
    """Return name → picture as SVG, caption."""
    found = {}
    for name, figure in FIGURES.items():
        with mpl.rc_context(STYLE):
            picture, caption = figure()
            found[name] = (drawing(picture).svg, caption)
    return found


def captioned(page: str, captions: dict[str, str]) -> str:
    """Return the page with the line below every picture written again."""
    for name, caption in captions.items():
        place = rf"(\(pictures/statistics-{name}\.svg\)\n\n)\*.*\*\n"
        page, count = re.subn(place, lambda m, said=caption: f"{m[1]}*{said}*\n", page)
        assert count == 1, name
    return page


if __name__ == "__main__":
    found = made()
    for name, (svg, _) in found.items():
        (PICTURES / f"statistics-{name}.svg").write_text(svg, encoding="utf-8")
    captions = {name: caption for name, (_, caption) in found.items()}
    PAGE.write_text(captioned(PAGE.read_text(encoding="utf-8"), captions), encoding="utf-8")
