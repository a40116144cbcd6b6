"""Offers datayield to Python programs and notebooks: the functions of docs/api.md, and no others.

Every function takes the project's folder, so that several studies can be open at once. Heavy modules are
imported when a function is called. Results show themselves in notebooks; every text of a user is escaped.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from datayield.core.errors import UserError, nearest
from datayield.results import LoadedCorpus, Multiplier, Need, Statistics, StudyPlan

if TYPE_CHECKING:
    import pandas as pd

    from datayield.config import Params

Folder: TypeAlias = str | Path


def load_corpus(
    source: Folder,
    text: str | None = None,
    label: str | None = None,
    folder: Folder = ".",
    labels: str | None = None,
) -> LoadedCorpus:
    """Read a corpus, check it and split it into pool and test set.

    Args:
        source: a file (csv, tsv, json, jsonl, parquet), or a name in the folder's params.yaml or in the catalog.
        text: column that holds the texts of a file; None: guessed.
        label: column that holds the labels of a file; None: guessed.
        folder: the project.
        labels: "merged" or "as-they-are", for labels that differ in case or blanks; None: an error asks.

    Raises:
        UserError: the source cannot be read, or is not a usable corpus.
    """
    from datayield import config, corpora
    from datayield.corpora import input_files
    from datayield.corpora.loaders.catalog import catalog

    root, name = Path(folder), str(source)
    in_folder = (root / "params.yaml").exists()
    params = _params(root) if in_folder else config.load_text(config.preset("default"))
    entry: config.Source
    if name in params.corpora:
        entry = params.corpora[name]
    elif name in catalog():
        entry = config.CatalogSource(loader="catalog")
    else:
        entry, _ = input_files.corpus_entry(
            input_files.InputFiles((name,), text, label, labels=labels)
        )
        name, root = Path(source).stem, Path()
    return LoadedCorpus(*corpora.build(name, entry, params.study.seed, root))


def start_project(
    file: Folder,
    folder: Folder,
    text: str | None = None,
    label: str | None = None,
    budget: int | None = None,
    draws: int = 6,
    labels: str | None = None,
) -> Path:
    """Make a project folder around a file of labelled texts and build its corpus; train nothing yet.

    Args:
        file: csv, tsv, json, jsonl, parquet, or the export of a labelling tool.
        folder: a new or empty folder, or an earlier project of that file.
        text: column that holds the texts; None: guessed.
        label: column that holds the labels; None: guessed.
        budget: labels of the largest budget; None: 2000, or the whole pool.
        draws: independent samples of each size.
        labels: "merged" or "as-they-are", for labels that differ in case or blanks; None: an error asks.

    Returns:
        The project's folder.

    Raises:
        UserError: the file is not a usable corpus, or the folder holds something else.
    """
    from datayield.config.own_data import OwnStudyOptions
    from datayield.corpora import input_files
    from datayield.integrations.dvc_repro import repro
    from datayield.study import new_project

    inputs = input_files.InputFiles((str(file),), text, label, labels=labels)
    options = OwnStudyOptions(input_files.corpus_name(inputs.files), budget, draws)
    _without_telemetry()
    new_project.create_own_project(inputs, options, Path(folder), lambda sentence: None)
    repro(Path(folder), [f"corpus@{options.name}"], quiet=True)
    return Path(folder)


def plan_study(folder: Folder = ".") -> StudyPlan:
    """Count the cells of the folder's study and predict its time; `start_project` builds its corpora.

    Raises:
        UserError: the folder is not a project, or one of its corpora is not built.
    """
    root = Path(folder)
    with _checked_params(root) as params:
        return StudyPlan.of(params, params.study.corpora, Path())


def run_study(folder: Folder = ".") -> Path:
    """Run the folder's study as `datayield study` does; finished cells are not computed again.

    Returns:
        index.html of the report.

    Raises:
        UserError: a stage ended with an error; the same call continues from there.
    """
    from datayield.integrations.dvc_repro import repro
    from datayield.report.report_folder import report_folder

    root = Path(folder)
    with _checked_params(root) as params:
        _without_telemetry()
        repro(Path(), quiet=True)
    return report_folder(params, root) / "index.html"


def _params(root: Path) -> "Params":
    from datayield import config

    if not root.is_dir():
        raise UserError(f"{root} is not a folder; name the folder of a project")
    return config.load(root / "params.yaml")


@contextmanager
def _checked_params(root: Path) -> "Iterator[Params]":
    """Check params.yaml of a project and stay in its folder, from which its relative paths count."""
    from datayield.study import data_stages

    params = _params(root)
    with chdir(root):
        yield data_stages.checked_params(params)


def _without_telemetry() -> None:
    """Switch off DVC's telemetry unless the user has set it, as the command line does."""
    from datayield.core.system import machine

    os.environ.setdefault("DVC_NO_ANALYTICS", machine.QUIET["DVC_NO_ANALYTICS"])


def read_cells(folder: Folder = ".", corpus: str | None = None) -> "pd.DataFrame":
    """Read the finished cells of a study, one row each: arm, n, draw, seed, scores and cost.

    Args:
        folder: the project.
        corpus: one corpus; None: all corpora of the study, one after the other.

    Raises:
        UserError: a table is missing, damaged, or of another version.
    """
    import pyarrow as pa

    from datayield.core.tables import CELLS, read_table

    root = Path(folder)
    study = _params(root).study
    names = study.corpora if corpus is None else (study.corpus(corpus),)
    tables = [read_table(root / "results" / n / "cells.parquet", CELLS) for n in names]
    return pa.concat_tables(tables).drop_columns(["hits", "predicted"]).to_pandas()


def analyse(folder: Folder = ".") -> Statistics:
    """Compute the statistics of a study from its tables.

    Raises:
        UserError: the study has not run, or a table is damaged.
    """
    from datayield.analysis import analyse

    root = Path(folder)
    return Statistics(analyse.analyse(_params(root), root))


def multiplier(
    arm: str, n: int, folder: Folder = ".", corpus: str | None = None, against: str | None = None
) -> Multiplier:
    """Return the data multiplier of an arm at a budget.

    Args:
        arm: for example "lstm:eda_nn".
        n: labels paid.
        folder: the project.
        corpus: a corpus of the study; None: its only one.
        against: the baseline; None: the arm's own plain training.

    Raises:
        UserError: the study has no multiplier for this arm and budget.
    """
    from datayield.analysis import comparisons, questions
    from datayield.report import wording

    root = Path(folder)
    frame = questions.frame(_params(root), root, corpus)
    multipliers = comparisons.multipliers(frame, against)
    matches = [m for m in multipliers if (m.arm, m.n) == (arm, n)]
    if not matches:
        known = ", ".join(f"{m.arm} at {m.n}" for m in multipliers)
        raise UserError(f"no multiplier of {arm} at {n} labels was measured; known: {known}")
    (m,) = matches
    ratio = m.multiplier
    return Multiplier(
        arm, n, m.baseline, ratio.point, ratio.low, ratio.high, wording.times(ratio, n)
    )


def need(target: float | None = None, folder: Folder = ".", **asked: Any) -> Need:
    """Answer the question of `datayield need`.

    Args:
        target: score to reach, in (0, 1); None: only the gain of the next labels.
        folder: the project.
        asked: corpus, arm, have, more, label_price, hour_price, trainings, as the command's options.

    Raises:
        UserError: an argument is unknown, out of range or not in the study.
    """
    from datayield.analysis import questions
    from datayield.core.types import names_of

    known = names_of(questions.Question)
    for name in asked:
        if name not in known:
            raise UserError(f'need has no argument "{name}": {nearest(name, list(known))}')
    root = Path(folder)
    question = questions.Question(target=target, **asked)
    return Need(questions.plan_labels(_params(root), root, question))


def write_report(folder: Folder = ".") -> Path:
    """Write the folder's statistics and report again from its tables; return the report's index.html.

    Raises:
        UserError: the study has not run, a table is damaged, or the folder cannot be written.
    """
    from datayield.report import analyse_stage, report_stage

    root = Path(folder)
    params = _params(root)
    analyse_stage.write_statistics(params, root)
    return report_stage.write_pages(params, root)


def label_texts(model: Folder, texts: Iterable[str]) -> "pd.DataFrame":
    """Label texts with an exported model: text, label and its probability (or margin).

    Args:
        model: a folder that `datayield export` wrote.
        texts: any number of texts.

    Raises:
        UserError: the folder is not an exported model.
    """
    import pandas as pd

    from datayield.models.saved import format, predict

    loaded = format.load(Path(model))
    rows = [record for batch in predict.labelled(loaded, texts) for record in batch]
    return pd.DataFrame(rows, columns=["text", "label", loaded.output])


def list_strategies() -> "pd.DataFrame":
    """Return a table of all strategies: summary, costs, control and source, by name."""
    import pandas as pd

    from datayield.strategies import overview

    return pd.DataFrame.from_dict(overview.as_data(), orient="index")
