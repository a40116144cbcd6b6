"""`ui`: pages on this machine."""

import argparse

from datayield.commands import common


def add(commands: "common.Commands") -> None:
    """The command that serves pages."""
    ui = common.command(
        commands,
        "ui",
        "pages on this machine: MLflow's runs, Prefect's flows, Optuna's trials",
        "datayield ui",
        "datayield ui --runs 5001 --trials 8081",
    )
    ui.add_argument("--runs", type=int, default=5000, metavar="PORT", help="of MLflow")
    ui.add_argument("--trials", type=int, default=8080, metavar="PORT", help="of optuna-dashboard")
    ui.add_argument("--flows", type=int, default=4200, metavar="PORT", help="of Prefect")
    ui.set_defaults(run=_ui)


def _ui(options: argparse.Namespace) -> None:
    from datayield import ui

    study = common.params().study.name
    ui.serve(common.ROOT, study, options.runs, options.trials, options.flows)
