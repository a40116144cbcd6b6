"""Reads the only sheet with rows of an Excel file (.xlsx) with openpyxl (the extra `excel`).

Formulas are not computed: a cell holds the value that was stored with it.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datayield.core.errors import UserError
from datayield.core.spreadsheet import restored
from datayield.corpora import separated

LARGEST = 2**31  # bytes of the unpacked file


def rows(path: Path, name: str, header: bool | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the row number in the sheet and the fields of every row.

    Args:
        path: the file.
        name: of the file, for messages.
        header: whether the first row names the columns; None: it does.

    Raises:
        UserError: openpyxl is not installed, or the file cannot be read, is too large, or has several sheets.
    """
    book = _opened(path, name)
    try:
        filled = [s for s in book.worksheets if any(map(_is_filled, s.iter_rows(values_only=True)))]
        if len(filled) != 1:
            titles = ", ".join(f'"{s.title}"' for s in filled[:5])
            raise UserError(
                f"{name} has {len(filled)} sheets with rows ({titles}); wanted one. Save the sheet as csv, or"
                " delete the others."
            )
        yield from _of_sheet(filled[0], name, header is not False)
    finally:
        book.close()


def _opened(path: Path, name: str) -> Any:
    try:
        import openpyxl
    except ImportError as e:
        raise UserError(
            f"{name}: Excel files need the package openpyxl: pip install 'datayield[excel]', or save the"
            " sheet as csv"
        ) from e
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > LARGEST:
            raise UserError(
                f"{name}: more than {LARGEST / 2**30:.0f} GiB when unpacked; save the sheet as csv"
            )
        return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except UserError:
        raise
    except Exception as e:  # the package raises many kinds of error, all with a reason
        why = " ".join(str(e).split())[:200]
        raise UserError(f"{name} is not a readable Excel file: {why}") from e


def _of_sheet(sheet: Any, name: str, header: bool) -> Iterator[tuple[int, dict[str, Any]]]:
    names: list[str] = []
    for number, values in enumerate(sheet.iter_rows(values_only=True), 1):
        if not _is_filled(values):
            continue
        if not names:
            first = ["" if x is None else str(x) for x in values]
            names = separated.column_names(name, first if header else [""] * len(first))
            if header:
                continue
        cells = [*values[: len(names)], *[None] * (len(names) - len(values))]
        if _is_filled(values[len(names) :]):
            raise UserError(f"{name}, row {number}: values outside of the {len(names)} columns")
        yield (
            number,
            {
                k: restored(x) if isinstance(x, str) else x
                for k, x in zip(names, cells, strict=True)
            },
        )


def _is_filled(values: Any) -> bool:
    return any(x is not None and str(x).strip() for x in values)
