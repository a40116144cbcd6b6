"""Writes the table of back-tests of docs/statistics.md from the showcases: `python docs/back_tests.py`."""

import json
from pathlib import Path
from statistics import mean
from typing import Any

DOCS = Path(__file__).parent
SHOWCASES = ("curves", "article", "default")
ARMS = ("lstm:plain", "tfidf")
START, END = "<!-- back-tests -->\n", "<!-- end of back-tests -->\n"


def back_tests() -> dict[str, dict[str, dict[str, Any]]]:
    """Return corpus → arm → the prediction of the largest measured budget from the smaller ones."""
    found = {}
    for study in SHOWCASES:
        path = DOCS.parent / "reports" / "showcase" / study / "metrics.json"
        corpora = json.loads(path.read_text(encoding="utf-8"))["corpora"]
        found |= {name: c["backtest"] for name, c in corpora.items()}
    return found


def table() -> str:
    """Return the table with its summary."""
    found = back_tests()
    lines = [f"| corpus | {' | '.join(f'`{a}`: fit · last' for a in ARMS)} |", "|---|---|---|"]
    lines += [
        f"| {name} | {' | '.join(_cell(by.get(a)) for a in ARMS)} |" for name, by in found.items()
    ]
    tests = {a: [by[a] for by in found.values() if a in by] for a in ARMS}
    distances = [
        f"{_distance(t, 'miss')} points against {_distance(t, 'last_miss')} for the rival (`{a}`, {len(t)} curves)"
        for a, t in tests.items()
    ]
    every = [t for tests_of_arm in tests.values() for t in tests_of_arm]
    covered = sum(t["covered"] for t in every)
    summary = (
        f"Mean distance: {', '.join(distances)}. The measured score lay in the prediction's interval in"
        f" {covered} of {len(every)} cases."
    )
    return "\n".join([*lines, "", summary]) + "\n"


def _cell(test: dict[str, Any] | None) -> str:
    if test is None:  # too few budgets to leave the largest out
        return "–"
    fit, last = (f"{100 * test[k]:+.1f}".replace("-", "−") for k in ("miss", "last_miss"))
    return f"{fit} ({test['family']}) · {last}"


def _distance(tests: list[dict[str, Any]], key: str) -> str:
    return f"{100 * mean(abs(t[key]) for t in tests):.1f}"


def page(before: str) -> str:
    """Return the page with its table made again."""
    start, end = before.index(START) + len(START), before.index(END)
    return before[:start] + table() + before[end:]


if __name__ == "__main__":
    path = DOCS / "statistics.md"
    path.write_text(page(path.read_text(encoding="utf-8")), encoding="utf-8")
