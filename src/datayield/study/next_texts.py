"""Chooses the texts to label next from a user's own texts, with the strategies that query.

A strategy chooses all texts in one round, because their labels do not exist yet.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datayield import config
from datayield.cells.context import CellContext
from datayield.cells.corpus_tables import CorpusTables
from datayield.cells.draws import FOLDS, Draws
from datayield.core.errors import UserError, nearest
from datayield.core.spreadsheet import guarded, restored
from datayield.core.types import Corpus, Cost, Floats, Ints, Pool, Sample, Settings, TrainingSet
from datayield.models import device
from datayield.models.outside_tables import make_tables, rows_of
from datayield.models.settings import DEFAULT_MODELS, OUTSIDE_TABLES, settings
from datayield.strategies.base import Fitted, Kind, Strategy
from datayield.strategies.coverage import WORDS, text_vectors
from datayield.strategies.registry import make_strategy, registered
from datayield.strategies.uncertainty import LOOKED_AT
from datayield.study import arms
from datayield.study.stages.train_vectors import VECTOR_DIMENSIONS
from datayield.text import sequences, word_vectors
from datayield.text.tokens import fingerprint

SMALLEST = 10  # labelled texts, and unlabelled ones
CLOSE = 0.2  # difference of the two largest probabilities below which the model is unsure
FAR = 0.5  # cosine to the nearest labelled text below which a text counts as unlike all of them


@dataclass(frozen=True, slots=True)
class TextToLabel:
    """One text to label."""

    rank: int  # 1 is the first to label
    place: int  # in the list of unlabelled texts, from 0
    text: str
    reason: str


@dataclass(frozen=True, slots=True)
class ChosenTexts:
    """The texts to label next, and counts of the texts that were considered and left out."""

    asked: tuple[TextToLabel, ...]
    by: str
    considered: int  # unlabelled texts without duplicates
    looked_at: int  # of these, texts that the strategy scored
    labelled_already: int  # unlabelled texts that are duplicates of labelled ones
    repeated: int  # unlabelled texts that are duplicates of earlier unlabelled ones


def query_strategies() -> list[str]:
    """Return the names of the strategies that choose texts to label."""
    return [name for name in registered() if make_strategy(name).query is not None]


def choose(
    texts: Sequence[str],
    labels: Sequence[str],
    unlabelled: Sequence[str],
    n: int,
    by: str,
    seed: int,
    embedding: str = "",
    model: str = "",
) -> ChosenTexts:
    """Choose the n unlabelled texts that a strategy would label next, best first, with reasons.

    Args:
        texts: the labelled texts.
        labels: their classes, (texts,).
        unlabelled: the texts to choose from; duplicates are left out.
        n: number of texts to choose.
        by: name of a strategy that queries.
        seed: seed of everything random.
        embedding: vectors of the texts that the strategy compares; "": its default.
        model: model from outside that embeds the texts, with such an embedding; "": its default.

    Raises:
        UserError: for too few texts or classes, a strategy that does not query, a too large n, or a model
            from outside that cannot be opened.
    """
    classes = tuple(sorted(set(labels)))
    _check(texts, classes, n)
    ids, already, repeated = distinct(texts, unlabelled)
    if n > len(ids):
        raise UserError(
            f"--n {n}: {len(ids)} unlabelled texts are left without {already} duplicates of labelled texts"
            f" and {repeated} of each other. Choose a smaller --n."
        )
    numbers = {c: k for k, c in enumerate(classes)}
    known = np.array([numbers[x] for x in labels], np.int64)
    pool = sequences.JoinedTexts(texts, sequences.SelectedTexts(unlabelled, ids))
    strategy = one_round(by, embedding)
    context = NextTextsContext(pool, known, classes, strategy, n, seed, model)
    device.configure()
    assert strategy.query is not None
    picked = strategy.query(Pool(pool), len(texts) + n, context)[len(texts) :]
    reasons = list(_reasons(context, pool, picked, classes))
    chosen = (
        TextToLabel(rank, int(ids[i - len(texts)]), pool[int(i)], reason)
        for rank, (i, reason) in enumerate(zip(picked, reasons, strict=True), 1)
    )
    looked = len(ids) if context.fitted is None else min(len(ids), max(LOOKED_AT, n))
    return ChosenTexts(tuple(chosen), by, len(ids), looked, already, repeated)


def distinct(texts: Sequence[str], unlabelled: Sequence[str]) -> tuple[Ints, int, int]:
    """Find the unlabelled texts that repeat no other text, and count the duplicates.

    An apostrophe that hides a formula does not count: reading takes it off csv files of tools that never put it
    before a text.

    Returns:
        places: of the first text in every group of duplicates that has no labelled text.
        labelled: unlabelled texts that are duplicates of labelled ones.
        repeated: unlabelled texts that are duplicates of earlier ones.
    """
    known = {fingerprint(restored(t)) for t in texts}
    seen: set[bytes] = set()
    places: list[int] = []
    counts: Counter[str] = Counter()
    for number, line in enumerate(unlabelled):
        key = fingerprint(restored(line))
        if key in known:
            counts["labelled"] += 1
        elif key in seen:
            counts["repeated"] += 1
        else:
            seen.add(key)
            places.append(number)
    return np.array(places, np.int64), counts["labelled"], counts["repeated"]


def one_round(by: str, embedding: str = "") -> Strategy:
    """Make the strategy, with one round where it can query in rounds, and with an embedding if one is named.

    Raises:
        UserError: if no strategy of this name queries, or it compares no vectors of texts.
    """
    if by not in query_strategies():
        raise UserError(
            f"--by {by}: expected a strategy that chooses texts to label: {nearest(by, query_strategies())}"
        )
    arguments = signature(registered()[by]).parameters
    if embedding and "embedding" not in arguments:
        raise UserError(
            f"--embedding {embedding}: {by} compares no vectors of texts; choose --by facility_location or"
            " k_center"
        )
    rounds = {"rounds": 1} if "rounds" in arguments else {}
    return make_strategy(by, rounds | ({"embedding": embedding} if embedding else {}))


def _check(texts: Sequence[str], classes: Sequence[str], n: int) -> None:
    if n < 1:
        raise UserError(f"--n {n}: expected at least 1 text to label")
    if len(classes) < 2:
        raise UserError(
            f"the labelled texts have {len(classes)} class{'es' * (len(classes) != 1)}"
            f" ({', '.join(classes)}); expected at least 2. Check --label."
        )
    if len(texts) < SMALLEST:
        raise UserError(
            f"found {len(texts)} labelled texts; expected at least {SMALLEST}. Label some more first."
        )


class NextTextsContext(CellContext):
    """The context of a strategy whose pool is the labelled texts, then the unlabelled ones."""

    def __init__(
        self,
        pool: Sequence[str],
        labels: Ints,
        classes: tuple[str, ...],
        strategy: Strategy,
        n: int,
        seed: int,
        model: str = "",
    ) -> None:
        count, everything = len(labels), np.arange(len(pool))
        unknown = np.full(len(pool) - count, -1)
        none: Sequence[str] = ()
        corpus = Corpus(
            "next", "next", classes, pool, np.concatenate([labels, unknown]), everything,
            everything, none, everything[:0], "",
        )  # fmt: skip
        tables = CorpusTables(corpus, Draws(()), Path())
        if "vectors" in strategy.precomputed:
            tables.opened["vectors"] = word_vectors.vectors(pool, VECTOR_DIMENSIONS, seed)
        outside = [t for t in strategy.precomputed if t in OUTSIDE_TABLES]
        named = {kind: model or default for kind, default in DEFAULT_MODELS.items()}
        for table, embedded in make_tables(outside, named, corpus)[0].items():
            rows = {text: row for row, text in enumerate(rows_of(corpus, table))}
            tables.opened[table] = embedded, rows
        sample = Sample(
            everything[: count + n], everything[:0], everything[count + n :],
            (everything % FOLDS).astype(np.int8),
        )  # fmt: skip
        key = (seed, "next", strategy.name)
        super().__init__(
            tables, sample, _settings(count), Cost(), key, strategy, everything[:count]
        )
        self.embedding = next(iter(strategy.precomputed), WORDS)
        self.known = labels  # of the first texts of the pool
        self.fitted: Fitted | None = None

    def reveal_labels(self, ids: Ints) -> Ints:
        """Return known labels.

        Raises:
            UserError: a strategy asks for other labels, so it cannot choose in one round.
        """
        if (ids >= len(self.known)).any():
            raise UserError(
                "this strategy asks for labels while it chooses; `datayield next` needs one that chooses"
                f" all texts at once: {', '.join(query_strategies())}"
            )
        return super().reveal_labels(ids)

    def fit(self, training_set: TrainingSet, kind: Kind = "network", share: float = 1.0) -> Fitted:
        """Train a helper and keep it, for the reasons."""
        self.fitted = super().fit(training_set, kind, share)
        return self.fitted


def _settings(labels: int) -> Settings:
    """Return untuned settings, with the updates of the default study at this number of labels."""
    params = config.load_text(config.preset("default"))
    return Settings.from_dict(settings("lstm", {}, arms.updates_at(params, labels)))


def _reasons(
    context: NextTextsContext, pool: Sequence[str], picked: Ints, classes: Sequence[str]
) -> Iterator[str]:
    """Yield a reason for each picked text: the doubt of the last helper, or the nearest labelled text."""
    if context.fitted is not None:
        probabilities = context.fitted.predict([pool[int(i)] for i in picked])
        yield from (doubt(p, classes) for p in probabilities)
        return
    count = len(context.known)
    texts = [*(pool[i] for i in range(count)), *(pool[int(i)] for i in picked)]
    points = text_vectors(texts, context, context.embedding)
    likeness = points[count:] @ points[:count].T  # (picked, labelled) cosines
    closest: Ints = likeness.argmax(1)
    for row, best in enumerate(closest):
        label = classes[context.known[best]]
        yield distance(float(likeness[row, best]), label, pool[int(best)])


def doubt(probabilities: NDArray[np.float32] | Floats, classes: Sequence[str]) -> str:
    """Say in words which two classes a model finds likeliest, and whether it is unsure."""
    first, second = (int(k) for k in np.argsort(-probabilities, kind="stable")[:2])
    a, b = (f"{classes[k]} ({probabilities[k]:.2f})" for k in (first, second))
    if probabilities[first] - probabilities[second] < CLOSE:
        return f"the model is unsure between {a} and {b}"
    return f"the model says {a}, then {b}"


def distance(likeness: float, label: str, line: str) -> str:
    """Say in words how similar a text is to the nearest labelled text."""
    excerpt = " ".join(line.split())
    excerpt = excerpt if len(excerpt) <= 60 else f"{excerpt[:59]}…"
    near = f"the nearest labelled text ({label}; likeness {likeness:.2f}): {excerpt}"
    return f"unlike anything labelled; {near}" if likeness < FAR else f"stands for others; {near}"


COLUMNS = ("rank", "row", "text", "label", "reason")


def as_csv(texts: Sequence[TextToLabel]) -> str:
    """Return CSV with an empty label column; texts are guarded against formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for a in texts:
        writer.writerow([a.rank, a.place + 1, guarded(a.text), "", guarded(a.reason)])
    return out.getvalue()


def as_jsonl(texts: Sequence[TextToLabel]) -> str:
    """Return JSON lines with the columns of the CSV file and unchanged texts."""
    return "".join(json.dumps(_data(a), ensure_ascii=False) + "\n" for a in texts)


def as_label_studio(texts: Sequence[TextToLabel]) -> str:
    """Return Label Studio tasks; a labelling configuration can show "$text" and "$reason"."""
    tasks = [{"data": {k: v for k, v in _data(a).items() if k != "label"}} for a in texts]
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


def _data(a: TextToLabel) -> dict[str, Any]:
    return {"rank": a.rank, "row": a.place + 1, "text": a.text, "label": None, "reason": a.reason}


WRITERS: dict[str, Callable[[Sequence[TextToLabel]], str]] = {
    ".csv": as_csv,
    ".jsonl": as_jsonl,
    ".json": as_label_studio,
}
