"""What dvc.yaml and people call. Nothing imports this module but the starter of flows.

Exit codes: 0 done; 1 `doctor` found a problem; 2 something to mend, told in one message; 130 ended by Ctrl-C.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from datayield import __version__, environment
from datayield.children import Terminated
from datayield.commands import (
    answers,
    corpora,
    habits,
    models,
    own,
    pages,
    pipeline,
    plan,
    schedule,
    strategies,
)
from datayield.commands import next as asking
from datayield.errors import UserError

TOPICS = (
    own, pipeline, plan, answers, asking, models, corpora, strategies, pages, schedule, habits,
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors that the user can mend are printed without a traceback."""
    options = parser().parse_args(arguments)
    return guard(lambda: _dispatch(options))


def guard(action: Callable[[], object]) -> int:
    """Run an action and return its exit code (0 where it returns none).

    UserError, a full disk and Ctrl-C become one message and an exit code.
    """
    code: object = None
    try:
        code = action()
    except UserError as e:
        print(f"datayield: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `datayield … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as e:
        if e.filename is None and e.errno is None:
            raise
        place = f": {e.filename}" if e.filename is not None else ""
        print(f"datayield: {e.strerror or e}{place}. Nothing was half-written.", file=sys.stderr)
        return 2
    except KeyboardInterrupt as e:
        print(
            "\ndatayield: stopped; finished cells are kept, the same command goes on",
            file=sys.stderr,
        )
        return 143 if isinstance(e, Terminated) else 130
    return code if isinstance(code, int) else 0


def _dispatch(options: argparse.Namespace) -> object:
    environment.prepare()
    return options.run(options)


def parser() -> argparse.ArgumentParser:
    """Every command with its options."""
    parser = argparse.ArgumentParser(
        prog="datayield",
        description="How much accuracy does each label buy, and what stretches the labels furthest?",
    )
    parser.add_argument("--version", action="version", version=f"datayield {__version__}")
    parser.set_defaults(parser=parser)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for topic in TOPICS:
        topic.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
