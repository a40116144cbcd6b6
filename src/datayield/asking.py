"""Which texts are most worth labelling next: the acquiring strategies, on texts of one's own.

A strategy chooses at once (one round): the labels of what it chooses are not there yet.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datayield import config, desk, grid, place, text, thesaurus
from datayield.draws import Draws
from datayield.errors import UserError, nearest
from datayield.search import settings
from datayield.stages import VECTOR_DIMENSIONS
from datayield.strategies import make, registry
from datayield.strategies.active import LOOKED_AT
from datayield.strategies.base import Fitted, Kind, Strategy
from datayield.strategies.coverage import text_vectors
from datayield.types import Account, Corpus, Floats, Ints, Pool, Sample, Settings, TrainingSet

SMALLEST = 10  # labelled texts, and unlabelled ones
CLOSE = 0.2  # two likeliest classes closer than this: the model is unsure between them
FAR = 0.5  # cosine to the nearest labelled text below which a text is unlike all of them


@dataclass(frozen=True, slots=True)
class Asked:
    """One text to label."""

    rank: int  # 1 is the first to label
    place: int  # in the list of unlabelled texts that was given, from 0
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to label next, and what was not considered."""

    asked: tuple[Asked, ...]
    by: str
    considered: int  # unlabelled texts after duplicates
    looked_at: int  # of these, texts whose value was computed
    labelled_already: int  # unlabelled texts that are duplicates of labelled ones
    repeated: int  # unlabelled texts that are duplicates of earlier unlabelled ones


def acquirers() -> list[str]:
    """The names of the strategies that decide what to label."""
    return [name for name in registry() if make(name).acquire is not None]


def choose(
    texts: Sequence[str],
    labels: Sequence[str],
    unlabelled: Sequence[str],
    n: int,
    by: str,
    seed: int,
) -> Chosen:
    """The n unlabelled texts that a strategy would label next, best first, with reasons.

    Args:
        texts: the labelled texts.
        labels: their classes, (texts,).
        unlabelled: what may be asked for; duplicates are left out.
        n: how many.
        by: a strategy that acquires.
        seed: of everything random.

    Raises:
        UserError: too few texts or classes, a strategy that acquires nothing, n above what is there.
    """
    classes = tuple(sorted(set(labels)))
    _check(texts, classes, n)
    ids, already, repeated = distinct(texts, unlabelled)
    if n > len(ids):
        raise UserError(
            f"{n} texts to label were asked for, and {len(ids)} unlabelled texts are left without"
            f" {already} duplicates of labelled texts and {repeated} of each other. Ask for fewer."
        )
    numbers = {c: k for k, c in enumerate(classes)}
    known = np.array([numbers[x] for x in labels], np.int64)
    pool = text.Joined(texts, text.Chosen(unlabelled, ids))
    strategy = one_round(by)
    at = _Desk(pool, known, classes, strategy, n, seed)
    place.settle()
    assert strategy.acquire is not None
    picked = strategy.acquire(Pool(pool), len(texts) + n, at)[len(texts) :]
    told = list(_reasons(at, pool, picked, classes))
    asked = (
        Asked(rank, int(ids[i - len(texts)]), pool[int(i)], reason)
        for rank, (i, reason) in enumerate(zip(picked, told, strict=True), 1)
    )
    looked = len(ids) if at.fitted is None else min(len(ids), max(LOOKED_AT, n))
    return Chosen(tuple(asked), by, len(ids), looked, already, repeated)


def distinct(texts: Sequence[str], unlabelled: Sequence[str]) -> tuple[Ints, int, int]:
    """Places of unlabelled texts that repeat nothing, and counts of those that do.

    Returns:
        places: of the first of every group of duplicates without a labelled text.
        labelled: unlabelled texts that are duplicates of labelled ones.
        repeated: unlabelled texts that are duplicates of earlier ones.
    """
    known = {text.fingerprint(t) for t in texts}
    seen: set[bytes] = set()
    found: list[int] = []
    counts: Counter[str] = Counter()
    for number, line in enumerate(unlabelled):
        own = text.fingerprint(line)
        if own in known:
            counts["labelled"] += 1
        elif own in seen:
            counts["repeated"] += 1
        else:
            seen.add(own)
            found.append(number)
    return np.array(found, np.int64), counts["labelled"], counts["repeated"]


def one_round(by: str) -> Strategy:
    """The strategy, asking once where it can ask in rounds.

    Raises:
        UserError: for a name that is no acquiring strategy.
    """
    if by not in acquirers():
        raise UserError(
            f"--by {by}: no strategy that chooses what to label: {nearest(by, acquirers())}"
        )
    rounds = {"rounds": 1} if "rounds" in signature(registry()[by]).parameters else {}
    return make(by, rounds)


def _check(texts: Sequence[str], classes: Sequence[str], n: int) -> None:
    if n < 1:
        raise UserError(f"--n {n}: wanted at least 1 text to label")
    if len(classes) < 2:
        raise UserError(
            f"the labelled texts have {len(classes)} class{'es' * (len(classes) != 1)}"
            f" ({', '.join(classes)}); two at least tell what a model is unsure about"
        )
    if len(texts) < SMALLEST:
        raise UserError(f"{len(texts)} labelled texts; wanted at least {SMALLEST}")


class _Desk(desk.CellDesk):
    """The desk of a strategy whose pool is the labelled texts, then the unlabelled ones."""

    def __init__(
        self,
        pool: Sequence[str],
        labels: Ints,
        classes: tuple[str, ...],
        strategy: Strategy,
        n: int,
        seed: int,
    ) -> None:
        count, everything = len(labels), np.arange(len(pool))
        unknown = np.full(len(pool) - count, -1)
        none: Sequence[str] = ()
        corpus = Corpus(
            "next", "next", classes, pool, np.concatenate([labels, unknown]), everything,
            none, everything[:0], "",
        )  # fmt: skip
        data = desk.Data(corpus, Draws(()), Path())
        if "vectors" in strategy.facts:
            data._cache["vectors"] = thesaurus.vectors(pool, VECTOR_DIMENSIONS, seed)
        sample = Sample(
            everything[: count + n], everything[:0], everything[count + n :], everything,
            np.zeros(len(pool), np.int8),
        )  # fmt: skip
        key = (seed, "next", strategy.name)
        super().__init__(
            data, sample, _settings(count), Account(), key, strategy, everything[:count]
        )
        self.known = labels
        self.fitted: Fitted | None = None

    def ask(self, ids: Ints) -> Ints:
        """Labels that are there; a strategy that wants others cannot choose at once."""
        if (ids >= len(self.known)).any():
            raise UserError(
                "this strategy asks for labels while it chooses; `next` needs one that chooses at"
                f" once: {', '.join(acquirers())}"
            )
        return super().ask(ids)

    def fit(self, training_set: TrainingSet, kind: Kind = "network", share: float = 1.0) -> Fitted:
        """As the desk of a cell; the last helper is kept for the reasons."""
        self.fitted = super().fit(training_set, kind, share)
        return self.fitted


def _settings(labels: int) -> Settings:
    """Untuned settings, with the updates of the default study at so many labels."""
    params = config.load_text(config.preset("default"))
    return Settings.of(settings("lstm", {}, grid.updates_at(params, labels)))


def _reasons(at: _Desk, pool: Sequence[str], picked: Ints, classes: Sequence[str]) -> Iterator[str]:
    if at.fitted is not None:
        chances = at.fitted.predict([pool[int(i)] for i in picked])
        yield from (doubt(p, classes) for p in chances)
        return
    count = len(at.known)
    points = text_vectors([*(pool[i] for i in range(count)), *(pool[int(i)] for i in picked)], at)
    likeness = points[count:] @ points[:count].T
    nearest: Ints = likeness.argmax(1)
    for row, best in enumerate(nearest):
        yield distance(float(likeness[row, best]), classes[at.known[best]], pool[int(best)])


def doubt(chances: NDArray[np.float32] | Floats, classes: Sequence[str]) -> str:
    """What a model thinks of a text, in words."""
    first, second = (int(k) for k in np.argsort(-chances, kind="stable")[:2])
    a, b = (f"{classes[k]} ({chances[k]:.2f})" for k in (first, second))
    if chances[first] - chances[second] < CLOSE:
        return f"the model is unsure between {a} and {b}"
    return f"the model says {a}, then {b}"


def distance(likeness: float, label: str, line: str) -> str:
    """How a text lies to the labelled texts, in words."""
    shown = " ".join(line.split())
    shown = shown if len(shown) <= 60 else f"{shown[:59]}…"
    near = f"the nearest labelled text ({label}; likeness {likeness:.2f}): {shown}"
    return f"unlike anything labelled; {near}" if likeness < FAR else f"stands for others; {near}"
