"""Keeps the division of a corpus whose files grew, so that its finished cells serve again."""

import hashlib
from pathlib import Path

from datayield.config import FileSource, own_data
from datayield.corpora.loaders import file

GROWTH = 1.25
"""Texts for one settled text up to which a division stays; beyond, all texts settle it again."""
_MAY_DIFFER = {"path", "sha256", "more", "unlabelled", "test_share", "settled"}
_KEPT = ("test_share", "settled")


def with_test_share(source: FileSource, budget: int | None) -> FileSource:
    """Return the entry with the share of the test set that its size and the budget ask for.

    Args:
        source: the entry; one with a test set of its own stays as it is.
        budget: labels that the pool must hold; None: any number.
    """
    if source.split is not None or any(part.test for part in source.more):
        return source
    share = own_data.test_share(source.settled or 0, budget)
    return source.model_copy(update={"test_share": share})


def continued(source: FileSource, earlier: FileSource, root: Path) -> FileSource:
    """Return the entry of files with the division that an earlier entry of the same columns gave them.

    Args:
        source: the entry of the files as they are, with all of their texts settled.
        earlier: the entry of the files as they were.
        root: folder from which the paths of `source` count.

    Returns:
        The entry with the earlier share of the test set. The earlier settled texts stay if new rows are
        only at the end and GROWTH is not passed; else all texts settle the division, by the same hashes.
    """
    if source.model_dump(exclude=_MAY_DIFFER) != earlier.model_dump(exclude=_MAY_DIFFER):
        return source
    parts, before = file.named_files(source), file.named_files(earlier)
    if [p.sha256 for p in parts] == [p.sha256 for p in before]:
        return source.model_copy(update={name: getattr(earlier, name) for name in _KEPT})
    if source.settled is None or earlier.settled is None:
        return source
    kept = {"test_share": earlier.test_share, "settled": source.settled}
    appended = (
        len(parts) >= len(before)
        and [p.sha256 for p in parts[: len(before) - 1]] == [p.sha256 for p in before[:-1]]
        and begins_with(root / parts[len(before) - 1].path, before[-1].sha256)
    )
    if appended and source.settled <= GROWTH * earlier.settled:
        kept["settled"] = earlier.settled
    return source.model_copy(update=kept)


def sentences(name: str, source: FileSource, earlier: FileSource, texts: int) -> list[str]:
    """Return what a reader should know of the division of grown files; nothing where they are as before.

    Args:
        name: of the corpus.
        source: its entry, as `continued` returned it.
        earlier: its entry before.
        texts: labelled texts of its files.
    """
    if source.settled is None or source.settled == texts == earlier.settled:
        return []
    if source.settled == earlier.settled:
        return [
            f"{name}: {texts - source.settled:,} later texts are drawn after the {source.settled:,} settled"
            " ones, or wait; the test set and finished cells of unchanged draws stay"
        ]
    if source.time is not None:
        return [f"{name}: all {texts:,} texts settle the division again; the newest are test texts"]
    return [f"{name}: all {texts:,} texts settle the division again; test texts stay test texts"]


def begins_with(path: Path, sha256: str) -> bool:
    """Return whether some first lines of a file, or all of it, have this hash."""
    found = hashlib.sha256()
    with path.open("rb") as lines:
        for line in lines:
            body = line.rstrip(b"\r\n")  # the last line of the earlier file may have had no end
            found.update(body)
            if found.hexdigest() == sha256:
                return True
            found.update(line[len(body) :])
            if found.hexdigest() == sha256:
                return True
    return False
