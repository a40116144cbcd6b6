"""Defines the results that functions of `api` return; they show themselves when printed and in notebooks.

Every text of a user is escaped. Heavy modules are imported when a method needs them.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datayield.core.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from datayield.analysis.statistics import StudyStatistics
    from datayield.config import Params
    from datayield.core.types import Corpus
    from datayield.report.figures import Drawing


class Result(ABC):
    """Sentences and tables that show themselves: as text when printed, as HTML in a notebook."""

    @abstractmethod
    def lines(self) -> Sequence[str]:
        """Return the sentences."""

    def tables(self) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
        """Yield (caption, head, rows) of each table below the sentences."""
        yield from ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        sentences = "".join(f"<p>{escape(line)}</p>" for line in self.lines())
        return sentences + "".join(_table(*table) for table in self.tables())


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(str(x))}</{tag}>' for x in row)}</tr>"

    body = "".join(cells(row, "td") for row in rows)
    return f"<table><caption>{escape(caption)}</caption>{cells(head, 'th')}{body}</table>"


@dataclass(frozen=True)
class LoadedCorpus(Result):
    """A corpus with its card.

    Attributes:
        corpus: texts, labels, classes (`datayield.core.types.Corpus`).
        card: counts, lengths, duplicates, source.
    """

    corpus: "Corpus" = field(repr=False)
    card: Mapping[str, Any] = field(repr=False)

    def lines(self) -> Sequence[str]:
        """Return one sentence with the numbers of texts and classes."""
        c = self.corpus
        return [
            f"{c.name}: {len(c.texts):,} texts to learn from, {len(c.test_texts):,} test texts,"
            f" {len(c.classes)} classes"
        ]

    def tables(self) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
        """Yield the table of texts by class."""
        counts = self.card["classes"]
        yield "texts by class", ("class", "pool", "test"), [
            (name, f"{n['pool']:,}", f"{n['test']:,}") for name, n in counts.items()
        ]  # fmt: skip


@dataclass(frozen=True)
class StudyPlan(Result):
    """The cells of a study and their predicted time.

    Attributes:
        found: the values that `datayield plan --json` prints.
    """

    found: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, params: "Params", names: Sequence[str], root: Path) -> "StudyPlan":
        """Count the cells of these corpora, predict their time and the differences that they will show.

        Raises:
            UserError: a corpus is not built yet.
        """
        from datayield.report import plan_sentences
        from datayield.tuning import plan

        return cls(plan_sentences.with_differences(params, plan.planned(params, names, root), root))

    def lines(self) -> Sequence[str]:
        """Return the lines that `datayield plan` prints."""
        from datayield.tuning import plan

        return plan.lines(dict(self.found))


@dataclass(frozen=True)
class Statistics(Result):
    """The statistics of a study: everything that its report says.

    Attributes:
        found: the content of statistics.json.
    """

    found: "StudyStatistics" = field(repr=False)

    def lines(self) -> Sequence[str]:
        """Return the first sentences of the report."""
        from datayield.report import render

        return render.answer_of(self.found)

    def tables(self) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
        """Yield the table of the methods of every corpus."""
        from datayield.report import render

        for table in render.main_tables(self.found):
            yield table.caption, table.head, table.rows

    def table(self, kind: str) -> "pd.DataFrame":
        """Return one table of the report, not rounded: scores, differences, multipliers, next, ...

        Raises:
            UserError: the kind is unknown, or this study has no rows of it.
        """
        import io

        import pandas as pd

        from datayield.report import csv_tables

        known = csv_tables.csv_files(self.found)
        if kind not in known:
            raise UserError(f'the study has no table "{kind}": {nearest(kind, list(known))}')
        return pd.read_csv(io.StringIO(known[kind]), keep_default_na=False, na_values=[""])

    def figure(self, name: str, corpus: str | None = None) -> "Drawing":
        """Return one figure of the report, which a notebook shows: curves, multipliers, differences, ...

        Raises:
            UserError: the corpus or figure is unknown.
        """
        from datayield.report.render import drawings

        known = drawings(self.found)
        key = f"{corpus or self.found.corpora[0].corpus}-{name}"
        if key not in known:
            raise UserError(f'the report has no figure "{key}": {nearest(key, list(known))}')
        return known[key]()


@dataclass(frozen=True)
class Multiplier(Result):
    """The number of the baseline's labels that one label of an arm is worth.

    Attributes:
        arm, n, baseline: the two sides of the comparison, at n labels of the arm.
        point, low, high: the multiplier and its range; None: open, or unknown.
        said: the multiplier and its range as the report writes them.
    """

    arm: str
    n: int
    baseline: str
    point: float | None
    low: float | None
    high: float | None
    said: str

    def lines(self) -> Sequence[str]:
        """Return one sentence with the multiplier and its range."""
        return [f"a label of {self.arm} at {self.n:,} is worth {self.said} of {self.baseline}'s"]


@dataclass(frozen=True)
class Need(Result):
    """The labels to a target, the gain of the next labels, and their cost.

    Attributes:
        found: the answer (`datayield.analysis.questions.NeedAnswer`).
    """

    found: Any = field(repr=False)

    def lines(self) -> Sequence[str]:
        """Return the lines that `datayield need` prints."""
        from datayield.report import terminal

        return terminal.need_lines(self.found)
