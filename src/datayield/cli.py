"""What dvc.yaml and people call. Nothing imports this module.

Exit codes: 0 done; 2 something to mend, told in one message; 130 ended by Ctrl-C.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datayield import __version__, environment
from datayield.errors import UserError, nearest

if TYPE_CHECKING:
    from datayield.config import Params
    from datayield.grid import Scope
    from datayield.types import Cell

ROOT = Path()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; errors that the user can mend are printed without a traceback."""
    options = _parser().parse_args(arguments)
    return guard(lambda: _dispatch(options))


def guard(action: Callable[[], object]) -> int:
    """Run an action; turn UserError, a full disk and Ctrl-C into one message and an exit code."""
    try:
        action()
    except UserError as e:
        print(f"datayield: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `datayield … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as e:
        if e.filename is None and e.errno is None:
            raise
        print(f"datayield: {e.strerror}: {e.filename}. Nothing was half-written.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "\ndatayield: stopped; finished cells are kept, the same command goes on",
            file=sys.stderr,
        )
        return 130
    return 0


def _dispatch(options: argparse.Namespace) -> None:
    environment.prepare()
    options.run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="datayield",
        description="How much accuracy does each label buy, and what stretches the labels furthest?",
    )
    parser.add_argument("--version", action="version", version=f"datayield {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    study = commands.add_parser("study", help="run the study of params.yaml; always resumes")
    study.set_defaults(run=_study)

    plan = commands.add_parser("plan", help="what would be computed, before anything runs")
    plan.set_defaults(run=_plan)

    preset = commands.add_parser("preset", help="write params.yaml of a known study")
    preset.add_argument("name", choices=_presets())
    preset.set_defaults(run=_preset)

    stage = commands.add_parser("stage", help="one stage of dvc.yaml")
    stage.add_argument("name", choices=sorted(STAGES))
    stage.add_argument("--corpus", help="for stages of one corpus")
    stage.set_defaults(run=_stage)

    record = commands.add_parser("record", help="rebuild the MLflow log from the tables")
    record.set_defaults(run=_record)

    ui = commands.add_parser("ui", help="pages on this machine: MLflow's runs, Optuna's trials")
    ui.add_argument("--runs", type=int, default=5000, metavar="PORT", help="of MLflow")
    ui.add_argument("--trials", type=int, default=8080, metavar="PORT", help="of optuna-dashboard")
    ui.set_defaults(run=_ui)

    _corpora_parser(commands)
    _strategies_parser(commands)
    _need_parser(commands)
    _compare_parser(commands)
    return parser


def _need_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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


def _compare_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    compare = commands.add_parser("compare", help="two studies side by side, with what changed")
    for name in ("first", "second"):
        compare.add_argument(
            name, help="study name, report folder, metrics.json, or git revision[:study or folder]"
        )
    compare.set_defaults(run=_compare)


def _strategies_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    strategies = commands.add_parser("strategies", help="list the strategies or show one")
    actions = strategies.add_subparsers(required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="every strategy: verbs, costs, defaults, source")
    listed.add_argument("--markdown", action="store_true", help="as the page docs/strategies.md")
    listed.set_defaults(run=_strategies)
    show = actions.add_parser("show", help="what one is, what it costs, its arguments, its source")
    show.add_argument("name")
    show.set_defaults(run=_strategy)


def _corpora_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    corpora = commands.add_parser("corpora", help="list corpora or add your own file")
    actions = corpora.add_subparsers(required=True, metavar="ACTION")
    listed = actions.add_parser("list", help="the corpora of params.yaml and of the catalog")
    listed.set_defaults(run=_corpora_list)
    check = actions.add_parser("check", help="load corpora and say what is wrong with them")
    check.add_argument("names", nargs="+", metavar="NAME", help="of params.yaml or the catalog")
    check.set_defaults(run=_corpora_check)
    add = actions.add_parser("add", help="check a file and print its entry for params.yaml")
    add.add_argument("file", help="csv, tsv, jsonl or parquet")
    add.add_argument("--text", required=True, help="column that holds the texts")
    add.add_argument("--label", required=True, help="column that holds the labels")
    add.add_argument("--name", help="name of the corpus (from the file's name)")
    add.add_argument("--encoding", default="utf-8")
    add.add_argument("--split", help="column that says train or test")
    add.set_defaults(run=_corpora_add)


def _presets() -> tuple[str, ...]:
    from datayield.config import PRESETS

    return PRESETS


def _preset(options: argparse.Namespace) -> None:
    import yaml

    from datayield import config, table

    path = ROOT / "params.yaml"
    wanted = config.preset(options.name)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if old == wanted:
        print(f"{path} is {options.name} already")
        return
    try:
        before = yaml.safe_load(old) or {}
    except yaml.YAMLError:
        before = {}
    if old and old not in [config.preset(name) for name in config.PRESETS]:
        kept = ROOT / "params.before.yaml"
        table.write_text(old, kept)
        print(f"your own {path} was kept as {kept}")
    table.write_text(wanted, path)
    print(f"{path} is now {options.name}:")
    for line in config.changes(before, yaml.safe_load(wanted)):
        print(f"  {line}")


def _params() -> "Params":
    from datayield import config

    return config.load(ROOT / "params.yaml")


def _checked_params() -> "Params":
    """params.yaml with every corpus and arm known."""
    from datayield import grid, stages
    from datayield.strategies import make

    params = _params()
    for name in params.study.corpora:
        stages.known_corpus(params, name)
    for block in params.study.grid:
        for arm in block.arms:
            parsed = grid.parse_arm(arm)
            grid.default_settings(params, parsed, 10)
    for strategy, arguments in params.strategies.items():
        make(strategy, arguments)
    grid.check_controls(params)
    grid.parse_arm(params.analysis.baseline)
    return params


def _data_stage(name: str) -> Callable[[argparse.Namespace], None]:
    def run(options: argparse.Namespace) -> None:
        from datayield import stages

        if not options.corpus:
            raise UserError(f"stage {name} wants --corpus NAME")
        getattr(stages, name)(_checked_params(), options.corpus, ROOT)

    return run


def _analyse(options: argparse.Namespace) -> None:
    from datayield import report, stats, table

    params = _params()
    statistics = stats.analyse(params, ROOT)
    folder = ROOT / "reports" / params.study.name
    table.write_text(_json(statistics), folder / "statistics.json")
    table.write_text(_json(report.metrics(statistics)), folder / "metrics.json")
    table.write_text(report.curves(statistics), folder / "curves.csv")


def _report(options: argparse.Namespace) -> None:
    from datayield import report, table

    folder = ROOT / "reports" / _params().study.name
    path = folder / "statistics.json"
    if not path.exists():
        raise UserError(f"{path} is missing. Run `dvc repro` to make it.")
    for name, content in report.render(_statistics(path), ROOT).items():
        as_bytes = content.encode("utf-8") if isinstance(content, str) else content
        table.write_bytes(as_bytes, folder / name)
    print(f"report: {folder / 'index.html'}", file=sys.stderr)


def _statistics(path: Path) -> dict[str, Any]:
    """statistics.json of this version."""
    from datayield.stats.analyse import VERSION

    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if found.get("version") != VERSION:
        raise UserError(
            f"{path} has version {found.get('version', 1)}, wanted {VERSION}. Run `dvc repro` to make it anew."
        )
    return found


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


STAGES: dict[str, Callable[[argparse.Namespace], None]] = {
    **{
        n: _data_stage(n)
        for n in ("corpus", "audit", "subsample", "vectors", "augment", "curriculum")
    },
    "analyse": _analyse,
    "report": _report,
}


def _stage(options: argparse.Namespace) -> None:
    STAGES[options.name](options)


def _study(options: argparse.Namespace) -> None:
    _checked_params()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    done = subprocess.run(
        [sys.executable, "-m", "dvc", "repro"], env={**os.environ, "PATH": path}, check=False
    )
    if done.returncode:
        raise UserError(
            "`dvc repro` ended with an error (above); the same command goes on from there"
        )


def _plan(options: argparse.Namespace) -> None:
    from datayield import corpora, cost, grid, probe, stages
    from datayield.cells import CellStore
    from datayield.progress import duration

    params = _checked_params()
    store = CellStore(ROOT / "state" / "cells")
    missing: list[Cell] = []
    trials: list[Cell] = []
    for name in params.study.corpora:
        folder = stages.folder(ROOT, name)
        if not (folder / "corpus.arrow").exists():
            raise UserError(f"{folder} is not built yet. Run `dvc repro corpus@{name}` first.")
        planned, notices = grid.entries(params, len(corpora.load(folder).texts))
        each = params.study.draws * params.study.seeds
        counts = Counter(str(arm) for arm, _ in planned)
        cells = _cells(params, name)
        open_cells = [c for c in cells if not store.has(grid.key(c))]
        missing += open_cells
        done = len(cells) - len(open_cells)
        print(f"{name}: {len(cells)} cells ({each} per arm and budget), {done} done")
        for arm, budgets in counts.items():
            print(f"  {arm:24} {budgets:3} budgets  {budgets * each:4} cells")
        for sentence in notices:
            print(f"  notice: {sentence}")
        trials += _trials(params, name)
    device = environment.device(params.execution.device)
    workers = environment.workers(params.execution.workers, device)
    machine = partial(probe.slower, device, params.execution.precision)
    model = cost.fit(store.rows(), stages.shapes(ROOT), machine)
    seconds = cost.wall(missing, stages.shapes(ROOT), model, workers)
    source = f"fitted on {model.cells} cells" if model.cells else "from a short training"
    print(
        f"to compute: {len(missing)} cells, about {duration(seconds)} with {workers} workers ({source})"
    )
    if trials:
        seconds = cost.wall(trials, stages.shapes(ROOT), model, workers)
        print(f"before that: the searches' trainings, at most about {duration(seconds)}")


def _scope(params: "Params", name: str) -> "Scope":
    """Of a corpus; before its data stages one of which no cell counts as done."""
    from datayield import corpora, grid, stages

    try:
        return stages.scope(params, name, ROOT)
    except UserError:
        pool = len(corpora.load(stages.folder(ROOT, name)).texts)
        return grid.Scope(name, pool, "not built", defaultdict(str))


def _cells(params: "Params", name: str) -> "tuple[Cell, ...]":
    """The cells of a corpus with the settings that were searched, untuned where none are known."""
    from datayield import grid

    scope = _scope(params, name)
    path = ROOT / "results" / name / "settings.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    chosen: dict[str, dict[str, Any]] = {}
    for arm, n in grid.entries(params, scope.pool)[0]:
        found = known.get(str(n), {}).get(str(arm))
        untuned = {grid.ALL: grid.default_settings(params, arm, n)}
        chosen.setdefault(str(n), {})[str(arm)] = found or untuned
    return grid.make(params, scope, chosen).cells


def _trials(params: "Params", name: str) -> "list[Cell]":
    """The trainings of a corpus's searches, with untuned settings, unless they are done."""
    from datayield import regimes

    found = regimes.searches(params, _scope(params, name), "accuracy")
    if found:
        print(f"  tuning: {len(found)} searches of {params.tuning.trials} trials")
    if (ROOT / "results" / name / "trials.parquet").exists():
        return []
    return [s.cell for s in found for _ in range(s.trials * regimes.trainings(s.cell.n))]


def _need(options: argparse.Namespace) -> None:
    from datayield.report import planner
    from datayield.stats import Question, plan_labels
    from datayield.types import names_of

    asked = Question(**{name: getattr(options, name) for name in names_of(Question)})
    print("\n".join(planner.lines(plan_labels(_params(), ROOT, asked))))


def _compare(options: argparse.Namespace) -> None:
    from datayield.report import versus

    print(
        "\n".join(versus.lines(versus.read(options.first, ROOT), versus.read(options.second, ROOT)))
    )


def _record(options: argparse.Namespace) -> None:
    from datayield import corpora, stages, table, track

    params = _params()
    for name in params.study.corpora:
        results = ROOT / "results" / name
        rows = table.read_rows(results / "cells.parquet", results / "history.parquet")
        trials = table.read(results / "trials.parquet", table.TRIALS).to_pylist()
        family = corpora.load(stages.folder(ROOT, name)).family
        new, known = track.record(params.study.name, ROOT, rows, trials, family)
        print(f"{name}: {new} runs written, {known} already there ({track.uri(ROOT)})")


def _ui(options: argparse.Namespace) -> None:
    from datayield import ui

    ui.serve(ROOT, options.runs, options.trials)


def _corpora_list(options: argparse.Namespace) -> None:
    from datayield.corpora.download import catalog

    for name, source in _params().corpora.items():
        print(f"{name:14} {source.loader:10} in params.yaml")
    for name, entry in catalog().items():
        if name not in _params().corpora:
            print(f"{name:14} catalog    {entry.task}: {entry.title} ({entry.licence})")


def _corpora_check(options: argparse.Namespace) -> None:
    from datayield import config, corpora
    from datayield.corpora import audit
    from datayield.corpora.download import catalog

    params = _params()
    for name in options.names:
        source = params.corpora.get(name)
        if source is None:
            if name not in catalog():
                known = [*params.corpora, *catalog()]
                raise UserError(f'unknown corpus "{name}": {nearest(name, known)}')
            source = config.CatalogSource(loader="catalog")
        built, card = corpora.build(name, source, params.study.seed, ROOT)
        texts, classes = card["texts"], ", ".join(card["classes"])
        print(
            f"{name}: {texts['pool']:,} texts to learn from, {texts['test']:,} test texts; {classes}"
        )
        print(f"  licence: {card['source']['licence']}; family: {card['family']}")
        for found in audit.audit(built, card["removed"])[0]["findings"]:
            if found["count"]:
                print(f"  {found['count']:7,} of {found['of']:7,}  {found['what']}")


def _corpora_add(options: argparse.Namespace) -> None:
    import re

    import yaml

    from datayield.corpora import files

    name = options.name or re.sub(r"[^a-z0-9_-]+", "_", Path(options.file).stem.lower())
    source = files.describe(
        Path(options.file), options.text, options.label, options.encoding, options.split
    )
    entry = {name: source.model_dump(exclude_none=True)}
    print("# add this under `corpora:` in params.yaml and the name to study.corpora")
    print(yaml.safe_dump(entry, sort_keys=False, allow_unicode=True).rstrip())


def _strategies(options: argparse.Namespace) -> None:
    from datayield import overview

    print(overview.page() if options.markdown else overview.listed(_width()), end="")


def _strategy(options: argparse.Namespace) -> None:
    from datayield import overview

    print(overview.card(options.name, _width()))


def _width() -> int:
    """Columns to write in: the terminal's, within what reads well."""
    return min(120, max(60, shutil.get_terminal_size().columns))


if __name__ == "__main__":
    sys.exit(main())
