"""What a study is made of: `preset`, the stages of dvc.yaml, `record`."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from datayield.commands import common
from datayield.errors import UserError, masked


def add(commands: "common.Commands") -> None:
    """The commands that make a study."""
    from datayield.config import PRESETS

    preset = common.command(
        commands,
        "preset",
        "write params.yaml of a known study",
        "datayield preset default",
        "datayield preset article && datayield study",
    )
    preset.add_argument("name", choices=PRESETS)
    preset.set_defaults(run=_preset)

    stage = common.command(
        commands, "stage", "one stage of dvc.yaml", "datayield stage corpus --corpus pydocs"
    )
    stage.add_argument("name", choices=sorted(STAGES))
    stage.add_argument("--corpus", help="for stages of one corpus")
    stage.set_defaults(run=_stage)

    record = common.command(
        commands, "record", "rebuild the MLflow log from the tables", "datayield record"
    )
    record.set_defaults(run=_record)


def _preset(options: argparse.Namespace) -> None:
    from datayield import config, table

    path = common.ROOT / "params.yaml"
    wanted = config.preset(options.name)
    old = path.read_text(encoding="utf-8") if path.exists() else ""
    if old == wanted:
        print(f"{path} is {options.name} already")
        return
    if old and old not in [config.preset(name) for name in config.PRESETS]:
        kept = common.ROOT / "params.before.yaml"
        table.write_text(old, kept)
        print(f"your own {path} was kept as {kept}")
    table.write_text(wanted, path)
    print(f"{path} is now {options.name}:")
    for line in config.changes(old, wanted):
        print(f"  {line}")


def _data_stage(name: str) -> Callable[[argparse.Namespace], None]:
    def run(options: argparse.Namespace) -> None:
        from datayield import stages

        if not options.corpus:
            raise UserError(f"stage {name} wants --corpus NAME")
        getattr(stages, name)(common.checked_params(), options.corpus, common.ROOT)

    return run


def _analyse(options: argparse.Namespace) -> None:
    from datayield import report, stats, table

    params = common.params()
    found = stats.analyse(params, common.ROOT)
    folder = common.ROOT / "reports" / params.study.name
    table.write_json(found, folder / "statistics.json")
    table.write_text(common.as_json(report.metrics(found)), folder / "metrics.json")
    table.write_text(report.curves(found), folder / "curves.csv")


def _report(options: argparse.Namespace) -> None:
    from datayield import report, table

    folder = common.ROOT / "reports" / common.params().study.name
    path = folder / "statistics.json"
    if not path.exists():
        raise UserError(f"{path} is missing. Run `dvc repro` to make it.")
    for name, content in report.render(statistics(path)).items():
        as_bytes = content.encode("utf-8") if isinstance(content, str) else content
        table.write_bytes(as_bytes, folder / name)
    print(f"report: {folder / 'index.html'}", file=sys.stderr)


def statistics(path: Path) -> dict[str, Any]:
    """statistics.json of this version."""
    from datayield import table
    from datayield.stats.analyse import VERSION

    found = table.read_json(path)
    if found.get("version") != VERSION:
        raise UserError(
            f"{path} has version {found.get('version', 1)}, wanted {VERSION}. Run `dvc repro` to make it anew."
        )
    return found


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


def _record(options: argparse.Namespace) -> None:
    from datayield import corpora, records, stages, table, track

    params = common.params()
    for name in params.study.corpora:
        results = common.ROOT / "results" / name
        rows = records.read(results / "cells.parquet", results / "history.parquet")
        trials = table.read(results / "trials.parquet", table.TRIALS).to_pylist()
        family = corpora.load(stages.folder(common.ROOT, name)).family
        new, known = track.record(params.study.name, common.ROOT, rows, trials, family)
        print(
            f"{name}: {new} runs written, {known} already there ({masked(track.uri(common.ROOT))})"
        )
    if track.uri(common.ROOT).startswith("http"):
        print(
            "\n".join(track.pages(params.study.name, common.ROOT, masked(track.uri(common.ROOT))))
        )
