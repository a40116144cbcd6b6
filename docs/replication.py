"""Prints published gains of EDA next to those of a small study: `python docs/replication.py [REPORT]`.

REPORT is the folder of the report, reports/eda_small of docs/replicating-a-table.md by default.
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

from datayield.analysis.across_corpora import EDA_TABLE

N, ARM, PLAIN, CONTROL = "500", "lstm:eda", "lstm:plain", "lstm:repeat"
HEAD = (
    "| texts | plain | with EDA | EDA minus plain | EDA minus repeated texts | verdict |\n"
    "|---|---|---|---|---|---|"
)


def table(report: Path) -> str:
    """Return the table: a row for the published mean of five corpora, and one for every corpus of the study."""
    before, after = (scores[N] for _, scores in EDA_TABLE[:2])
    gain = signed(100 * (after - before))
    published = (
        f"| published, mean of five | {percent(before)} | {percent(after)} | {gain} | – | – |"
    )
    return "\n".join([HEAD, published, *rows(report)])


def rows(report: Path) -> Iterator[str]:
    """Yield the row of each corpus."""
    scores = {(r["corpus"], r["arm"]): r for r in stored(report, "scores")}
    controls = {
        r["corpus"]: r
        for r in stored(report, "against_controls")
        if (r["arm"], r["control"]) == (ARM, CONTROL)
    }
    for r in stored(report, "differences"):
        if r["arm"] == ARM:
            corpus = r["corpus"]
            plain, eda = (
                percent(float(scores[corpus, arm]["accuracy.estimate"])) for arm in (PLAIN, ARM)
            )
            verdict = r["claim.verdict"]
            gains = f"{bracket(r)} | {bracket(controls[corpus])}"
            yield f"| {corpus} | {plain} | {eda} | {gains} | {verdict} |"


def stored(report: Path, name: str) -> list[dict[str, str]]:
    """Return the rows of a table at the budget that is compared."""
    lines = (report / "tables" / f"{name}.csv").read_text(encoding="utf-8").splitlines()
    return [r for r in csv.DictReader(lines) if r["n"] == N]


def bracket(row: dict[str, str]) -> str:
    """Return a difference with its interval, in points."""
    estimate, low, high = (
        signed(100 * float(row[f"difference.{k}"])) for k in ("estimate", "low", "high")
    )
    return f"{estimate} [{low}, {high}]"


def percent(share: float) -> str:
    """Return a share as percent."""
    return f"{100 * share:.1f} %"


def signed(points: float) -> str:
    """Return points with their sign."""
    return f"{points:+.1f}".replace("-", "−").replace("+0.0", "0.0").replace("−0.0", "0.0")


if __name__ == "__main__":
    print(table(Path(sys.argv[1] if len(sys.argv) > 1 else "reports/eda_small")))
