"""`strategies list|show`."""

import argparse
from typing import TYPE_CHECKING

from datayield.commands import common

if TYPE_CHECKING:
    from datayield.commands.common import Commands


def add(commands: "Commands") -> None:
    """The listing of strategies."""
    strategies = commands.add_parser("strategies", help="list the strategies or show one")
    actions = strategies.add_subparsers(required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="every strategy: verbs, costs, defaults, source")
    listed.add_argument("--markdown", action="store_true", help="as the page docs/strategies.md")
    listed.set_defaults(run=_strategies)
    show = actions.add_parser("show", help="what one is, what it costs, its arguments, its source")
    show.add_argument("name")
    show.set_defaults(run=_strategy)


def _strategies(options: argparse.Namespace) -> None:
    from datayield import overview

    print(overview.page() if options.markdown else overview.listed(common.width()), end="")


def _strategy(options: argparse.Namespace) -> None:
    from datayield import overview

    print(overview.card(options.name, common.width()))
