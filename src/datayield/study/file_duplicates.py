"""Finds the texts of a file that repeat others, exactly or nearly, and those whose labels differ."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from datayield.core.types import Bools, Ints
from datayield.corpora.build import duplicate_groups_of
from datayield.text import near_duplicates, sequences

UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class SuspiciousText:
    """One text to look at, and the reason."""

    place: int  # among the labelled texts, then the unlabelled ones, from 0
    like: int | None = None  # place of the text that it resembles
    suggested: str = ""  # the class that it may belong to
    certainty: float | None = None  # probability of that class, 0 to 1


@dataclass(frozen=True, slots=True)
class FileFinding:
    """Texts with one fault."""

    name: str
    advice: str
    of: int  # texts that could have it
    texts: tuple[SuspiciousText, ...]


@dataclass(frozen=True, slots=True)
class FileTexts:
    """All texts of an audit with their duplicates."""

    texts: Sequence[str]  # labelled ones, then unlabelled ones
    labels: Ints  # (texts,) class index, or UNLABELLED
    in_test: Bools  # (texts,) whether a text belongs to a test set that the file sets apart
    groups: Ints  # (texts,) equal for exact duplicates
    first: Ints  # place of the first text of each group
    near: tuple[tuple[int, int], ...]  # pairs of groups that are near duplicates, i < j

    @property
    def clusters(self) -> Ints:
        """Return the number of the cluster of exact and near duplicates of each text, (texts,)."""
        i, j = np.array(self.near, np.int64).reshape(-1, 2).T
        size = len(self.first)
        linked = sparse.coo_matrix((np.ones(len(i)), (i, j)), shape=(size, size))
        of_group: Ints = connected_components(linked, directed=False)[1].astype(np.int64)
        return of_group[self.groups]


def file_texts(
    texts: Sequence[str], labels: Ints, in_test: Sequence[bool] | None, unlabelled: Sequence[str]
) -> FileTexts:
    """Return the texts with their duplicates; arguments as of `file_audit.audit_file`."""
    every = sequences.JoinedTexts(texts, unlabelled)
    tested = np.zeros(len(every), bool)
    tested[: len(texts)] = in_test or False
    groups = duplicate_groups_of(every)
    first = np.unique(groups, return_index=True)[1]
    return FileTexts(
        every,
        np.concatenate([labels, np.full(len(unlabelled), UNLABELLED)]),
        tested,
        groups,
        first,
        tuple(near_duplicates.pairs(sequences.TextKeys(every, first))),
    )


def duplicate_findings(x: FileTexts, classes: Sequence[str]) -> tuple[FileFinding, ...]:
    """Return the findings about duplicates, those about labels first."""
    labelled = x.labels != UNLABELLED
    return (*_about_labels(x, labelled, classes), *_about_copies(x, labelled))


def _about_labels(x: FileTexts, labelled: Bools, classes: Sequence[str]) -> tuple[FileFinding, ...]:
    def differ(i: int, j: int) -> bool:
        return bool(labelled[i] and labelled[j] and x.labels[i] != x.labels[j])

    return (
        FileFinding(
            "texts that occur with different labels",
            "decide on one label for each text; the others contradict it",
            int(labelled.sum()),
            _conflicts(x, classes),
        ),
        FileFinding(
            "near duplicates with different labels",
            "compare both texts; one of the labels may be wrong",
            int(labelled.sum()),
            _near(x, differ),
        ),
        FileFinding(
            "test texts that also occur among the texts to learn from, exactly or nearly",
            "remove them from one side, since they make the scores too high",
            int(x.in_test.sum()),
            _leaked(x, labelled & ~x.in_test),
        ),
    )


def _about_copies(x: FileTexts, labelled: Bools) -> tuple[FileFinding, ...]:
    like = x.first[x.groups]  # (texts,) place of the first text of the same group
    copies = like != np.arange(len(like))

    def listed(chosen: Bools) -> tuple[SuspiciousText, ...]:
        return tuple(SuspiciousText(i, int(like[i])) for i in np.flatnonzero(chosen).tolist())

    unlabelled = int((~labelled).sum())
    return (
        FileFinding(
            "exact duplicates of an earlier labelled text",
            "remove them, unless the repetition is meant",
            int(labelled.sum()),
            listed(copies & labelled),
        ),
        FileFinding(
            "near duplicates of an earlier text",
            "remove texts that add nothing",
            len(x.texts),
            _near(x, lambda i, j: True),
        ),
        FileFinding(
            "unlabelled texts that are labelled already",
            "leave them out before you label more",
            unlabelled,
            listed(~labelled & labelled[like]),
        ),
        FileFinding(
            "exact duplicates of an earlier unlabelled text",
            "label one of them",
            unlabelled,
            listed(copies & ~labelled[like]),
        ),
    )


def _conflicts(x: FileTexts, classes: Sequence[str]) -> tuple[SuspiciousText, ...]:
    """Return the texts that occur with several labels, copies together, with the majority's label."""
    members: dict[int, list[int]] = {}
    for place in np.flatnonzero(x.labels != UNLABELLED).tolist():
        members.setdefault(int(x.groups[place]), []).append(place)
    found = []
    for places in members.values():
        votes = Counter(x.labels[places].tolist()).most_common(2)
        if len(votes) > 1:
            tied = votes[0][1] == votes[1][1]
            suggested = "" if tied else classes[votes[0][0]]
            others = [*places[1:], places[0]]
            found += [SuspiciousText(i, j, suggested) for i, j in zip(places, others, strict=True)]
    return tuple(found)


def _near(x: FileTexts, counts: Callable[[int, int], bool]) -> tuple[SuspiciousText, ...]:
    """Return the first texts of groups that nearly repeat an earlier one, each once.

    Args:
        x: the texts.
        counts: (place of the earlier text, place of the later one) -> whether the pair is wanted.
    """
    found: dict[int, int] = {}
    for i, j in x.near:
        earlier, later = int(x.first[i]), int(x.first[j])
        if counts(earlier, later):
            found.setdefault(later, earlier)
    return tuple(SuspiciousText(later, earlier) for later, earlier in sorted(found.items()))


def _leaked(x: FileTexts, learn: Bools) -> tuple[SuspiciousText, ...]:
    """Return the test texts of which the texts to learn from hold an exact or near duplicate."""
    linked: dict[int, list[int]] = {}
    for i, j in x.near:
        linked.setdefault(i, []).append(j)
        linked.setdefault(j, []).append(i)
    learnt: dict[int, int] = {}  # first text to learn from, by group
    for place in np.flatnonzero(learn).tolist():
        learnt.setdefault(int(x.groups[place]), place)
    found = []
    for place in np.flatnonzero(x.in_test).tolist():
        group = int(x.groups[place])
        like = [learnt[g] for g in (group, *linked.get(group, ())) if g in learnt]
        if like:
            found.append(SuspiciousText(place, like[0]))
    return tuple(found)
