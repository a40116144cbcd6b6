"""Runs docs/example.py cell by cell and writes docs/example.ipynb with the cells and their outputs.

It needs no Jupyter: like Jupyter it takes HTML, SVG and text from the value of a cell's last expression.
"""

import ast
import contextlib
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
SOURCE, NOTEBOOK = HERE / "example.py", HERE / "example.ipynb"


def cells(source: str) -> Iterator[tuple[str, str]]:
    """Yield kind and text of every cell of a script in the percent format."""
    for part in re.split(r"(?m)^# %%", source)[1:]:
        head, _, body = part.partition("\n")
        if "[markdown]" in head:
            yield "markdown", re.sub(r"(?m)^# ?", "", body).strip()
        else:
            yield "code", body.strip()


def run(code: str, names: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a cell and return its outputs: printed text and the forms of its last value."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "<cell>", "exec"), names)
        value = eval(compile(ast.Expression(last.value), "<cell>", "eval"), names) if last else None
    out: list[dict[str, Any]] = []
    if printed.getvalue():
        out.append({"output_type": "stream", "name": "stdout", "text": lines(printed.getvalue())})
    if value is not None:
        out.append({"output_type": "display_data", "metadata": {}, "data": shown(value)})
    return out


def shown(value: Any) -> dict[str, list[str]]:
    """Return a value as HTML or SVG, where it has them, and as text."""
    forms = {"text/html": "_repr_html_", "image/svg+xml": "_repr_svg_"}
    made = {kind: getattr(value, name)() for kind, name in forms.items() if hasattr(value, name)}
    return {kind: lines(text) for kind, text in {**made, "text/plain": str(value)}.items()}


def lines(text: str) -> list[str]:
    """Split a text into lines with their ends, as notebooks store it."""
    return text.splitlines(keepends=True)


def built(source: str) -> dict[str, Any]:
    """Build the notebook of a script by running its cells in an empty folder."""
    names: dict[str, Any] = {"__name__": "__main__"}
    made: list[dict[str, Any]] = []
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for number, (kind, text) in enumerate(cells(source)):
                cell = {
                    "cell_type": kind,
                    "id": f"cell-{number}",
                    "metadata": {},
                    "source": lines(text),
                }
                if kind == "code":
                    cell |= {"execution_count": None, "outputs": run(text, names)}
                made.append(cell)
        finally:
            os.chdir(before)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return {"cells": made, "metadata": about, "nbformat": 4, "nbformat_minor": 5}


if __name__ == "__main__":
    NOTEBOOK.write_text(
        json.dumps(built(SOURCE.read_text(encoding="utf-8")), indent=1, ensure_ascii=False) + "\n",
        encoding="utf-8",
    )
    print(NOTEBOOK, file=sys.stderr)
