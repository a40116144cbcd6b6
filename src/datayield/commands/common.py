"""What every command shares: the project folder, its params.yaml, the width to write in."""

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datayield.config import Params

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

ROOT = Path()


def command(
    commands: "Commands", name: str, summary: str, *examples: str
) -> argparse.ArgumentParser:
    """A command's parser, whose help ends with examples."""
    shown = "\n".join(f"  {line}" for line in examples)
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{shown}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def loudness(parser: argparse.ArgumentParser) -> None:
    """--quiet and --verbose."""
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--quiet", "-q", action="store_true", help="say the answer and errors alone")
    how.add_argument("--verbose", "-v", action="store_true", help="say what DVC does as well")


def listing(parser: argparse.ArgumentParser) -> None:
    """--json."""
    parser.add_argument("--json", action="store_true", help="as JSON, for other programs")


def default_params() -> "Params":
    """The preset `default`, checked."""
    from datayield import config

    return config.load_text(config.preset("default"))


def params() -> "Params":
    """params.yaml of this folder, checked."""
    from datayield import config

    return config.load(ROOT / "params.yaml")


def checked_params() -> "Params":
    """params.yaml with every corpus and arm known."""
    from datayield import grid, stages
    from datayield.strategies import make

    found = params()
    for name in found.study.corpora:
        stages.known_corpus(found, name)
    for block in found.study.grid:
        for arm in block.arms:
            parsed = grid.parse_arm(arm)
            grid.default_settings(found, parsed, 10)
    for strategy, arguments in found.strategies.items():
        make(strategy, arguments)
    grid.check_controls(found)
    grid.parse_arm(found.analysis.baseline)
    return found


def as_json(value: object) -> str:
    """One JSON text, keys sorted, as files hold it."""
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def width() -> int:
    """Columns to write in: the terminal's, within what reads well."""
    return min(120, max(60, shutil.get_terminal_size().columns))
