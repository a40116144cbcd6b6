"""Audits a file of labelled texts without a study: which texts to look at before anything is trained."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from datayield.config import own_data
from datayield.core.types import Bools, Ints
from datayield.corpora.build import SMALLEST_CLASS
from datayield.corpora.text_faults import ADVICE, TextFaults, text_faults
from datayield.study.cut_cost import CutCost, cut_cost
from datayield.study.file_duplicates import (
    UNLABELLED,
    FileFinding,
    FileTexts,
    SuspiciousText,
    duplicate_findings,
    file_texts,
)
from datayield.study.wrong_labels import JudgedLabels, WrongLabel, judge_labels

SEED = 0  # of the folds: one file always gives one audit


@dataclass(frozen=True, slots=True)
class ClassCount:
    """The texts of one class, and how many of them look as if they belonged to another one."""

    name: str
    texts: int
    wrong: int | None  # labels that are likely wrong; None: not judged
    instead: str  # class most often suggested for these; "" for none


@dataclass(frozen=True, slots=True)
class FileAudit:
    """All that an audit found; findings without texts too."""

    texts: Sequence[str]  # labelled ones, then unlabelled ones
    labels: tuple[str, ...]  # of the labelled texts
    classes: tuple[ClassCount, ...]  # the largest first
    findings: tuple[FileFinding, ...]
    judgement: JudgedLabels | None  # None: no label can be judged
    tokens_read: int  # of a text, by a study of this file
    unread: float  # share of all tokens beyond them, 0 to 1
    cut: CutCost | None  # what reading less costs; None: texts are short, or no label can be judged
    rows: Ints  # (texts,) number of a text's row among the labelled rows or the unlabelled ones, from 1


def audit_file(
    texts: Sequence[str],
    labels: Sequence[str],
    in_test: Sequence[bool] | None = None,
    unlabelled: Sequence[str] = (),
    unlabelled_places: Ints | None = None,
) -> FileAudit:
    """Find the texts of a file that should be looked at, without a study.

    Args:
        texts: the labelled texts.
        labels: their classes, (texts,).
        in_test: whether each labelled text belongs to a test set of the file; None: it has none.
        unlabelled: further texts without labels.
        unlabelled_places: number of the row of each of these, from 0; None: they are all rows.
    """
    classes = tuple(sorted(set(labels)))
    numbers = {c: k for k, c in enumerate(classes)}
    known = np.array([numbers[label] for label in labels], np.int64)
    x = file_texts(texts, known, in_test, unlabelled)
    faults = text_faults(x.texts)
    read, unread = _tokens_read(faults.lengths)
    judged = _judged(x, faults.lengths > 0, len(classes))
    judgement = _judgement(x, judged)
    wrong = judgement.wrong if judgement else ()
    findings = (
        FileFinding(
            "labels that are likely wrong",
            "read them, the surest first, and correct the label where it is wrong",
            int(judged.sum()),
            tuple(SuspiciousText(w.place, None, classes[w.suggested], w.certainty) for w in wrong),
        ),
        *duplicate_findings(x, classes),
        *_text_findings(faults, read),
        _rare_classes(known),
    )
    counts = _class_counts(classes, known, judged, wrong)
    less = read if unread > own_data.MOST_UNREAD else own_data.TOKENS
    cut = _cut_cost(x, judged, less) if unread > own_data.MOST_UNREAD or less < read else None
    places = np.arange(len(unlabelled)) if unlabelled_places is None else unlabelled_places
    rows = np.concatenate([np.arange(len(labels)), places]) + 1
    return FileAudit(x.texts, tuple(labels), counts, findings, judgement, read, unread, cut, rows)


def _tokens_read(lengths: Ints) -> tuple[int, float]:
    """Return how many tokens of a text a study of texts of these lengths reads, and the share beyond them."""
    total = max(1, int(lengths.sum()))

    def unread(limit: int) -> float:
        return float(np.maximum(lengths - limit, 0).sum() / total)

    read = own_data.tokens_to_read(lambda limit: 1 - unread(limit), own_data.MOST_TOKENS)
    return read, unread(read)


def _cut_cost(x: FileTexts, judged: Bools, max_tokens: int) -> CutCost | None:
    """Return what reading only the beginning of texts costs; None without labels that can be judged."""
    places = np.flatnonzero(judged & ~x.in_test)
    labels = np.unique(x.labels[places], return_inverse=True)[1]
    if len(labels) < SMALLEST_CLASS or not labels.any():
        return None
    texts = [x.texts[i] for i in places.tolist()]
    return cut_cost(texts, labels, x.clusters[places], max_tokens, SEED, "file")


def _text_findings(faults: TextFaults, read: int) -> tuple[FileFinding, ...]:
    """Return the findings about single texts."""
    count = len(faults.lengths)
    long = FileFinding(
        f"texts longer than the {read} tokens that a study reads",
        "raise model.windows in params.yaml, or shorten the texts",
        count,
        _all(np.flatnonzero(faults.lengths > read).tolist()),
    )
    damaged = (
        FileFinding(name, ADVICE[name], count, _all(places))
        for name, places in faults.places.items()
    )
    return (*damaged, long)


def _rare_classes(labels: Ints) -> FileFinding:
    rare = np.bincount(labels)[labels] < SMALLEST_CLASS
    return FileFinding(
        f"texts of classes with fewer than {SMALLEST_CLASS} texts",
        "label more of them, or merge the class with another one",
        len(labels),
        _all(np.flatnonzero(rare).tolist()),
    )


def _all(places: Sequence[int]) -> tuple[SuspiciousText, ...]:
    return tuple(SuspiciousText(place) for place in places)


def _judged(x: FileTexts, filled: Bools, classes: int) -> Bools:
    """Return whether the label of each text can be judged, (texts,).

    It can in a class of at least SMALLEST_CLASS clusters of duplicates, if another such class exists.

    Args:
        x: the texts.
        filled: whether a text has tokens, (texts,).
        classes: number of classes.
    """
    known = np.flatnonzero((x.labels != UNLABELLED) & filled)
    pairs = np.unique(x.clusters[known] * classes + x.labels[known])
    large = np.bincount(pairs % classes, minlength=classes) >= SMALLEST_CLASS
    judged = np.zeros(len(x.labels), bool)
    judged[known] = large[x.labels[known]] & (large.sum() > 1)
    return judged


def _judgement(x: FileTexts, judged: Bools) -> JudgedLabels | None:
    """Return the judgement of the judged labels, with places and classes of the file; None without any."""
    places = np.flatnonzero(judged)
    if not len(places):
        return None
    present, labels = np.unique(x.labels[places], return_inverse=True)
    texts = [x.texts[i] for i in places.tolist()]
    found = judge_labels(texts, labels, x.clusters[places], len(present), SEED)
    wrong = (
        replace(w, place=int(places[w.place]), suggested=int(present[w.suggested]))
        for w in found.wrong
    )
    return replace(found, wrong=tuple(wrong))


def _class_counts(
    classes: Sequence[str], labels: Ints, judged: Bools, wrong: Sequence[WrongLabel]
) -> tuple[ClassCount, ...]:
    """Return the counts of each class, the largest class first."""
    instead: dict[int, Counter[int]] = {k: Counter() for k in range(len(classes))}
    for w in wrong:
        instead[int(labels[w.place])][w.suggested] += 1
    counted = set(labels[judged[: len(labels)]].tolist())
    found = []
    for k, name in enumerate(classes):
        other = min(instead[k], key=lambda c: (-instead[k][c], c), default=None)
        found.append(
            ClassCount(
                name,
                int((labels == k).sum()),
                instead[k].total() if k in counted else None,
                "" if other is None else classes[other],
            )
        )
    return tuple(sorted(found, key=lambda x: (-x.texts, x.name)))
