"""Loads data sets of the Hugging Face hub with `datasets` (the extra `hub`); their own code never runs."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from datayield.config import HubSource
from datayield.core.errors import UserError, nearest
from datayield.corpora.build import Labelled
from datayield.text import sequences
from datayield.text.sequences import ROWS


def load(name: str, source: HubSource, seed: int, root: Path) -> Labelled:
    """Load texts and labels of the named splits; rows without text or label are left out.

    Raises:
        UserError: `datasets` is not installed, the data set cannot be loaded, or a name is wrong.
    """
    found = _data_set(name, source, root)
    labels: list[str] = []
    in_test: list[bool] = []
    left_out: list[str] = []

    def lines() -> Iterator[str]:
        for split in [source.pool] if source.test is None else [source.pool, source.test]:
            if split not in found:
                raise UserError(
                    f'corpus {name}: {source.name} has no split "{split}":'
                    f" {nearest(split, list(found))}"
                )
            for line, label in _rows(name, source, found[split]):
                if line and line.strip() and label is not None:
                    labels.append(label)
                    in_test.append(split == source.test)
                    yield line
                else:
                    left_out.append(split)

    texts = sequences.TextColumn.spooled(lines())
    return Labelled(
        texts, labels, None if source.test is None else in_test,
        {"loader": "hub", "name": source.name, "revision": source.revision, "config": source.config,
         "licence": source.licence, "encoding": "utf-8"},
        source.family or name,
        {"rows without a text or a label": len(left_out)} if left_out else {},
    )  # fmt: skip


def _data_set(name: str, source: HubSource, root: Path) -> Any:
    """Load the splits of a data set, by name."""
    try:
        import datasets
    except ImportError as e:
        raise UserError(
            f"corpus {name} comes from the Hugging Face hub, which needs the package datasets:"
            " pip install 'datayield[hub]'"
        ) from e
    where = str(root / source.name) if source.local else source.name
    if source.local and not Path(where).is_dir():
        raise UserError(
            f"corpus {name}: {where} is not a folder; its path is relative to params.yaml"
        )
    datasets.disable_progress_bars()
    try:
        return datasets.load_dataset(
            where,
            source.config,
            revision=None if source.local else source.revision,
            cache_dir=str(root / "state" / "hub"),
        )
    except Exception as e:  # the package raises many kinds of error, all with a reason
        reason = " ".join(str(e).split())[:300]
        raise UserError(f"corpus {name}: {source.name} cannot be loaded: {reason}") from e


def _rows(name: str, source: HubSource, split: Any) -> Iterator[tuple[str | None, str | None]]:
    """Yield (text, class) of every row, read in pieces."""
    for column in (source.text, source.label):
        if column not in split.column_names:
            raise UserError(
                f'corpus {name}: {source.name} has no column "{column}":'
                f" {nearest(column, split.column_names)}"
            )
    names = getattr(split.features[source.label], "names", None)
    for start in range(0, len(split), ROWS):
        part = split[start : start + ROWS]
        for line, label in zip(part[source.text], part[source.label], strict=True):
            yield None if line is None else str(line), _label(label, names)


def _label(value: Any, names: list[str] | None) -> str | None:
    if value is None or (names is not None and value < 0):  # the hub marks hidden labels with -1
        return None
    return names[value] if names is not None else str(value)
