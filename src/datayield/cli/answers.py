"""Adds the commands that question finished studies: `need` and `compare`."""

import argparse
from dataclasses import asdict

from datayield.cli import common


def add(commands: "common.Commands") -> None:
    """Add the commands."""
    _add_need(commands)
    compare = common.command(
        commands,
        "compare",
        "compare two studies and list what changed between them",
        "datayield compare default quick",
        "datayield compare HEAD~1:default default --json",
    )
    common.add_json(compare)
    for name in ("first", "second"):
        compare.add_argument(
            name,
            metavar=name.upper(),
            help="name of a study, folder of a report, metrics.json, or git revision with an optional"
            " study or folder (REVISION:STUDY)",
        )
    compare.set_defaults(run=_compare)


def _add_need(commands: "common.Commands") -> None:
    need = common.command(
        commands,
        "need",
        "estimate the labels that reach a target score, their cost, and the gain of the next labels",
        "datayield need --target 0.8",
        "datayield need --have 1000 --more 500",
        "datayield need --target 0.8 --label-price 0.10 --hour-price 2 --json",
    )
    need.add_argument("--corpus", help="corpus of the study (default: its only one)")
    need.add_argument(
        "--target", type=float, metavar="SCORE", help="score to reach, e.g. 0.85 (default: none)"
    )
    need.add_argument(
        "--arm",
        help="arm to ask about, e.g. lstm:eda_nn (default: the study's baseline and its best simple"
        " baseline)",
    )
    need.add_argument(
        "--have",
        type=int,
        metavar="LABELS",
        help="number of labels you have, from which the next ones are counted (default: every budget)",
    )
    need.add_argument(
        "--more",
        type=int,
        default=500,
        metavar="LABELS",
        help="number of next labels (default: 500)",
    )
    need.add_argument(
        "--label-price", type=float, metavar="MONEY", help="price of one label (default: no prices)"
    )
    need.add_argument(
        "--hour-price",
        type=float,
        default=0.0,
        metavar="MONEY",
        help="price of one hour of computing (default: 0)",
    )
    need.add_argument(
        "--trainings",
        type=int,
        default=1,
        metavar="COUNT",
        help="number of trainings per model, those of tuning included (default: 1)",
    )
    common.add_json(need)
    need.set_defaults(run=_need)


def _need(options: argparse.Namespace) -> None:
    from datayield.analysis.questions import Question, plan_labels
    from datayield.core.types import names_of
    from datayield.report import terminal

    question = Question(**{name: getattr(options, name) for name in names_of(Question)})
    answer = plan_labels(common.params(), common.ROOT, question)
    if options.json:
        print(common.as_json(asdict(answer)))
    else:
        print("\n".join(terminal.need_lines(answer)))


def _compare(options: argparse.Namespace) -> None:
    from datayield.report import compare_studies

    first, second = (compare_studies.read(x, common.ROOT) for x in (options.first, options.second))
    if options.json:
        print(common.as_json({"A": first.metrics, "B": second.metrics}), end="")
    else:
        print("\n".join(compare_studies.lines(first, second)))
