"""Adds the commands around DVC's pipeline: `preset`, `stage`, `record` and `deploy`."""

import argparse

from datayield.cli import common
from datayield.core.errors import UserError

# The module that runs each stage of one corpus; dvc.yaml names the code that it imports.
DATA_STAGES = {
    "corpus": "datayield.study.stages.build_corpus",
    "audit": "datayield.study.stages.audit_corpus",
    "subsample": "datayield.study.stages.subsample_pool",
    "vectors": "datayield.study.stages.train_vectors",
    "embed": "datayield.study.stages.embed_texts",
    "augment": "datayield.study.stages.augment_texts",
    "curriculum": "datayield.study.stages.rate_difficulties",
}


def add(commands: "common.Commands") -> None:
    """Add the commands."""
    _add_preset_and_stage(commands)
    record = common.command(
        commands,
        "record",
        "write the runs of the result tables into MLflow, where they are missing",
        "datayield record",
    )
    record.set_defaults(run=_record)

    deploy = common.command(
        commands,
        "deploy",
        "schedule studies on a Prefect server, as prefect.yaml says",
        "datayield deploy",
        "datayield deploy --notify slack-webhook/labels   # message after a failed run",
        "prefect worker start --pool datayield            # computes the runs, in this folder",
    )
    deploy.add_argument(
        "--notify",
        metavar="TYPE/NAME",
        help="notification block of the Prefect server for messages about failed runs (default: none)",
    )
    deploy.set_defaults(run=_deploy)


def _add_preset_and_stage(commands: "common.Commands") -> None:
    from datayield.config import PRESETS

    preset = common.command(
        commands,
        "preset",
        "write params.yaml of a study that comes with datayield",
        "datayield preset default",
        "datayield preset article && datayield study",
    )
    preset.add_argument(
        "name", metavar="NAME", choices=PRESETS, help=f"name of the study: {', '.join(PRESETS)}"
    )
    preset.set_defaults(run=_preset)

    stage = common.command(
        commands,
        "stage",
        "run one stage of dvc.yaml; DVC calls this",
        "datayield stage corpus --corpus pydocs",
    )
    names = sorted((*DATA_STAGES, "analyse", "report"))
    stage.add_argument(
        "name", metavar="NAME", choices=names, help=f"name of the stage: {', '.join(names)}"
    )
    stage.add_argument(
        "--corpus", help="corpus of the stage (default: none; analyse and report take all corpora)"
    )
    stage.set_defaults(run=_stage)


def _preset(options: argparse.Namespace) -> None:
    from datayield import config
    from datayield.study import new_project

    changes = new_project.replace_params(common.ROOT, config.preset(options.name))
    print("\n".join(changes) or f"params.yaml is {options.name} already")


def _stage(options: argparse.Namespace) -> None:
    from datayield.config import stage_inputs

    with stage_inputs.held(common.ROOT, options.name, options.corpus):
        _run_stage(options)


def _run_stage(options: argparse.Namespace) -> None:
    if options.name in DATA_STAGES:
        from importlib import import_module

        if not options.corpus:
            raise UserError(f"stage {options.name} needs a corpus: --corpus NAME")
        stage = import_module(DATA_STAGES[options.name])
        stage.run(common.checked_params(), options.corpus, common.ROOT)
    elif options.name == "analyse":
        from datayield.report import analyse_stage

        analyse_stage.write_statistics(common.params(), common.ROOT)
    else:
        from datayield.report import report_stage

        page = report_stage.write_pages(common.params(), common.ROOT)
        common.notify(f"report: {page}")


def _record(options: argparse.Namespace) -> None:
    from datayield import corpora
    from datayield.core import tables
    from datayield.core.rows import read_rows
    from datayield.core.system.secrets import masked
    from datayield.integrations import mlflow_client, mlflow_runs
    from datayield.study.corpus_folder import corpus_folder

    params = common.params()
    address = mlflow_client.uri(common.ROOT)
    for name in params.study.corpora:
        results = common.ROOT / "results" / name
        rows = read_rows(results / "cells.parquet", results / "history.parquet")
        trials = tables.read_table(results / "trials.parquet", tables.TRIALS).to_pylist()
        family = corpora.load(corpus_folder(common.ROOT, name)).family
        new, known = mlflow_runs.record(params.study.name, common.ROOT, rows, trials, family)
        print(f"{name}: {new} runs written, {known} already there ({masked(address)})")


def _deploy(options: argparse.Namespace) -> None:
    from datayield.integrations import prefect_deploy

    for sentence in prefect_deploy.deploy(common.ROOT, options.notify):
        print(sentence)
