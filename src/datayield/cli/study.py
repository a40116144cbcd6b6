"""Adds the commands `init`, `study` and `plan`: project folders, studies and their predicted time."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from datayield.cli import common
from datayield.core.errors import UserError

FILE_OPTIONS = ("text", "label", "split", "test", "group", "time", "unlabelled", "encoding", "format",
                "quotes", "header", "annotator", "labels", "merge_rare", "budget", "draws", "tune",
                "name", "folder")  # fmt: skip
"""Options of `study` that need a FILE; without one params.yaml decides."""


def add(commands: "common.Commands") -> None:
    """Add the commands."""
    _add_init(commands)
    _add_study(commands)
    plan = common.command(
        commands,
        "plan",
        "count the trainings of the study and predict its time, before anything runs",
        "datayield plan",
        "datayield plan --json",
    )
    common.add_json(plan)
    plan.set_defaults(run=_plan)


def _add_init(commands: "common.Commands") -> None:
    init = common.command(
        commands,
        "init",
        "make a project folder with params.yaml and a pipeline",
        "datayield init",
        "datayield init spam --corpus sms_spam",
        "datayield init --renew          # after an upgrade of datayield",
    )
    init.add_argument(
        "folder", nargs="?", default=".", help="new or empty folder (default: this folder)"
    )
    init.add_argument(
        "--corpus",
        nargs="+",
        default=[],
        metavar="NAME",
        help="corpora of the study: pydocs or names of the catalog (default: pydocs)",
    )
    init.add_argument(
        "--renew",
        action="store_true",
        help="update of the pipeline (dvc.yaml, flows) of an existing project to this version of datayield"
        " (default: a new project)",
    )
    init.set_defaults(run=_init)


def _add_study(commands: "common.Commands") -> None:
    study = common.command(
        commands,
        "study",
        "run the study of params.yaml, or of your own files; it continues where it stopped",
        "datayield study                              # the study of this folder",
        "datayield study reviews.csv                  # makes a project folder and runs its study",
        "datayield study reviews.csv --text body --label stars --budget 2000 --draws 5",
        "datayield study train.csv --test test.csv --tune",
        "datayield study reviews.csv --unlabelled more.csv",
        "datayield study 'parts/*.jsonl' --folder results-2026",
        "datayield study hub:owner/name@revision --text text --label label",
    )
    common.add_inputs(study, "*")
    study.add_argument(
        "--budget",
        type=int,
        metavar="LABELS",
        help="labels of the largest budget (default: 2000, or the whole pool)",
    )
    study.add_argument(
        "--draws", type=int, metavar="COUNT", help="independent samples of each size (default: 6)"
    )
    study.add_argument(
        "--tune",
        action="store_true",
        help="search of the settings for each budget before the study (default: no search)",
    )
    study.add_argument("--folder", help="folder of the project that is made (default: NAME-study)")
    study.add_argument(
        "--plan",
        action="store_true",
        help="end after the plan: the number of trainings and the predicted time (default: the whole study)",
    )
    output = study.add_mutually_exclusive_group()
    output.add_argument(
        "--quiet",
        "-q",
        action="store_true",
        help="result and errors only (default: progress as well)",
    )
    output.add_argument(
        "--verbose",
        "-v",
        action="store_true",
        help="lines instead of the board, with all messages of DVC (default: the board, on a terminal)",
    )
    study.set_defaults(run=_study)


def _init(options: argparse.Namespace) -> None:
    from datayield.config import project
    from datayield.study import new_project

    folder = Path(options.folder)
    if options.renew:
        changed = project.renew(folder)
        outcome = f"{', '.join(changed)} written again" if changed else "everything is up to date"
        print(f"{folder}: {outcome}")
        return
    versions = new_project.create_project(folder, options.corpus)
    enter = "" if folder.resolve() == Path.cwd() else f"cd {folder}; "
    print(f"{folder}: a project with {versions}; next: {enter}datayield plan, datayield study")


def _study(options: argparse.Namespace) -> None:
    if options.files:
        _own_study(options)
        return
    given = [k for k in FILE_OPTIONS if getattr(options, k) not in (None, [], False)]
    if given:
        raise UserError(f"--{given[0]} needs a file: datayield study FILE --{given[0]} …")
    corpora = common.checked_params().study.corpora
    if options.plan:
        _print_plan(common.ROOT, corpora)
    else:
        _run(common.ROOT, options)


def _own_study(options: argparse.Namespace) -> None:
    from datayield.config.own_data import DRAWS, OwnStudyOptions
    from datayield.corpora import input_files
    from datayield.integrations.dvc_repro import repro
    from datayield.study import new_project

    name = input_files.corpus_name(options.files, options.name)
    root = Path(options.folder or f"{name}-study")
    draws = DRAWS if options.draws is None else options.draws
    choices = OwnStudyOptions(name, options.budget, draws, options.tune)
    new_project.create_own_project(common.inputs(options), choices, root, common.notify)
    repro(root, [f"corpus@{name}"], quiet=True)
    _print_plan(root, [name])
    if options.plan:
        return
    _run(root, options)


def _run(root: Path, options: argparse.Namespace) -> None:
    """Run the study of a folder and print its answer; a terminal shows the board meanwhile."""
    from datayield import config
    from datayield.cli import board
    from datayield.integrations.dvc_repro import repro
    from datayield.report import terminal

    params = config.load(root / "params.yaml")
    lines = options.quiet or options.verbose
    if lines or not board.drawable(sys.stderr, os.environ):
        repro(root, quiet=options.quiet, verbose=options.verbose)
    else:
        board.run_with_board(root, params.study.name, params.study.corpora)
    terminal.print_answer(params, root)


def _print_plan(root: Path, corpora: Sequence[str]) -> None:
    from datayield import config
    from datayield.results import StudyPlan
    from datayield.study import data_stages

    params = data_stages.checked_params(config.load(root / "params.yaml"))
    # Flushed, because DVC writes next and does not share Python's buffer.
    print(StudyPlan.of(params, corpora, root), flush=True)


def _plan(options: argparse.Namespace) -> None:
    from datayield.results import StudyPlan

    params = common.checked_params()
    planned = StudyPlan.of(params, params.study.corpora, common.ROOT)
    print(common.as_json(planned.found) if options.json else f"{planned}\n", end="")
