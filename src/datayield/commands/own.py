"""`init` and `study`: a project's folder, and the study of it or of a file of one's own."""

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from datayield.commands import common, given
from datayield.errors import UserError, nearest


def add(commands: "common.Commands") -> None:
    """The commands that begin something."""
    init = common.command(
        commands,
        "init",
        "make a project's folder: params.yaml, dvc.yaml, flows",
        "datayield init",
        "datayield init spam --corpus sms_spam",
        "datayield init --renew          # after an upgrade of datayield",
    )
    init.add_argument("folder", nargs="?", default=".", help="new or empty (this folder)")
    init.add_argument(
        "--corpus", nargs="+", metavar="NAME", help="pydocs or corpora of the catalog (pydocs)"
    )
    init.add_argument(
        "--renew", action="store_true", help="bring dvc.yaml and flows up to this version"
    )
    init.set_defaults(run=_init)

    study = common.command(
        commands,
        "study",
        "run the study of params.yaml, or of a file of yours; always resumes",
        "datayield study                              # the study of this folder",
        "datayield study reviews.csv                  # a folder of its own, then its study",
        "datayield study reviews.csv --text body --label stars --budget 2000 --draws 5",
        "datayield study train.csv --test test.csv --tune",
        "datayield study reviews.csv --unlabelled more.csv",
        "datayield study 'parts/*.jsonl' --folder results-2026",
        "datayield study hub:owner/name@revision --text text --label label",
    )
    study.add_argument(
        "files", nargs="*", metavar="FILE", help="csv, tsv, jsonl, parquet, a folder of them, hub:…"
    )
    study.add_argument("--text", help="column that holds the texts (guessed if only one can)")
    study.add_argument("--label", help="column that holds the labels (guessed if only one can)")
    study.add_argument("--split", help="column that says train or test")
    study.add_argument("--test", nargs="+", default=[], metavar="FILE", help="the test set")
    study.add_argument(
        "--unlabelled", metavar="FILE", help="texts without labels, for arms that read them"
    )
    study.add_argument("--encoding", help="of the files (utf-8; utf-16 by its mark)")
    study.add_argument("--budget", type=int, help="labels of the largest budget (2000)")
    study.add_argument("--draws", type=int, help="independent samples of each size (3)")
    study.add_argument("--tune", action="store_true", help="search settings first, per budget")
    study.add_argument("--name", help="of corpus and study (from the file's name)")
    study.add_argument("--folder", help="where the project goes (NAME-study)")
    study.add_argument("--plan", action="store_true", help="stop after the plan")
    common.loudness(study)
    study.set_defaults(run=_study)


def _init(options: argparse.Namespace) -> None:
    from datayield import config, project
    from datayield.corpora.download import catalog

    folder = Path(options.folder)
    if options.renew:
        changed = project.renew(folder)
        print(
            f"{folder}: {', '.join(changed) or 'everything'} {'written anew' if changed else 'is up to date'}"
        )
        return
    text = config.preset("default")
    known = config.load_text(text).corpora
    names = options.corpus or list(known)
    for name in names:
        if name not in known and name not in catalog():
            raise UserError(f'unknown corpus "{name}": {nearest(name, [*known, *catalog()])}')
    import yaml

    own = yaml.safe_load(text)["corpora"]
    text = project.preset_with(text, {n: own.get(n, {"loader": "catalog"}) for n in names})
    how = project.make(folder, text, "default")
    print(f"{folder}: a project with {how}; next: {_step(folder)}datayield plan, datayield study")


def _step(folder: Path) -> str:
    return "" if folder.resolve() == Path.cwd() else f"cd {folder}; "


def _study(options: argparse.Namespace) -> None:
    if options.files:
        _own_study(options)
        return
    about = ("text", "label", "split", "test", "unlabelled", "encoding", "budget", "draws", "tune",
             "name", "folder")  # fmt: skip
    given = [k for k in about if getattr(options, k) not in (None, [], False)]
    if given:
        raise UserError(f"--{given[0]} is about a file; name it: datayield study FILE")
    common.checked_params()
    if options.plan:
        _show_plan(common.params().study.corpora)
        return
    repro([], options)


def repro(targets: Sequence[str], options: argparse.Namespace) -> None:
    """`dvc repro` in this folder.

    Raises:
        UserError: when it ends with an error.
    """
    from datayield import children, project

    project.renew_code(common.ROOT)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    verbose = ["--verbose"] if options.verbose else []
    pipe = subprocess.PIPE if options.quiet else None
    with children.started(
        [sys.executable, "-m", "dvc", "repro", *verbose, *targets],
        env={**os.environ, "PATH": path},
        stdout=pipe,
        stderr=pipe,
        encoding="utf-8",
        errors="replace",
    ) as running:
        _, told = running.communicate()
    if running.returncode:
        if options.quiet:
            sys.stderr.write(told)
        raise UserError(
            "`dvc repro` ended with an error (above); the same command goes on from there"
        )


def _own_study(options: argparse.Namespace) -> None:
    from datayield import corpora, own, project

    draws = 3 if options.draws is None else options.draws
    if draws < 1:
        raise UserError(f"--draws {draws}: wanted at least 1; intervals need 2")
    if draws > own.MOST_DRAWS:
        raise UserError(f"--draws {draws}: wanted at most {own.MOST_DRAWS}")
    name = given.name_of(options)
    folder = Path(options.folder or f"{name}-study")
    if not project.is_project(folder):
        project.check_new(folder)
    source, told = given.entry_of(options)
    for sentence in told:
        print(sentence, file=sys.stderr)
    seed = common.default_params().study.seed
    built, card = corpora.build(name, source, seed, Path())
    wish = own.Wish(name, options.budget, draws, options.tune)
    entry = given.moved_to(source, folder)
    text = own.params_text(wish, entry, len(built.texts), built.classes, len(built.beside))
    _write(folder, text, name)
    counts = card["texts"]
    print(
        f"{name}: {counts['pool']:,} texts to learn from, {counts['test']:,} test texts,"
        f" {len(built.classes)} classes; project: {folder}",
        file=sys.stderr,
    )
    os.chdir(folder)
    common.checked_params()
    repro([f"corpus@{name}"], argparse.Namespace(quiet=True, verbose=False))
    _show_plan([name])
    if options.plan:
        return
    sys.stdout.flush()
    repro([], options)
    print("\n".join(_answer(name)))
    print(f"report: {folder / 'reports' / name / 'index.html'}")


def _show_plan(corpora: Sequence[str]) -> None:
    from datayield.commands import plan

    print("\n".join(plan.lines(plan.planned(common.checked_params(), corpora))), flush=True)


def _write(folder: Path, text: str, name: str) -> None:
    """A new project, or params.yaml of the one that is there, with what changed."""
    from datayield import config, project, table

    if not project.is_project(folder):
        how = project.make(folder, text, name)
        print(f"made {folder} with {how}", file=sys.stderr)
        return
    path = folder / "params.yaml"
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if old == text:
        return
    kept = folder / "params.before.yaml"
    table.write_text(old, kept)
    table.write_text(text, path)
    print(f"{path} changed; what it was is kept as {kept}:", file=sys.stderr)
    for line in config.changes(old, text):
        print(f"  {line}", file=sys.stderr)


def _answer(name: str) -> list[str]:
    """The three lines about one corpus of the study in this folder."""
    from datayield.commands.pipeline import statistics
    from datayield.report import brief
    from datayield.stats import Question, plan_labels

    params = common.params()
    found = statistics(common.ROOT / "reports" / params.study.name / "statistics.json")
    named = max(
        b
        for block in params.study.grid
        if not isinstance(block.budgets, str)
        for b in block.budgets
    )
    more = max(10, min(100, named // 4))
    asked = Question(corpus=name, arm=params.analysis.baseline, have=named, more=more)
    gains = plan_labels(params, common.ROOT, asked).gains
    (c,) = (c for c in found["corpora"] if c["corpus"] == name)
    return brief.lines(c, found, gains[0] if gains else None)
