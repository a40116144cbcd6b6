"""Defines what is known about the export of a labelling tool."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Fields: TypeAlias = Mapping[str, Any]
"""Value by column."""

TEXT, LABEL = "text", "label"  # columns of an export whose names the tool fixes


@dataclass(frozen=True, slots=True)
class Tool:
    """The export of a labelling tool.

    Attributes:
        name: in params.yaml and for --format.
        title: in sentences.
        recognises: whether the first rows of a file are such an export.
        read: a row as it stands in the file → columns of text and labels; what has no label holds
            `row_labels.Absent`, what several annotators labelled `answers.Answers`.
        annotator: column that names the annotator, where each row is one answer.
    """

    name: str
    title: str
    recognises: Callable[[Sequence[Fields]], bool]
    read: Callable[[Fields], dict[str, Any]]
    annotator: str | None = None


def plain(fields: Fields, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the fields that hold one value each, but those whose name begins with _ or is in `without`."""
    return {
        name: value
        for name, value in fields.items()
        if not isinstance(value, (list, dict)) and not name.startswith("_") and name not in without
    }
