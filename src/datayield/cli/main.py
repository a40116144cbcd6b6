"""Parses the command line and runs the command: the entry point of `datayield`.

Exit codes: 0 success; 1 `doctor` found a problem; 2 an error that the user can fix, printed as one message;
130 ended by Ctrl-C.
"""

import argparse
import sys
from collections.abc import Sequence

from datayield import __version__
from datayield.cli import (
    answers,
    corpora,
    doctor,
    file_audits,
    models,
    next,
    pipeline,
    strategies,
    study,
    ui,
)
from datayield.core.system import machine
from datayield.core.system.subprocesses import exit_code_of

TOPICS = (study, file_audits, pipeline, answers, next, models, corpora, strategies, ui, doctor)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; print errors that the user can fix without traceback."""
    options = parser().parse_args(arguments)
    return exit_code_of(lambda: _run(options))


def _run(options: argparse.Namespace) -> object:
    machine.prepare_process()
    return options.run(options)


def parser() -> argparse.ArgumentParser:
    """Return the parser of all commands with their options."""
    parser = argparse.ArgumentParser(
        prog="datayield",
        description="Measure how much accuracy each label buys, and which strategies need fewer labels.",
    )
    parser.add_argument("--version", action="version", version=f"datayield {__version__}")
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for topic in TOPICS:
        topic.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
