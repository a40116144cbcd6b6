"""Fixed rows → the report's Markdown, word for word. `python -m tests.golden.test_report_text` rewrites it."""

from pathlib import Path

from datayield.report.render import render
from tests.report_data import statistics

GOLDEN = Path(__file__).with_name("report.md")


def markdown() -> str:
    """The report of a simulated study: a strong arm, a useless one, a check, a simple baseline."""
    return str(render(statistics({"strong": 3.0, "useless": 1.0}, twin=1.0))["report.md"])


def test_the_report_says_what_it_said() -> None:
    assert markdown() == GOLDEN.read_text(encoding="utf-8"), (
        "the report's text changed; if that is meant, run `python -m tests.golden.test_report_text`"
    )


if __name__ == "__main__":
    GOLDEN.write_text(markdown(), encoding="utf-8")
