"""Adds the command `ui`, which serves pages on this machine."""

import argparse

from datayield.cli import common


def add(commands: "common.Commands") -> None:
    """Add the command."""
    ui = common.command(
        commands,
        "ui",
        "serve pages on this machine: runs in MLflow, flows in Prefect, trials in Optuna",
        "datayield ui",
        "datayield ui --runs 5001 --trials 8081",
    )
    for option, page, port in (
        ("--runs", "MLflow", 5000),
        ("--trials", "optuna-dashboard", 8080),
        ("--flows", "Prefect", 4200),
    ):
        ui.add_argument(
            option,
            type=int,
            default=port,
            metavar="PORT",
            help=f"port of {page}'s page (default: {port})",
        )
    ui.set_defaults(run=_ui)


def _ui(options: argparse.Namespace) -> None:
    from datayield.integrations import ui_servers

    common.params()  # an error here names the file; the servers would only show empty pages
    ui_servers.serve(common.ROOT, options.runs, options.trials, options.flows)
