"""`next`: the texts that are most worth labelling next."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from datayield.commands import common
from datayield.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datayield import asking
    from datayield.types import Ints

BY = "facility_location"  # what benchmarks/next.py found no worse than random anywhere


def add(commands: "common.Commands") -> None:
    """The command that chooses texts to label."""
    ask = common.command(
        commands,
        "next",
        "write the texts most worth labelling next, each with its reason",
        "datayield next --labelled mine.csv --unlabelled pool.csv --n 100",
        "datayield next --labelled mine.csv --unlabelled pool.csv --n 100 --by margin --out next.jsonl",
        "datayield next --labelled mine.csv --unlabelled pool.csv --n 50 --out tasks.json   # Label Studio",
    )
    ask.add_argument("--labelled", required=True, nargs="+", metavar="FILE", help="labelled texts")
    ask.add_argument("--unlabelled", required=True, nargs="+", metavar="FILE", help="the others")
    ask.add_argument("--n", type=int, default=100, help="how many texts (100)")
    ask.add_argument("--by", default=BY, metavar="STRATEGY", help=f"one that chooses texts ({BY})")
    ask.add_argument("--out", default="next.csv", help="a .csv, .jsonl or .json file (next.csv)")
    ask.add_argument("--force", action="store_true", help="write over a file that is there")
    ask.add_argument("--text", help="column that holds the texts (guessed if only one can)")
    ask.add_argument("--label", help="column that holds the labels (guessed if only one can)")
    ask.add_argument("--encoding", help="of the files (utf-8; utf-16 by its mark)")
    ask.add_argument("--seed", type=int, default=0, help="of everything random (0)")
    ask.set_defaults(run=_next)


def _next(options: argparse.Namespace) -> None:
    import sys

    from datayield import asking, table, tolabel

    out = Path(options.out)
    if out.suffix.lower() not in tolabel.WRITERS:
        raise UserError(
            f"--out {out}: wanted a file ending in {', '.join(sorted(tolabel.WRITERS))}"
        )
    if out.exists() and not options.force:
        raise UserError(f"--out {out} exists, perhaps with labels in it. Name another, or --force.")
    texts, labels, column, told = _labelled(options)
    unlabelled, places, more = _unlabelled(options, column)
    for sentence in (*told, *more):
        print(sentence, file=sys.stderr)
    chosen = asking.choose(texts, labels, unlabelled, options.n, options.by, options.seed)
    asked = [asking.Asked(a.rank, int(places[a.place]), a.text, a.reason) for a in chosen.asked]
    table.write_text(tolabel.WRITERS[out.suffix.lower()](asked), out)
    print("\n".join(_said(chosen, out, len(texts))))


def _labelled(
    options: argparse.Namespace,
) -> "tuple[Sequence[str], list[str], str, tuple[str, ...]]":
    """Texts, labels, the column of texts, and what was guessed."""
    from datayield.commands.given import expand
    from datayield.corpora import columns, files, read

    paths = expand(options.labelled)
    encoding = options.encoding or read.encoding_of(paths[0])
    found = columns.choose(paths[0], encoding, options.text, options.label, None, True)
    source = files.describe(paths[0], found.text, found.label, encoding, None, paths[1:])
    loaded = files.load("labelled", source, 0, Path())
    return loaded.texts, loaded.labels, found.text, found.told


def _unlabelled(
    options: argparse.Namespace, column: str
) -> "tuple[Sequence[str], Ints, tuple[str, ...]]":
    """Texts that are not empty, their rows in all files together, and what was guessed."""
    import numpy as np

    from datayield import text
    from datayield.commands.given import expand
    from datayield.corpora import columns, read

    told: list[str] = []
    sources = []
    for path in expand(options.unlabelled):
        encoding = options.encoding or read.encoding_of(path)
        name, guessed = columns.text_column(path, encoding, options.text, column)
        told += [f"{path}: {sentence}" for sentence in guessed]
        sources.append((path, encoding, name))
    everything = text.Column.spooled(_lines(sources))
    filled = np.flatnonzero(np.fromiter((bool(x.strip()) for x in everything), bool))
    if len(filled) < len(everything):
        told.append(f"rows without a text, left out: {len(everything) - len(filled):,}")
    return text.Chosen(everything, filled), filled, tuple(told)


def _lines(sources: "Sequence[tuple[Path, str, str]]") -> "Iterator[str]":
    """The text of every row of (path, encoding, column), "" where there is none."""
    from datayield import memory
    from datayield.corpora import files, read

    rows = 0
    for path, encoding, name in sources:
        for row in read.rows(path, encoding):
            rows += 1
            if rows % files.LOOK == 0:  # before the system ends what grows too large
                memory.require_corpus(str(path), rows)
            value = row.get(name)
            yield "" if value is None else str(value)


def _said(chosen: "asking.Chosen", out: Path, labelled: int) -> list[str]:
    first = chosen.asked[0]
    lines = [
        f"{out}: {len(chosen.asked)} texts to label next, by {chosen.by}",
        f"from {labelled:,} labelled and {chosen.considered:,} unlabelled texts; left out as duplicates:"
        f" {chosen.labelled_already:,} of labelled texts, {chosen.repeated:,} of each other",
    ]
    if chosen.looked_at < chosen.considered:
        lines.append(f"{chosen.looked_at:,} of them, drawn at random, were looked at")
    return [*lines, f"first: row {first.place + 1}, {first.reason}"]
