"""Runs the stage `audit`: writes `audit.json` (findings) and `audit.parquet` (one row per text)."""

from pathlib import Path

from datayield import corpora
from datayield.config import Params
from datayield.core import files
from datayield.core.tables import write_table
from datayield.corpora import audit, row_account
from datayield.study.corpus_folder import corpus_folder


def run(params: Params, name: str, root: Path) -> None:
    """Search one corpus for duplicates, overlap with its test set and other faults."""
    folder = corpus_folder(root, name)
    card = files.read_json(folder / "card.json")
    findings, texts = audit.audit(corpora.checked(folder), card["removed"])
    findings["findings"] = [*row_account.findings(card), *findings["findings"]]
    write_table(texts, folder / "audit.parquet")
    files.write_json(findings, folder / "audit.json", ordered=False)
