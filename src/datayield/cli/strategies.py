"""Adds the command `strategies` with its actions list and show."""

import argparse

from datayield.cli import common


def add(commands: "common.Commands") -> None:
    """Add the command and its actions."""
    strategies = common.command(
        commands,
        "strategies",
        "list the strategies or describe one",
        "datayield strategies list",
        "datayield strategies show vat",
    )
    actions = strategies.add_subparsers(required=True, metavar="ACTION")
    listing = common.command(
        actions,
        "list",
        "list every strategy with its costs, default arguments and source",
        "datayield strategies list",
        "datayield strategies list --json",
    )
    form = listing.add_mutually_exclusive_group()
    form.add_argument(
        "--markdown",
        action="store_true",
        help="output as Markdown: the page docs/strategies.md (default: text)",
    )
    common.add_json(form)
    listing.set_defaults(run=_list)
    show = common.command(
        actions,
        "show",
        "describe one strategy: its costs, arguments and source",
        "datayield strategies show eda_nn",
    )
    show.add_argument("name", metavar="NAME", help="name of the strategy, as `list` prints it")
    common.add_json(show)
    show.set_defaults(run=_show)


def _list(options: argparse.Namespace) -> None:
    from datayield.strategies import overview

    if options.json:
        print(common.as_json(overview.as_data()), end="")
    elif options.markdown:
        print(overview.page(), end="")
    else:
        print(overview.listed(common.width()), end="")


def _show(options: argparse.Namespace) -> None:
    from datayield.strategies import overview

    card = overview.card(options.name, common.width())  # raises UserError for an unknown name
    print(common.as_json(overview.as_data()[options.name]) if options.json else f"{card}\n", end="")
