"""`strategies list|show`."""

import argparse

from datayield.commands import common


def add(commands: "common.Commands") -> None:
    """The listing of strategies."""
    strategies = common.command(
        commands,
        "strategies",
        "list the strategies or show one",
        "datayield strategies list",
        "datayield strategies show vat",
    )
    actions = strategies.add_subparsers(required=True, metavar="ACTION")
    listed = common.command(
        actions,
        "list",
        "every strategy: verbs, costs, defaults, source",
        "datayield strategies list",
        "datayield strategies list --json",
    )
    listed.add_argument("--markdown", action="store_true", help="as the page docs/strategies.md")
    common.listing(listed)
    listed.set_defaults(run=_strategies)
    show = common.command(
        actions,
        "show",
        "what one is, what it costs, its arguments, its source",
        "datayield strategies show eda_nn",
    )
    show.add_argument("name")
    common.listing(show)
    show.set_defaults(run=_strategy)


def _strategies(options: argparse.Namespace) -> None:
    from datayield import overview

    if options.json:
        print(common.as_json(overview.as_data()), end="")
        return
    print(overview.page() if options.markdown else overview.listed(common.width()), end="")


def _strategy(options: argparse.Namespace) -> None:
    from datayield import overview

    if options.json:
        overview.card(options.name, common.width())  # an unknown name is an error
        print(common.as_json(overview.as_data()[options.name]), end="")
        return
    print(overview.card(options.name, common.width()))
