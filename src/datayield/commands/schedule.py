"""`deploy`: scheduled refreshes."""

import argparse

from datayield.commands import common


def add(commands: "common.Commands") -> None:
    """The command that deploys prefect.yaml."""
    deploy = common.command(
        commands,
        "deploy",
        "schedule refreshes on a Prefect server, as prefect.yaml says",
        "datayield deploy",
        "datayield deploy --notify slack-webhook/labels   # who is told of a failed run",
        "prefect worker start --pool datayield            # what carries the runs, in this folder",
    )
    deploy.add_argument("--notify", metavar="TYPE/NAME", help="notification block on the server")
    deploy.set_defaults(run=_deploy)


def _deploy(options: argparse.Namespace) -> None:
    from datayield import orchestrate

    for sentence in orchestrate.deploy(common.ROOT, options.notify):
        print(sentence)
