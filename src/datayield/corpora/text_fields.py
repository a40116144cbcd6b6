"""Joins several columns of texts to one text, in which every field is marked by its name.

A column of texts is named as it stands in the file, or several as `title,body`. The mark is one token, so
networks and TF-IDF see where a field begins; an empty field has none.
"""

import re
from collections.abc import Sequence
from typing import Any

from datayield.core.errors import UserError
from datayield.corpora import tabular
from datayield.corpora.tabular import Layout

SEPARATOR = ","


def fields_of(name: str, known: Sequence[str], title: str) -> tuple[str, ...]:
    """Return the columns that a name means: itself, or those that it lists.

    Args:
        name: of one column, or of several, separated by commas.
        known: columns of the file.
        title: name of the file in messages.

    Raises:
        UserError: the file has no such column, or one is named twice.
    """
    if name in known or SEPARATOR not in name:
        return (name,)  # whoever reads the rows raises the error
    fields = tuple(part.strip() for part in name.split(SEPARATOR))
    if "" in fields or len(set(fields)) < len(fields):
        raise UserError(
            f'{title}: the columns "{name}" have an empty name or one that occurs twice; wanted for example'
            " title,body"
        )
    return fields


def fields_in(layout: Layout, name: str) -> tuple[str, ...]:
    """Return the columns of a file that a name means, as `fields_of`.

    Raises:
        UserError: as `fields_of`, and if the file cannot be read.
    """
    if SEPARATOR not in name:
        return (name,)
    return fields_of(name, tabular.column_names(layout), layout.name)


def joined(layout: Layout, number: int, row: dict[str, Any], fields: Sequence[str]) -> str:
    """Return the text of a row: that of its only column, or its fields, each after its mark.

    Raises:
        UserError: as `tabular.text_of`.
    """
    texts = {f: tabular.text_of(layout, number, row, f) for f in fields}
    if len(fields) == 1:
        return texts[fields[0]]
    return "\n".join(f"{mark(f)} {text}" for f, text in texts.items() if text.strip())


def mark(field: str) -> str:
    """Return the token that begins a field.

    >>> mark("Review title")
    'field_review_title'
    """
    return "field_" + re.sub(r"\W+", "_", field.lower()).strip("_")
