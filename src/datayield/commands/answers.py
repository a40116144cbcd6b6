"""What is asked of a finished study: `need`, `compare`."""

import argparse
from dataclasses import asdict

from datayield.commands import common


def add(commands: "common.Commands") -> None:
    """The commands that read results."""
    need = common.command(
        commands,
        "need",
        "labels to a target, what the next labels buy, their cost",
        "datayield need --target 0.8",
        "datayield need --have 1000 --more 500",
        "datayield need --target 0.8 --label-price 0.10 --hour-price 2 --json",
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
    common.listing(need)
    need.set_defaults(run=_need)

    compare = common.command(
        commands,
        "compare",
        "two studies side by side, with what changed",
        "datayield compare default quick",
        "datayield compare HEAD~1:default default --json",
    )
    common.listing(compare)
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
    found = plan_labels(common.params(), common.ROOT, asked)
    print(common.as_json(asdict(found)) if options.json else "\n".join(planner.lines(found)))


def _compare(options: argparse.Namespace) -> None:
    from datayield.report import versus

    first, second = (versus.read(x, common.ROOT) for x in (options.first, options.second))
    if options.json:
        print(common.as_json({"A": first.metrics, "B": second.metrics}), end="")
    else:
        print("\n".join(versus.lines(first, second)))
