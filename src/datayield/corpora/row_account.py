"""Counts where every row of the files of a corpus went: labelled, unlabelled, or left out for a reason."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any

from datayield.corpora.row_labels import Absent, Answers

SHOWN = 5  # line numbers for each reason

Label = str | Absent | Answers
"""What a row holds: its class, the reason why it has none, or the answers of several annotators."""


@dataclass(slots=True)
class Reason:
    """The number of rows that are unlabelled or left out for one reason, and the first of their lines."""

    rows: int = 0
    lines: list[int] = field(default_factory=list)

    def add(self, line: int) -> None:
        """Add one row."""
        self.rows += 1
        if len(self.lines) < SHOWN:
            self.lines.append(line)


@dataclass(frozen=True, slots=True)
class RowAccount:
    """The places of the rows of one file: `rows` = `labelled` + those of `unlabelled` + those of `left_out`.

    Attributes:
        file: name of the file.
        rows: rows of the file, without its header and blank lines.
        labelled: rows whose text and label are used.
        unlabelled: rows whose text alone is used, by reason.
        left_out: rows that are not used, by reason.
    """

    file: str
    rows: int
    labelled: int
    unlabelled: dict[str, Reason]
    left_out: dict[str, Reason]


def account(file: str, lines: Sequence[int], labels: Sequence[Label]) -> RowAccount:
    """Count the rows of one file.

    Args:
        file: its name.
        lines: line number of each row, (rows,).
        labels: what became of each row, (rows,).
    """
    unlabelled: dict[str, Reason] = {}
    left_out: dict[str, Reason] = {}
    labelled = 0
    for line, label in zip(lines, labels, strict=True):
        if isinstance(label, Absent):
            reasons = left_out if label.left_out else unlabelled
            reasons.setdefault(label.reason, Reason()).add(line)
        else:
            labelled += 1
    return RowAccount(file, len(lines), labelled, unlabelled, left_out)


@dataclass(frozen=True, slots=True)
class Agreement:
    """The agreement of the annotators of the same texts.

    Attributes:
        texts: texts with labels of at least two annotators.
        unanimous: of these, texts with one label.
        annotators: annotators of these texts.
        kappa: Cohen's kappa, -1 to 1, mean over the pairs of annotators weighted by the texts that both
            labelled; None where it is undefined for every pair.
    """

    texts: int
    unanimous: int
    annotators: int
    kappa: float | None


@dataclass(frozen=True, slots=True)
class ReadingReport:
    """The account of all rows of a corpus's files, and of its labels.

    Attributes:
        accounts: one for each file.
        renamed: label in a file → name of the class that it was read as.
        agreement: of annotators; None: no text has several.
    """

    accounts: tuple[RowAccount, ...]
    renamed: Mapping[str, str]
    agreement: Agreement | None = None

    @property
    def left_out(self) -> dict[str, int]:
        """The number of rows of all files that were left out, by reason."""
        found: dict[str, int] = {}
        for each in self.accounts:
            for reason, rows in each.left_out.items():
                found[f"rows {reason}"] = found.get(f"rows {reason}", 0) + rows.rows
        return found

    def as_card(self) -> dict[str, Any]:
        """Return the part of the corpus card that it is."""
        return {
            "rows": [asdict(each) for each in self.accounts],
            **({"labels read as": dict(self.renamed)} if self.renamed else {}),
            **({"agreement of annotators": asdict(self.agreement)} if self.agreement else {}),
        }

    def sentences(self) -> list[str]:
        """Return what a user should see: the account of every file, and what was done with labels."""
        lines = []
        for each in self.accounts:
            if len(self.accounts) <= SHOWN or each.labelled < each.rows:
                lines += _sentences(each)
        if len(self.accounts) > 1:
            lines.append(_total(self.accounts))
        for label, name in islice(self.renamed.items(), 2 * SHOWN):
            otherwise = " (otherwise: --labels as-they-are)" * (label.strip() != name)
            lines.append(f'labels: "{label}" is read as "{name}"{otherwise}')
        if len(self.renamed) > 2 * SHOWN:
            lines.append(f"labels: {len(self.renamed)} in all are read as others (see card.json)")
        if self.agreement is not None:
            lines.append(agreement_sentence(asdict(self.agreement)))
        return lines


def _total(accounts: Sequence[RowAccount]) -> str:
    rows, labelled = sum(x.rows for x in accounts), sum(x.labelled for x in accounts)
    unlabelled = sum(reason.rows for x in accounts for reason in x.unlabelled.values())
    return _equation(f"{len(accounts)} files", rows, labelled, unlabelled)


def _equation(name: str, rows: int, labelled: int, unlabelled: int) -> str:
    left_out = rows - labelled - unlabelled
    return f"{name}: {rows:,} rows = {labelled:,} labelled + {unlabelled:,} unlabelled + {left_out:,} left out"


def _sentences(each: RowAccount) -> list[str]:
    unlabelled = sum(reason.rows for reason in each.unlabelled.values())
    head = _equation(each.file, each.rows, each.labelled, unlabelled)
    places = (("unlabelled", each.unlabelled), ("left out", each.left_out))
    return [
        head,
        *(
            f"  {place}: {found.rows:,} {reason} ({_lines(found)})"
            for place, reasons in places
            for reason, found in reasons.items()
        ),
    ]


def _lines(found: Reason) -> str:
    numbers = ", ".join(map(str, found.lines))
    return f"line{'s' * (found.rows > 1)} {numbers}{', ...' * (found.rows > len(found.lines))}"


def agreement_sentence(agreement: Mapping[str, Any]) -> str:
    """Return one sentence about the agreement of annotators in a corpus card."""
    kappa = agreement["kappa"]
    measured = "undefined" if kappa is None else f"{kappa:.2f}"
    return (
        f"annotators: {agreement['annotators']} labelled {agreement['texts']:,} texts together, all with one"
        f" label: {agreement['unanimous']:,}; Cohen's kappa {measured}"
    )


def findings(card: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return findings of the audit about the rows of a corpus's files, from its card."""
    files = card.get("rows", [])
    total = sum(each["rows"] for each in files)
    unlabelled: dict[str, int] = {}
    for each in files:
        for reason, found in each["unlabelled"].items():
            unlabelled[reason] = unlabelled.get(reason, 0) + found["rows"]
    out = [("labelled rows of the files", sum(each["labelled"] for each in files), total)] * bool(
        files
    )
    out += [
        (f"unlabelled rows of the files: {reason}", n, total) for reason, n in unlabelled.items()
    ]
    if agreement := card.get("agreement of annotators"):
        what = f"texts with several labels of annotators ({agreement_sentence(agreement)})"
        out.append((what, agreement["texts"] - agreement["unanimous"], agreement["texts"]))
    return [{"what": what, "count": n, "of": of, "examples": []} for what, n, of in out]
