"""What `datayield study` prints last: the answer on eight lines."""

from dataclasses import replace
from pathlib import Path

import pytest

from datayield.report import terminal
from datayield.report.sections.first_screen import first_screen
from tests.report_data import statistics


@pytest.mark.parametrize("sentences", [1, 4, 12])
def test_the_answer_is_at_most_eight_lines(sentences: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def longer(c, s):  # type: ignore[no-untyped-def]
        screen = first_screen(c, s)
        return replace(
            screen, answer=screen.answer * sentences, sure=("It may miss some. " * 9,) * sentences
        )

    s = statistics(effects={"strong": 3.0})
    first, numbers = first_screen(s.corpora[0], s).answer[0], first_screen(s.corpora[0], s).numbers
    monkeypatch.setattr(terminal, "first_screen", longer)
    lines = terminal.answer_lines(s, Path("reports/x/index.html"))
    assert len(lines) <= terminal.MOST_LINES and lines[-1] == "report: reports/x/index.html"
    assert max(map(len, lines)) <= terminal.MOST_WIDE
    assert first in " ".join(lines), "the answer gives way last"
    assert all(any(n.label in line for line in lines) for n in numbers)
