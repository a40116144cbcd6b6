"""Finds the folder of a corpus's data; every stage needs it, so it imports next to nothing."""

from pathlib import Path

from datayield.config import Params
from datayield.core.errors import UserError, nearest


def corpus_folder(root: Path, name: str) -> Path:
    """Return the folder into which the data stages of a corpus write."""
    return root / "data" / name


def known_corpus(params: Params, name: str) -> str:
    """Return the name of a corpus that params.yaml describes.

    Raises:
        UserError: params.yaml does not describe it; names the nearest and the known.
    """
    if name not in params.corpora:
        raise UserError(f'unknown corpus "{name}": {nearest(name, list(params.corpora))}')
    return name
