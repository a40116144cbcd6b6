"""Defines what a row can hold in place of one label: answers of several annotators, or a reason."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

WITHOUT_LABEL = "without a label"
SEVERAL_LABELS = "with several labels"


@dataclass(frozen=True, slots=True)
class Answers:
    """The labels that annotators gave to the text of one row: (annotator, label) of each."""

    given: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """The reason why a row has no label.

    Attributes:
        reason: in words that continue "300 texts ...".
        left_out: whether the text is not used at all; otherwise it is an unlabelled text.
    """

    reason: str
    left_out: bool = False


NO_LABEL = Absent(WITHOUT_LABEL)
SPANS = Absent("whose labels are spans of text, not classes", left_out=True)
WITHOUT_TEXT = Absent("without a text", left_out=True)
REPEATED_HEADER = Absent("that repeat the names of the columns", left_out=True)


def single(labels: Sequence[Any]) -> str | Absent:
    """Return the only one of some labels, or the reason why there is not one."""
    if any(isinstance(label, (list, dict)) for label in labels):
        return SPANS
    if not labels:
        return NO_LABEL
    return str(labels[0]) if len(labels) == 1 else Absent(SEVERAL_LABELS, left_out=True)


def of_annotators(given: Sequence[tuple[str, Sequence[Any]]]) -> Answers | Absent:
    """Return the answers of annotators from (annotator, labels) of each.

    An annotator who gave several labels or none is passed over, unless there is no other.
    """
    each = [(who, single(labels)) for who, labels in given]
    labelled = tuple((who, label) for who, label in each if isinstance(label, str))
    if labelled:
        return Answers(labelled)
    absent = (x for _, x in each if isinstance(x, Absent))
    return max(absent, key=lambda a: a.left_out, default=NO_LABEL)
