"""Holds what every command shares: the project folder, its params.yaml, and common options."""

import argparse
import json
import shutil
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datayield.config import Params
    from datayield.corpora.input_files import InputFiles

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ROOT = Path()


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
        "--text", metavar="COLUMN", help="column that holds the texts (default: guessed)"
    )
    parser.add_argument(
        "--label", metavar="COLUMN", help="column that holds the labels (default: guessed)"
    )
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help="encoding of the files (default: utf-8, or utf-16 by its byte-order mark)",
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
        help="file of labelled texts (csv, tsv, jsonl or parquet), folder of such files, pattern, or"
        " data set of the Hugging Face hub (hub:owner/name@revision); several files are one corpus",
    )
    add_columns(parser)
    parser.add_argument(
        "--split",
        metavar="COLUMN",
        help='column that says "train" or "test" (default: guessed; if there is none, a tenth of the'
        " texts is the test set)",
    )
    parser.add_argument(
        "--test",
        nargs="+",
        default=[],
        metavar="FILE",
        help="files that hold the test set (default: none)",
    )
    parser.add_argument(
        "--unlabelled",
        metavar="FILE",
        help="file with additional texts without labels (default: none)",
    )
    parser.add_argument(
        "--name", help="name of the corpus and its study (default: from the first file's name)"
    )


def inputs(options: argparse.Namespace) -> "InputFiles":
    """Return the files that the options of `add_inputs` name."""
    from datayield.corpora.input_files import InputFiles

    return InputFiles(
        options.files,
        options.text,
        options.label,
        options.split,
        options.test,
        options.unlabelled,
        options.encoding,
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
