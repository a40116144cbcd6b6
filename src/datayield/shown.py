"""What the functions of `api` return: results that show themselves, printed or in a notebook.

Every text of a user is escaped. What is heavy is imported when it is asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from datayield.errors import UserError, nearest

if TYPE_CHECKING:
    import pandas as pd

    from datayield.report.figures import Drawing
    from datayield.types import Corpus


class Shown(ABC):
    """Lines and tables that show themselves: as text where printed, as HTML in a notebook."""

    @abstractmethod
    def lines(self) -> Sequence[str]:
        """The sentences."""

    def tables(self) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
        """(caption, head, rows) of each table below them."""
        yield from ()

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{escape(line)}</p>" for line in self.lines())
        return said + "".join(_table(*table) for table in self.tables())


def _table(caption: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    def cells(row: Sequence[str], tag: str) -> str:
        return f"<tr>{''.join(f'<{tag}>{escape(str(x))}</{tag}>' for x in row)}</tr>"

    body = "".join(cells(row, "td") for row in rows)
    return f"<table><caption>{escape(caption)}</caption>{cells(head, 'th')}{body}</table>"


@dataclass(frozen=True)
class LoadedCorpus(Shown):
    """A corpus with its card.

    Attributes:
        corpus: texts, labels, classes (`datayield.types.Corpus`).
        card: counts, lengths, duplicates, source.
    """

    corpus: "Corpus" = field(repr=False)
    card: Mapping[str, Any] = field(repr=False)

    def lines(self) -> Sequence[str]:
        """One sentence."""
        c = self.corpus
        return [
            f"{c.name}: {len(c.texts):,} texts to learn from, {len(c.test_texts):,} test texts,"
            f" {len(c.classes)} classes"
        ]

    def tables(self) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
        """Texts by class."""
        counts = self.card["classes"]
        yield "texts by class", ("class", "pool", "test"), [
            (name, f"{n['pool']:,}", f"{n['test']:,}") for name, n in counts.items()
        ]  # fmt: skip


@dataclass(frozen=True)
class Plan(Shown):
    """What a study would compute.

    Attributes:
        found: what `datayield plan --json` says.
    """

    found: Mapping[str, Any] = field(repr=False)

    def lines(self) -> Sequence[str]:
        """As `datayield plan` prints them."""
        from datayield.commands import plan

        return plan.lines(dict(self.found))


@dataclass(frozen=True)
class Statistics(Shown):
    """Everything that the report says of a study.

    Attributes:
        found: what statistics.json holds.
    """

    found: Mapping[str, Any] = field(repr=False)

    def lines(self) -> Sequence[str]:
        """The first sentences of the report."""
        from datayield.report import view

        return view.first_screen(dict(self.found)).paragraphs

    def tables(self) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[str]]]]:
        """The best arms and the labels to the target."""
        from datayield.report import view

        for t in view.first_screen(dict(self.found)).tables:
            yield t.caption, t.head, t.rows

    def table(self, kind: str) -> "pd.DataFrame":
        """One table of the report, numbers unrounded: scores, differences, multipliers, next, ...

        Raises:
            UserError: an unknown kind, or one that this study has no rows of.
        """
        import io

        import pandas as pd

        from datayield.report import tables

        known = tables.csv_files(dict(self.found))
        if kind not in known:
            raise UserError(f'the study has no table "{kind}": {nearest(kind, list(known))}')
        return pd.read_csv(io.StringIO(known[kind]), keep_default_na=False, na_values=[""])

    def figure(self, name: str, corpus: str | None = None) -> "Drawing":
        """One figure of the report: curves, multipliers, differences, ...; a notebook shows it.

        Raises:
            UserError: an unknown corpus or figure.
        """
        from datayield.report.render import drawings

        known = drawings(dict(self.found))
        wanted = f"{corpus or self.found['corpora'][0]['corpus']}-{name}"
        if wanted not in known:
            raise UserError(f'the report has no figure "{wanted}": {nearest(wanted, list(known))}')
        return known[wanted]()


@dataclass(frozen=True)
class Multiplier(Shown):
    """How many labels of the baseline one label of an arm is worth.

    Attributes:
        arm, n, baseline: what was compared.
        point, low, high: the multiplier and its range; None: open, or unknown.
        said: all of it as the report writes it.
    """

    arm: str
    n: int
    baseline: str
    point: float | None
    low: float | None
    high: float | None
    said: str

    def lines(self) -> Sequence[str]:
        """One sentence."""
        return [f"a label of {self.arm} at {self.n:,} is worth {self.said} of {self.baseline}'s"]


@dataclass(frozen=True)
class Need(Shown):
    """Labels to a target, what the next labels buy, their cost.

    Attributes:
        found: `datayield.stats.plan.Planned`.
    """

    found: Any = field(repr=False)

    def lines(self) -> Sequence[str]:
        """As `datayield need` prints them."""
        from datayield.report import planner

        return planner.lines(self.found)
