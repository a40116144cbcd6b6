"""Reads the moments of a column of dates or numbers."""

import math
from datetime import UTC, datetime
from typing import Any

from datayield.core.errors import UserError
from datayield.corpora.tabular import Layout, is_missing


def moment_of(layout: Layout, number: int, row: dict[str, Any], column: str) -> float:
    """Return a field as a moment: a number as it is, a date of ISO 8601 in seconds since 1970 (UTC).

    Raises:
        UserError: the field is empty, or neither a number nor such a date.
    """
    value = row.get(column)
    field = "" if is_missing(value) else str(value).strip()
    try:
        moment = float(field)
    except ValueError:
        try:
            date = datetime.fromisoformat(field)
        except ValueError:
            date = None
        if date is None:
            raise UserError(
                f'{layout.name}, line {number}: column "{column}" says {field!r}, wanted a date such as'
                " 2026-05-31 or 2026-05-31 10:00 (ISO 8601), or a number"
            ) from None
        moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    if not math.isfinite(moment):
        raise UserError(f'{layout.name}, line {number}: column "{column}" says {field!r}')
    return moment
