"""Holds what every command shares: the project folder, its params.yaml, and common options."""

import argparse
import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datayield.config import Params
    from datayield.corpora.input_files import InputFiles

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ROOT = Path()
FORMATS = (
    "csv", "tsv", "json", "jsonl", "parquet", "xlsx", "lines",
    "argilla", "doccano", "fasttext", "label_studio", "prodigy", "spacy",
)  # fmt: skip
_YES_NO = {"yes": True, "no": False}


def command(
    commands: "Commands", name: str, summary: str, *examples: str
) -> argparse.ArgumentParser:
    """Add a command and return its parser, whose help ends with examples."""
    lines = "\n".join(f"  {line}" for line in examples)
    return commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(f"{summary[0].upper()}{summary[1:]}.", 78),
        epilog=f"examples:\n{lines}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_json(parser: argparse._ActionsContainer) -> None:
    """Add the option --json."""
    parser.add_argument(
        "--json", action="store_true", help="output as JSON, for other programs (default: text)"
    )


def add_columns(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how files of labelled texts are read."""
    parser.add_argument(
        "--text",
        metavar="COLUMN",
        help="column that holds the texts, or several that are joined as fields, such as title,body"
        " (default: guessed)",
    )
    parser.add_argument(
        "--label", metavar="COLUMN", help="column that holds the labels (default: guessed)"
    )
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help="encoding of the files (default: found from the content of each, and said)",
    )
    parser.add_argument(
        "--format",
        metavar="NAME",
        choices=FORMATS,
        help=f"form of the files, or labelling tool that exported them: {', '.join(FORMATS)}"
        " (default: recognised)",
    )
    parser.add_argument(
        "--quotes",
        choices=tuple(_YES_NO),
        help="whether texts of csv and tsv stand in quotation marks where they need it (default: found out)",
    )
    parser.add_argument(
        "--header",
        choices=tuple(_YES_NO),
        help="whether the first row of csv and tsv names the columns (default: found out)",
    )
    parser.add_argument(
        "--annotator",
        metavar="COLUMN",
        help="column that names who labelled each row; the label of most annotators of a text counts"
        " (default: that of the labelling tool)",
    )
    parser.add_argument(
        "--labels",
        choices=("merged", "as-they-are"),
        help="labels that differ in case or blanks alone are one class (merged), or every label is a class"
        ' as it stands, "nan" too (as-they-are) (default: an error asks, where it matters)',
    )


def add_inputs(parser: argparse.ArgumentParser, files: str) -> None:
    """Add the arguments that name files of labelled texts.

    Args:
        parser: the command's parser.
        files: how many files are required: "*" or "+".
    """
    parser.add_argument(
        "files",
        nargs=files,
        metavar="FILE",
        help="file of labelled texts (csv, tsv, json, jsonl, parquet or the export of a labelling tool), folder"
        " of such files, pattern, or"
        " data set of the Hugging Face hub (hub:owner/name@revision); several files are one corpus",
    )
    add_columns(parser)
    _add_division(parser)
    parser.add_argument(
        "--unlabelled",
        metavar="FILE",
        help="file with additional texts without labels (default: none)",
    )
    parser.add_argument(
        "--merge-rare",
        metavar="CLASS",
        help="class that joins all classes too small for a study (default: their texts are left out)",
    )
    parser.add_argument(
        "--name", help="name of the corpus and its study (default: from the first file's name)"
    )


def _add_division(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which texts are test texts."""
    parser.add_argument(
        "--split",
        metavar="COLUMN",
        help='column that says "train" or "test" (default: guessed; if there is none, a part of'
        " the texts is the test set, a tenth of a large file and up to half of a small one)",
    )
    parser.add_argument(
        "--test",
        nargs="+",
        default=[],
        metavar="FILE",
        help="files that hold the test set (default: none)",
    )
    parser.add_argument(
        "--group",
        metavar="COLUMN",
        help="column of customers, threads or users: texts of one value are all in the pool or all in the"
        " test set (default: none)",
    )
    parser.add_argument(
        "--time",
        metavar="COLUMN",
        help="column of dates or numbers: the newest texts are the test set (default: none)",
    )


def inputs(options: argparse.Namespace) -> "InputFiles":
    """Return the files that the options of `add_inputs` name."""
    return replace(
        labelled_inputs(options, options.files),
        split=options.split,
        test=options.test,
        unlabelled=options.unlabelled,
        merge_rare=options.merge_rare,
        group=options.group,
        time=options.time,
    )


def labelled_inputs(options: argparse.Namespace, files: Sequence[str]) -> "InputFiles":
    """Return files of labelled texts, read as the options of `add_columns` say."""
    from datayield.corpora.input_files import InputFiles
    from datayield.corpora.separated import SeparatedOptions

    quotes, header = (_YES_NO.get(x) if x else None for x in (options.quotes, options.header))
    return InputFiles(
        files,
        options.text,
        options.label,
        encoding=options.encoding,
        format=options.format,
        options=SeparatedOptions(quotes, header),
        annotator=options.annotator,
        labels=options.labels,
    )


def params() -> "Params":
    """Read and check params.yaml of this folder."""
    from datayield import config

    return config.load(ROOT / "params.yaml")


def checked_params() -> "Params":
    """Read params.yaml of this folder and check that every corpus and arm in it is known."""
    from datayield.study import data_stages

    return data_stages.checked_params(params())


def notify(sentence: str) -> None:
    """Print a sentence to standard error, so that standard output holds results only."""
    print(sentence, file=sys.stderr)


def as_json(value: object) -> str:
    """Return a value as JSON text with sorted keys and a line end."""
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def width() -> int:
    """Return the columns to write in: the terminal's, but from 60 to 120."""
    return min(120, max(60, shutil.get_terminal_size().columns))
