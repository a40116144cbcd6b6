"""Data sets of the Hugging Face hub, through `datasets` (the extra `hub`); no code of theirs runs."""

from pathlib import Path
from typing import Any

from datayield.config import HubSource
from datayield.corpora.build import Labelled
from datayield.errors import UserError, nearest


def load(name: str, source: HubSource, seed: int, root: Path) -> Labelled:
    """Texts and labels of the named splits; rows without text or label are left out.

    Raises:
        UserError: when `datasets` is missing, the data set cannot be had, or a name is wrong.
    """
    try:
        import datasets
    except ImportError as e:
        raise UserError(
            f"corpus {name} comes from the Hugging Face hub, which needs the package datasets:"
            " pip install 'datayield[hub]'"
        ) from e
    where = str(root / source.name) if source.local else source.name
    if source.local and not Path(where).is_dir():
        raise UserError(f"corpus {name}: {where} is no folder; it is relative to params.yaml")
    datasets.disable_progress_bars()
    try:
        found = datasets.load_dataset(
            where,
            source.config,
            revision=None if source.local else source.revision,
            cache_dir=str(root / "state" / "hub"),
        )
    except Exception as e:  # the package raises many kinds; each says what it missed
        reason = " ".join(str(e).split())[:300]
        raise UserError(f"corpus {name}: {source.name} cannot be loaded: {reason}") from e
    wanted = [source.pool] if source.test is None else [source.pool, source.test]
    texts: list[str] = []
    labels: list[str] = []
    in_test: list[bool] = []
    left_out = 0
    for split in wanted:
        if split not in found:
            raise UserError(
                f'corpus {name}: {source.name} has no split "{split}": {nearest(split, list(found))}'
            )
        for text, label in _rows(name, source, found[split]):
            if not text or not text.strip() or label is None:
                left_out += 1
                continue
            texts.append(text)
            labels.append(label)
            in_test.append(split == source.test)
    return Labelled(
        texts, labels, None if source.test is None else in_test,
        {"loader": "hub", "name": source.name, "revision": source.revision, "config": source.config,
         "licence": source.licence, "encoding": "utf-8"},
        source.family or name,
        {"rows without a text or a label": left_out} if left_out else {},
    )  # fmt: skip


def _rows(name: str, source: HubSource, split: Any) -> list[tuple[str | None, str | None]]:
    for column in (source.text, source.label):
        if column not in split.column_names:
            raise UserError(
                f'corpus {name}: {source.name} has no column "{column}":'
                f" {nearest(column, split.column_names)}"
            )
    feature = split.features[source.label]
    names = getattr(feature, "names", None)
    labels = split[source.label]
    return [
        (t if isinstance(t, str) or t is None else str(t), _label(x, names))
        for t, x in zip(split[source.text], labels, strict=True)
    ]


def _label(value: Any, names: list[str] | None) -> str | None:
    if value is None or (names is not None and value < 0):  # the hub marks hidden labels with -1
        return None
    return names[value] if names is not None else str(value)
