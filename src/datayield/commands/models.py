"""A model of a finished study: `export`, `predict`."""

import argparse
import sys
from itertools import chain
from pathlib import Path

from datayield.commands import common


def add(commands: "common.Commands") -> None:
    """The commands that make and use a model."""
    export = common.command(
        commands,
        "export",
        "the cell with the best validation score as a model for raw texts",
        "datayield export",
        "datayield export --arm lstm:plain --n 1000 --out models/mine",
    )
    export.add_argument("--corpus", help="of the study; may be left out where there is one")
    export.add_argument("--arm", help="one arm; default: the best of those one could take")
    export.add_argument("--n", type=int, metavar="LABELS", help="budget; default: the largest")
    export.add_argument("--out", type=Path, metavar="FOLDER", help="models/<study>-<corpus>")
    export.add_argument(
        "--no-register", action="store_true", help="write the folder alone, nothing to MLflow"
    )
    export.set_defaults(run=_export)

    predict = common.command(
        commands,
        "predict",
        "labels of raw texts by an exported model",
        "datayield predict models/default-pydocs new.csv --text body --out labels.csv",
        "datayield predict models/default-pydocs --json < texts.txt",
    )
    predict.add_argument("folder", type=Path, help="what `datayield export` wrote")
    predict.add_argument(
        "file", nargs="?", default="-", help="csv, tsv, jsonl, parquet, txt; - (default): stdin"
    )
    predict.add_argument(
        "--text", metavar="COLUMN", help='of the texts; default: the only, or "text"'
    )
    predict.add_argument(
        "--format",
        choices=("csv", "tsv", "jsonl", "parquet", "lines"),
        help="default: by the file's ending; of stdin: lines",
    )
    predict.add_argument("--encoding", default="utf-8", help="of the file (utf-8)")
    predict.add_argument(
        "--out", type=Path, metavar="FILE", help="default: standard output, as csv"
    )
    predict.add_argument(
        "--json", action="store_true", help="a JSON object per text, scores of all classes included"
    )
    predict.set_defaults(run=_predict)


def _export(options: argparse.Namespace) -> None:
    from datayield import export

    params = common.checked_params()
    choice = export.choose(params, common.ROOT, options.corpus, options.arm, options.n)
    row, cell = choice.row, choice.row.cell
    out = options.out or common.ROOT / "models" / f"{params.study.name}-{cell.corpus}"
    export.check_free(out)
    print(
        f"{cell.corpus}: {cell.arm} at {cell.n} labels, draw {cell.draw}, seed {cell.seed}: validation"
        f" {choice.metric} {choice.validation:.4f}, the highest of {choice.cells} cells of"
        f" {choice.arms} arms; training it again",
        file=sys.stderr,
    )
    parts = export.retrain(choice, params, common.ROOT)
    config = export.configuration(choice, parts, params, common.ROOT)
    export.write(out, parts, config)
    print(
        f"{out}: every test prediction as in the study, test {choice.metric}"
        f" {getattr(row, choice.metric):.4f}"
    )
    if not options.no_register:
        from datayield import corpora, register, stages, track
        from datayield.errors import masked

        family = corpora.load(stages.folder(common.ROOT, cell.corpus)).family
        name, number, new = register.register(out, row, family, common.ROOT)
        print(
            f"models:/{name}/{number} {'registered' if new else 'is registered already'}"
            f" ({masked(track.uri(common.ROOT))})"
        )


def _predict(options: argparse.Namespace) -> None:
    from datayield import exported, predict
    from datayield.corpora import raw

    model = exported.load(options.folder)
    if model.notice:
        print(f"notice: {model.notice}", file=sys.stderr)
    path = None if options.file == "-" else Path(options.file)
    asked = raw.Asked(path, options.format, options.text, options.encoding)
    with raw.opened(asked) as texts:
        batches = predict.labelled(model, texts)
        first = next(batches, [])  # an unreadable file is said before anything is written
        with predict.writer(options.out, model, options.json) as write:
            for records in chain([first], batches):
                write(records)
