"""Writes the table of docs/which-method.md from the showcases: `python docs/which_method.py`."""

import csv
from pathlib import Path
from statistics import median

from datayield.study.arms import parse_arm, title

DOCS = Path(__file__).parent
SHOWCASES = ("default", "eda5", "blends")
"""Studies in which every label trains; a corpus counts once, in the first of them that has the method."""
HEAD = "| method | sets | gain, points: least, middle, most | shown to help on |\n|---|---|---|---|"
START, END = "<!-- table -->\n", "<!-- end -->\n"


def gains() -> dict[str, dict[str, tuple[float, bool]]]:
    """Return method → corpus → (mean gain over budgets in points, whether its claim says that it helps)."""
    found: dict[str, dict[str, tuple[float, bool]]] = {}
    for study in SHOWCASES:
        path = DOCS.parent / "reports" / "showcase" / study / "tables" / "mean_differences.csv"
        for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
            if row["claim.verdict"] and row["arm"] != "majority":
                value = (100 * float(row["difference.estimate"]), row["claim.verdict"] == "helps")
                found.setdefault(row["arm"], {}).setdefault(row["corpus"], value)
    return found


def table() -> str:
    """Return the table, the largest middle gain first."""
    lines = []
    for arm, by_corpus in gains().items():
        points = sorted(gain for gain, _ in by_corpus.values())
        helps = sum(shown for _, shown in by_corpus.values())
        ends = ", ".join(
            f"{x:+.1f}".replace("-", "−") for x in (points[0], median(points), points[-1])
        )
        name = f"{title(parse_arm(arm))} (`{arm}`)"
        line = f"| {name} | {len(points)} | {ends} | {helps} of {len(points)} |"
        lines.append((-median(points), line))
    return "\n".join([HEAD, *(line for _, line in sorted(lines))]) + "\n"


def page(before: str) -> str:
    """Return the page with its table made again."""
    start, end = before.index(START) + len(START), before.index(END)
    return before[:start] + table() + before[end:]


if __name__ == "__main__":
    path = DOCS / "which-method.md"
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
