"""Joins the labels that several annotators gave to one text, and measures how far they agree."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from sklearn.metrics import cohen_kappa_score

from datayield.corpora.row_account import Agreement, Label
from datayield.corpora.row_labels import Absent, Answers
from datayield.text import tokens

TIE = Absent("whose annotators disagree without a majority", left_out=True)
FURTHER = Absent("that are further answers to a text, counted in its majority", left_out=True)


def gathered(
    texts: Sequence[str], labels: Sequence[Label], who: Sequence[str | None]
) -> list[Label]:
    """Return the labels with the answers to one text, which stand in several rows, in its first row.

    Args:
        texts: text of each row, (rows,).
        labels: label of each row, (rows,).
        who: annotator of each row, (rows,); None: not known.
    """
    groups: defaultdict[bytes, list[int]] = defaultdict(list)
    for row, text in enumerate(texts):
        if isinstance(labels[row], str) and who[row] is not None:
            groups[tokens.fingerprint(text)].append(row)
    found = list(labels)
    for rows in groups.values():
        given = tuple((str(who[row]), str(labels[row])) for row in rows)
        if len({annotator for annotator, _ in given}) > 1:
            found[rows[0]] = Answers(given)
            for row in rows[1:]:
                found[row] = FURTHER
    return found


def voted(labels: Sequence[Label]) -> list[Label]:
    """Return the labels with the answers to each text replaced by the label of most, or TIE."""
    return [_majority(label) if isinstance(label, Answers) else label for label in labels]


def _majority(answers: Answers) -> str | Absent:
    (first, most), *others = Counter(label for _, label in answers.given).most_common(2)
    return TIE if others and others[0][1] == most else first


def agreement(labels: Sequence[Label]) -> Agreement | None:
    """Return how far annotators agree on the texts with several answers; None: there are none."""
    answered = [dict(label.given) for label in labels if isinstance(label, Answers)]
    answered = [given for given in answered if len(given) > 1]
    if not answered:
        return None
    pairs = list(_kappas(answered))
    return Agreement(
        texts=len(answered),
        unanimous=sum(len(set(given.values())) == 1 for given in answered),
        annotators=len({who for given in answered for who in given}),
        kappa=_weighted_mean(pairs),
    )


def _kappas(answered: Sequence[dict[str, str]]) -> Iterator[tuple[float, int]]:
    """Yield Cohen's kappa of every pair of annotators and the number of texts that both labelled."""
    both: defaultdict[tuple[str, str], list[tuple[str, str]]] = defaultdict(list)
    for given in answered:
        for a, b in combinations(sorted(given), 2):
            both[a, b].append((given[a], given[b]))
    for pairs in both.values():
        first, second = zip(*pairs, strict=True)
        if len({*first, *second}) > 1:  # with one class only, kappa is 0 / 0
            yield float(cohen_kappa_score(first, second)), len(pairs)


def _weighted_mean(pairs: Sequence[tuple[float, int]]) -> float | None:
    if not pairs:
        return None
    kappas, weights = zip(*pairs, strict=True)
    return float(np.average(kappas, weights=weights))
