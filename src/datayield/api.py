"""What Python programs and notebooks call: the names of docs/api.md, and no other.

Every function takes the project's folder, so that several studies can be open at once. What is heavy is
imported when a function is called. Results show themselves in notebooks; every text of a user is escaped.
"""

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from datayield import children
from datayield.errors import UserError, nearest
from datayield.shown import LoadedCorpus, Multiplier, Need, Plan, Statistics

if TYPE_CHECKING:
    import pandas as pd

    from datayield.config import Params

Folder: TypeAlias = str | Path


def load_corpus(
    source: Folder, text: str | None = None, label: str | None = None, folder: Folder = "."
) -> LoadedCorpus:
    """A corpus, checked and split into pool and test set.

    Args:
        source: a file (csv, tsv, jsonl, parquet), or a name in the folder's params.yaml or in the catalog.
        text: column of a file's texts; guessed where only one can be.
        label: column of its labels; likewise.
        folder: the project.

    Raises:
        UserError: the source cannot be read, or is no corpus.
    """
    from datayield import config, corpora
    from datayield.corpora import columns, files, read
    from datayield.corpora.download import catalog

    root = Path(folder)
    own = _params(root) if (root / "params.yaml").exists() else None
    params = own or config.load_text(config.preset("default"))
    entry: config.Source
    if str(source) in params.corpora:
        name, entry = str(source), params.corpora[str(source)]
    elif str(source) in catalog():
        name, entry = str(source), config.CatalogSource(loader="catalog")
    else:
        path = Path(source)
        name, encoding = path.stem, read.encoding_of(path)
        found = columns.choose(path, encoding, text, label, None, False)
        entry = files.describe(path, found.text, found.label, encoding, found.split)
        root = Path()
    return LoadedCorpus(*corpora.build(name, entry, params.study.seed, root))


def start_project(
    file: Folder,
    folder: Folder,
    text: str | None = None,
    label: str | None = None,
    budget: int | None = None,
    draws: int = 3,
) -> Path:
    """A project's folder around a file of labelled texts; nothing is trained yet.

    Args:
        file: csv, tsv, jsonl or parquet.
        folder: new, empty, or an earlier project of that file.
        text: column of the texts; guessed where only one can be.
        label: column of the labels; likewise.
        budget: labels of the largest budget.
        draws: independent samples of each size.

    Raises:
        UserError: the file is no corpus, or the folder holds something else.
    """
    options = {"--text": text, "--label": label, "--budget": budget, "--draws": draws}
    given = [x for k, v in options.items() if v is not None for x in (k, str(v))]
    _command(Path(), "study", str(file), "--folder", str(folder), "--plan", *given)
    return Path(folder)


def plan_study(folder: Folder = ".") -> Plan:
    """Cells and time of the folder's study; its corpora must be built (`start_project` builds them).

    Raises:
        UserError: no project, or a corpus that is not built.
    """
    return Plan(json.loads(_command(Path(folder), "plan", "--json")))


def run_study(folder: Folder = ".") -> Path:
    """Run the folder's study as `datayield study` does; it resumes. Returns the report's index.html.

    Raises:
        UserError: a stage ended with an error; the same call goes on from there.
    """
    _command(Path(folder), "study", "--quiet")
    return _report(Path(folder))


def _report(root: Path) -> Path:
    return root / "reports" / _params(root).study.name / "index.html"


def _params(root: Path) -> "Params":
    from datayield import config

    return config.load(root / "params.yaml")


def _command(folder: Path, *arguments: str) -> str:
    """What a command of datayield prints, run in a folder in a process of its own."""
    if not folder.is_dir():
        raise UserError(f"{folder} is no folder; name a project's")
    done = children.ran([sys.executable, "-m", "datayield.cli", *arguments], folder)
    if done.returncode:
        raise UserError(
            done.stderr.strip().removeprefix("datayield: ") or f"exit {done.returncode}"
        )
    return done.stdout


def read_cells(folder: Folder = ".", corpus: str | None = None) -> "pd.DataFrame":
    """The finished cells of a study, one row each: arm, n, draw, seed, scores, account.

    Args:
        folder: the project.
        corpus: one corpus; None: all of the study, one after the other.

    Raises:
        UserError: a table is missing, damaged, or of another version.
    """
    import pyarrow as pa

    from datayield import table

    root = Path(folder)
    study = _params(root).study
    names = study.corpora if corpus is None else (study.corpus(corpus),)
    tables = [table.read(root / "results" / n / "cells.parquet", table.CELLS) for n in names]
    return pa.concat_tables(tables).drop_columns(["hits", "predicted"]).to_pandas()


def analyse(folder: Folder = ".") -> Statistics:
    """The statistics of a study, from its tables.

    Raises:
        UserError: the study has not run, or a table is damaged.
    """
    from datayield import stats

    root = Path(folder)
    return Statistics(stats.analyse(_params(root), root))


def multiplier(
    arm: str, n: int, folder: Folder = ".", corpus: str | None = None, against: str | None = None
) -> Multiplier:
    """The data multiplier of an arm at a budget.

    Args:
        arm: such as "lstm:eda_nn".
        n: labels paid.
        folder: the project.
        corpus: may be left out where the study has one.
        against: the baseline; None: the arm's own plain training.

    Raises:
        UserError: nothing was measured there.
    """
    from datayield import stats
    from datayield.report import words

    root = Path(folder)
    frame = stats.frame(_params(root), root, corpus)
    found = stats.multipliers(frame, against)
    own = [m for m in found if (m["arm"], m["n"]) == (arm, n)]
    if not own:
        known = ", ".join(f"{m['arm']} at {m['n']}" for m in found)
        raise UserError(f"no multiplier of {arm} at {n} labels was measured; known: {known}")
    (m,) = own
    return Multiplier(arm, n, m["baseline"], m["point"], m["low"], m["high"], words.times(m))


def need(target: float | None = None, folder: Folder = ".", **asked: Any) -> Need:
    """What `datayield need` answers.

    Args:
        target: score to reach, in (0, 1); None: only what the next labels buy.
        folder: the project.
        asked: corpus, arm, have, more, label_price, hour_price, trainings, as the command's options.

    Raises:
        UserError: something asked is unknown, out of range or not in the study.
    """
    from datayield import stats
    from datayield.types import names_of

    known = names_of(stats.Question)
    for name in asked:
        if name not in known:
            raise UserError(f'need takes no "{name}": {nearest(name, list(known))}')
    root = Path(folder)
    question = stats.Question(target=target, **asked)
    return Need(stats.plan_labels(_params(root), root, question))


def write_report(folder: Folder = ".") -> Path:
    """Write the folder's report anew from its tables; returns its index.html.

    Raises:
        UserError: as `analyse`, or the folder cannot be written.
    """
    _command(Path(folder), "stage", "analyse")
    _command(Path(folder), "stage", "report")
    return _report(Path(folder))


def label_texts(model: Folder, texts: Iterable[str]) -> "pd.DataFrame":
    """Labels of texts by an exported model: text, label and its probability (or margin).

    Args:
        model: a folder that `datayield export` wrote.
        texts: in any number.

    Raises:
        UserError: the folder is no exported model.
    """
    import pandas as pd

    from datayield import exported, predict

    loaded = exported.load(Path(model))
    rows = [record for batch in predict.labelled(loaded, texts) for record in batch]
    return pd.DataFrame(rows, columns=["text", "label", loaded.output])


def list_strategies() -> "pd.DataFrame":
    """Every strategy: what it does, what it takes, its control and its source."""
    import pandas as pd

    from datayield import overview

    return pd.DataFrame.from_dict(overview.as_data(), orient="index")
