"""Reads the first paragraphs of docstrings with `ast`; nothing of what it reads is imported or run.

`python docstrings.py FOLDER` prints them as a JSON list. It imports only the standard library, so that a
process for each library starts at once.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

FEWEST_WORDS = 4
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def paragraphs(folder: Path) -> list[str]:
    """Return the first paragraphs of all docstrings below a folder but those of tests, one line each."""
    found: list[str] = []
    for path in sorted(folder.rglob("*.py"), key=lambda p: p.relative_to(folder).parts):
        if any("test" in part for part in path.relative_to(folder).parts):
            continue
        source = path.read_bytes()
        if b'"""' in source or b"'''" in source:
            found += first_paragraphs(source)
    return found


def first_paragraphs(source: bytes) -> Iterator[str]:
    """Yield the first paragraph of every docstring of a module; nothing if it is not valid Python."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # templates, and files for other versions of Python
        return
    for node in ast.walk(tree):
        if isinstance(node, _DOCUMENTED) and (docs := ast.get_docstring(node)):
            first = " ".join(re.split(r"\n\s*\n", docs.strip(), maxsplit=1)[0].split())
            if len(first.split()) >= FEWEST_WORDS:
                yield first


if __name__ == "__main__":
    json.dump(paragraphs(Path(sys.argv[1])), sys.stdout)
