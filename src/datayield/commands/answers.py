"""What is asked of a finished study: `need`, `compare`."""

import argparse
from typing import TYPE_CHECKING

from datayield.commands import common

if TYPE_CHECKING:
    from datayield.commands.common import Commands


def add(commands: "Commands") -> None:
    """The commands that read results."""
    need = commands.add_parser(
        "need", help="labels to a target, what the next labels buy, their cost"
    )
    need.add_argument("--corpus", help="of the study; may be left out where there is one")
    need.add_argument("--target", type=float, help="score to reach, e.g. 0.85")
    need.add_argument(
        "--arm", help="one arm; default: the study's baseline and the best simple one"
    )
    need.add_argument("--have", type=int, help="labels you have: what the next ones buy from there")
    need.add_argument("--more", type=int, default=500, help="how many next labels (500)")
    need.add_argument("--label-price", type=float, help="money per label")
    need.add_argument(
        "--hour-price", type=float, default=0.0, help="money per hour of computing (0)"
    )
    need.add_argument(
        "--trainings", type=int, default=1, help="trainings per model, tuning included"
    )
    need.set_defaults(run=_need)

    compare = commands.add_parser("compare", help="two studies side by side, with what changed")
    for name in ("first", "second"):
        compare.add_argument(
            name, help="study name, report folder, metrics.json, or git revision[:study or folder]"
        )
    compare.set_defaults(run=_compare)


def _need(options: argparse.Namespace) -> None:
    from datayield.report import planner
    from datayield.stats import Question, plan_labels
    from datayield.types import names_of

    asked = Question(**{name: getattr(options, name) for name in names_of(Question)})
    print("\n".join(planner.lines(plan_labels(common.params(), common.ROOT, asked))))


def _compare(options: argparse.Namespace) -> None:
    from datayield.report import versus

    print(
        "\n".join(
            versus.lines(
                versus.read(options.first, common.ROOT), versus.read(options.second, common.ROOT)
            )
        )
    )
