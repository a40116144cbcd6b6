"""Adds the commands that save and use models: `export` and `predict`."""

import argparse
from itertools import chain
from pathlib import Path

from datayield.cli import common


def add(commands: "common.Commands") -> None:
    """Add the commands."""
    _add_export(commands)
    _add_predict(commands)


def _add_export(commands: "common.Commands") -> None:
    export = common.command(
        commands,
        "export",
        "save the model with the best validation score as a folder for `predict`",
        "datayield export",
        "datayield export --arm lstm:plain --n 1000 --out models/mine",
    )
    export.add_argument("--corpus", help="corpus of the study (default: its only one)")
    export.add_argument(
        "--arm",
        help="arm to export, e.g. lstm:eda_nn (default: the best by validation score among strategies and"
        " baselines)",
    )
    export.add_argument(
        "--n",
        type=int,
        metavar="LABELS",
        help="budget of the model (default: the largest with a model of the arm)",
    )
    export.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="new folder for the model (default: models/STUDY-CORPUS)",
    )
    export.add_argument(
        "--no-register",
        action="store_true",
        help="folder alone, without an entry in MLflow's model registry (default: both)",
    )
    export.set_defaults(run=_export)


def _add_predict(commands: "common.Commands") -> None:
    predict = common.command(
        commands,
        "predict",
        "label texts with an exported model",
        "datayield predict models/default-pydocs new.csv --text body --out labels.csv",
        "datayield predict models/default-pydocs --json < texts.txt",
    )
    predict.add_argument(
        "folder", type=Path, metavar="MODEL", help="folder that `datayield export` wrote"
    )
    predict.add_argument(
        "file",
        nargs="?",
        default="-",
        metavar="FILE",
        help="file of texts (csv, tsv, jsonl, parquet or txt); - is standard input (default: -)",
    )
    predict.add_argument(
        "--text",
        metavar="COLUMN",
        help="column that holds the texts, or several that are joined as fields, such as title,body"
        ' (default: the only column, or "text")',
    )
    predict.add_argument(
        "--format",
        choices=("csv", "tsv", "jsonl", "parquet", "lines"),
        help="format of the texts (default: by the file's ending; standard input: lines)",
    )
    predict.add_argument(
        "--encoding", metavar="NAME", help="encoding of the file (default: found from its content)"
    )
    predict.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="file for the labels (default: standard output, as csv)",
    )
    predict.add_argument(
        "--json",
        action="store_true",
        help="one JSON object per text with the scores of all classes (default: csv)",
    )
    predict.set_defaults(run=_predict)


def _export(options: argparse.Namespace) -> None:
    from datayield.study import export

    params = common.checked_params()
    choice = export.choose(params, common.ROOT, options.corpus, options.arm, options.n)
    row, cell = choice.row, choice.row.cell
    out = options.out or common.ROOT / "models" / f"{params.study.name}-{cell.corpus}"
    export.check_free(out)
    common.notify(
        f"{cell.corpus}: {cell.arm} at {cell.n} labels, draw {cell.draw}, seed {cell.seed} has the"
        f" highest validation {choice.metric}, {choice.validation:.4f}, of {choice.cells} cells of"
        f" {choice.arms} arms; training it again"
    )
    trained = export.trained_rows(row, params, common.ROOT)
    parts = [export.retrain(r, params, common.ROOT) for r in trained]
    export.write(out, parts, export.configuration(choice, trained, parts, params, common.ROOT))
    print(
        f"{out}: every test prediction as in the study, test {choice.metric}"
        f" {getattr(row, choice.metric):.4f}"
    )
    if not options.no_register:
        from datayield import corpora
        from datayield.core.system.secrets import masked
        from datayield.integrations import mlflow_client, mlflow_registry
        from datayield.study.corpus_folder import corpus_folder

        family = corpora.load(corpus_folder(common.ROOT, cell.corpus)).family
        name, number, new = mlflow_registry.register(out, row, family, common.ROOT)
        print(
            f"models:/{name}/{number} {'registered' if new else 'is registered already'}"
            f" ({masked(mlflow_client.uri(common.ROOT))})"
        )


def _predict(options: argparse.Namespace) -> None:
    from datayield.corpora import unlabelled
    from datayield.models.saved import format, predict

    model = format.load(options.folder)
    if model.notice:
        common.notify(f"notice: {model.notice}")
    path = None if options.file == "-" else Path(options.file)
    opened = unlabelled.open_texts(
        path, options.format, options.text, options.encoding, common.notify
    )
    with opened as texts:
        batches = predict.labelled(model, texts)
        first = next(batches, [])  # read before writing: an unreadable file leaves no output
        with predict.writer(options.out, model, options.json) as write:
            for records in chain([first], batches):
                write(records)
