"""Writes tickets.csv, the file of docs/tutorial.md: `python docs/tickets.py [PLACE]`.

Nobody's mail may be published, so the texts are the documentation of twenty Python libraries, which are
installed anyway, and the label says whose it is. A support team for twenty products sorts its mail so.
Product names are masked. A third of the rows has no label yet, as in most files.
"""

import csv
import sys
from pathlib import Path

from datayield.config import PydocsSource
from datayield.core import seeds
from datayield.corpora.loaders import pydocs

PRODUCTS = (
    *(
        "alembic",
        "celery",
        "dulwich",
        "fsspec",
        "hypothesis",
        "jinja2",
        "matplotlib",
        "mlflow",
        "mypy",
    ),
    *("networkx", "numpy", "optuna", "pandas", "prefect", "pydantic", "rich", "scipy", "sklearn"),
    *("sqlalchemy", "sympy"),
)
EACH, SEED = 220, 1


def rows() -> list[tuple[int, str, str]]:
    """Return number, text and product of every ticket, in random order; one product in three is empty."""
    source = PydocsSource(loader="pydocs", libraries=PRODUCTS, per_class=EACH)
    found = pydocs.load("tickets", source, SEED, Path())
    order = seeds.rng(SEED, "tickets").permutation(len(found.texts))
    return [
        (1000 + place, found.texts[i], "" if place % 3 == 2 else found.labels[i])
        for place, i in enumerate(order)
    ]


def write(path: Path) -> None:
    """Write the file."""
    with path.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(["ticket", "message", "product"])
        table.writerows(rows())


if __name__ == "__main__":
    write(Path(sys.argv[1] if len(sys.argv) > 1 else "tickets.csv"))
