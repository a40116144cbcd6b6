"""Make more texts: rewritten variants, soft labels for unlabelled texts, and the control `repeat`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from datayield import text
from datayield.errors import UserError
from datayield.strategies.base import (
    Desk,
    Knob,
    Prepare,
    Rewrite,
    Strategy,
    Synonyms,
    check_number,
    check_one_of,
    check_share,
)
from datayield.thesaurus import STOP_WORDS
from datayield.types import Ints, TrainingSet

MOST_VARIANTS = 16
MARKS = (".", ",", "!", "?", ";", ":")

Operation: TypeAlias = Callable[[list[str], Synonyms, float, np.random.Generator], list[str]]


def copies_at(labels: int) -> int:
    """Variants per text by number of training labels (EDA paper, Table 3: 16, 8, 4)."""
    return 16 if labels <= 500 else 8 if labels <= 2000 else 4


def _with_variants(n_aug: int | None) -> Prepare:
    """Each text followed by its first variants, as many as `n_aug` or the paper's table says."""
    check_number("n_aug", n_aug, 1, 1000)

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        count = copies_at(len(training_set)) if n_aug is None else n_aug
        variants = desk.facts.variants(training_set.parents)
        return _beside(training_set, [others[:count] for others in variants])

    return prepare


def _beside(training_set: TrainingSet, variants: Sequence[tuple[str, ...]]) -> TrainingSet:
    """Each text followed by its variants, of which there are equally many."""
    rows = np.repeat(np.arange(len(training_set)), len(variants[0]) + 1)
    pairs = zip(training_set.texts, variants, strict=True)
    texts = tuple(line for own, others in pairs for line in (own, *others))
    return replace(training_set.take(rows), texts=texts)


def _easy(
    name: str, summary: str, thesaurus: str, alpha: float | Sequence[float], n_aug: int | None
) -> Strategy:
    alphas = [alpha] * len(OPERATIONS) if isinstance(alpha, (int, float)) else list(alpha)
    for own in alphas:
        check_share("alpha", own)
    if len(alphas) != len(OPERATIONS):
        raise UserError(f"alpha: wanted a number or {len(OPERATIONS)} numbers, got {alpha!r}")
    return Strategy(
        name,
        summary,
        facts=("variants",),
        space=(Knob("n_aug", 1, MOST_VARIANTS, integer=True),),
        prepare=_with_variants(n_aug),
        rewrite=Rewrite(
            variants=n_aug or MOST_VARIANTS,
            write=lambda words, synonyms, k, rng: OPERATIONS[k % 4](
                words, synonyms, alphas[k % 4], rng
            ),
            thesaurus=thesaurus,
        ),
        control="repeat",
        source="Wei & Zou 2019, arXiv 1901.11196 (operations, Table 3)",
    )


def eda(alpha: float | Sequence[float] = 0.05, n_aug: int | None = None) -> Strategy:
    """Easy data augmentation with WordNet's synonyms.

    Variant k of a text applies operation k mod 4: synonym replacement, random insertion, random
    swap, random deletion. The original is kept.

    Args:
        alpha: share of a text's words that an operation touches, in (0, 1]; or one for each
            operation, in the order above.
        n_aug: variants per text; None: the paper's 16, 8 or 4 by number of labels.
    """
    return _easy(
        "eda",
        "synonym, insertion, swap and deletion variants; synonyms are WordNet's",
        "wordnet",
        alpha,
        n_aug,
    )


def eda_nn(alpha: float | Sequence[float] = 0.05, n_aug: int | None = None) -> Strategy:
    """As `eda`, with the corpus's own word neighbours as thesaurus.

    Not called EDA, because the thesaurus is not WordNet and is made from unlabelled text.
    """
    return _easy(
        "eda_nn",
        "synonym, insertion, swap and deletion variants; synonyms are the corpus's own word neighbours",
        "neighbours",
        alpha,
        n_aug,
    )


def _alone(
    name: str,
    summary: str,
    operation: Operation,
    thesaurus: str | None,
    alpha: float,
    n_aug: int | None,
) -> Strategy:
    check_share("alpha", alpha)
    return Strategy(
        name,
        summary,
        facts=("variants",),
        space=(Knob("alpha", 0.05, 0.3), Knob("n_aug", 1, MOST_VARIANTS, integer=True)),
        prepare=_with_variants(n_aug),
        rewrite=Rewrite(
            variants=n_aug or MOST_VARIANTS,
            write=lambda words, synonyms, k, rng: operation(words, synonyms, alpha, rng),
            thesaurus=thesaurus,
        ),
        control="repeat",
        source="Wei & Zou 2019, arXiv 1901.11196 (one operation alone)",
    )


def synonym(alpha: float = 0.1, n_aug: int | None = None) -> Strategy:
    """`eda_nn`'s synonym replacement alone; arguments as there."""
    told = "variants with some words replaced by neighbours"
    return _alone("synonym", told, replace_synonyms, "neighbours", alpha, n_aug)


def insert(alpha: float = 0.1, n_aug: int | None = None) -> Strategy:
    """`eda_nn`'s insertion alone; arguments as there."""
    told = "variants with neighbours of some words inserted"
    return _alone("insert", told, insert_synonyms, "neighbours", alpha, n_aug)


def swap(alpha: float = 0.1, n_aug: int | None = None) -> Strategy:
    """`eda_nn`'s swap alone; arguments as there."""
    return _alone("swap", "variants with some words swapped", swap_words, None, alpha, n_aug)


def delete(alpha: float = 0.1, n_aug: int | None = None) -> Strategy:
    """`eda_nn`'s deletion alone; arguments as there."""
    return _alone("delete", "variants with some words deleted", delete_words, None, alpha, n_aug)


def aeda(n_aug: int | None = None) -> Strategy:
    """Punctuation marks (. , ! ? ; :) inserted at random places, 1 to a third of the words.

    Args:
        n_aug: variants per text; None: EDA's 16, 8 or 4 by number of labels.
    """
    return Strategy(
        "aeda",
        "variants with punctuation marks inserted at random places",
        facts=("variants",),
        space=(Knob("n_aug", 1, MOST_VARIANTS, integer=True),),
        prepare=_with_variants(n_aug),
        rewrite=Rewrite(variants=n_aug or MOST_VARIANTS, write=insert_marks),
        control="repeat",
        source="Karimi et al. 2021, arXiv 2108.13230",
    )


def insert_marks(
    words: list[str], thesaurus: Synonyms, k: int, rng: np.random.Generator
) -> list[str]:
    """1 ... floor(0.3 L) + 1 marks at distinct places before words, as in the source."""
    count = int(rng.integers(1, int(0.3 * len(words)) + 2))
    places = set(rng.choice(len(words), min(count, len(words)), replace=False).tolist())
    return [
        token
        for i, word in enumerate(words)
        for token in ((MARKS[rng.integers(len(MARKS))], word) if i in places else (word,))
    ]


def distil(texts: int = 4000) -> Strategy:
    """A linear teacher, fitted on the same labels, gives soft labels to unlabelled pool texts.

    The network learns from both; the teacher's rows weigh as much in all as the labelled ones.

    Args:
        texts: how many unlabelled texts at most, drawn at random.
    """

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        unlabelled, ids = desk.unlabelled, desk.unlabelled_ids
        chosen = np.sort(desk.rng.permutation(len(ids))[:texts])
        lines = tuple(unlabelled[i] for i in chosen)
        soft = desk.fit(training_set, "linear").predict(lines)
        weight = len(training_set) / len(lines)
        return TrainingSet(
            (*training_set.texts, *lines),
            np.concatenate([training_set.targets, soft / soft.sum(1, keepdims=True)]),
            np.concatenate([training_set.weights, np.full(len(lines), weight, np.float32)]),
            np.concatenate([training_set.parents, ids[chosen]]),
        )

    return Strategy(
        "distil",
        "a TF-IDF model's soft labels for unlabelled texts, learnt beside the labels",
        prepare=prepare,
        unlabelled=True,
        source="Hinton et al. 2015, arXiv 1503.02531",
    )


def self_training(rounds: int = 2, threshold: float = 0.9, kind: str = "network") -> Strategy:
    """Texts without labels get the label of a confident teacher; a fresh student learns from all.

    Round r's teacher learns from the labels and the pseudo-labels of round r - 1. Of every class
    the same number of texts is taken, the most confident first, all with p >= threshold. The round
    whose teacher does best on the validation part (paid for) gives the final training set; the
    student is trained from scratch, with dropout as its noise.

    Args:
        rounds: at most, 1 to 5.
        threshold: smallest probability of a pseudo-label, in (0, 1].
        kind: of the teachers, "network" or "linear".
    """
    check_number("rounds", rounds, 1, 5)
    check_share("threshold", threshold)
    check_one_of("kind", kind, ("network", "linear"))

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        texts, ids = desk.unlabelled, desk.unlabelled_ids
        judged = []
        current = training_set
        for _ in range(rounds + 1):
            teacher = desk.fit(current, "linear" if kind == "linear" else "network")
            judged.append((desk.validation_accuracy(teacher), current))
            p = teacher.predict(texts)
            current = _with_pseudo_labels(training_set, texts, ids, confident(p, threshold), p)
        best = max(range(len(judged)), key=lambda r: judged[r][0])  # the first among equals
        return judged[best][1]

    return Strategy(
        "self_training",
        "confident predictions for unlabelled texts are learnt as labels, in rounds",
        prepare=prepare,
        unlabelled=True,
        space=(Knob("threshold", 0.6, 0.99),),
        source="Scudder 1965; Xie et al. 2020, arXiv 1911.04252 (noised student, balanced classes)",
    )


def lm_substitute(share: float = 0.15, n_aug: int | None = None, passes: int = 8) -> Strategy:
    """Variants whose words are drawn anew by the corpus's own language model.

    Each word of a text is chosen with probability `share`, at least one; p(word | left, right)
    comes from the forward and the backward model. The label stays.

    Args:
        share: of a text's words, in (0, 1].
        n_aug: variants per text; None: EDA's 16, 8 or 4 by number of labels.
        passes: of the language model over the pool's texts; see `lm`.
    """
    check_share("share", share)
    check_number("n_aug", n_aug, 1, 1000)
    check_number("passes", passes, 1, 1000)

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        count = copies_at(len(training_set)) if n_aug is None else n_aug
        reader = desk.reader("next", passes)
        lines = [text.tokens(t) for t in training_set.texts for _ in range(count)]
        places = [_some(len(line), share, desk.rng) for line in lines]
        filled = reader.fill(lines, places, desk.rng)
        variants = [
            tuple(" ".join(x) for x in filled[i * count : (i + 1) * count])
            for i in range(len(training_set))
        ]
        return _beside(training_set, variants)

    return Strategy(
        "lm_substitute",
        "variants with some words drawn anew by the corpus's own language model",
        prepare=prepare,
        space=(Knob("share", 0.05, 0.4),),
        control="repeat",
        source="after Kobayashi 2018, arXiv 1805.06201 (without its label condition)",
    )


def _some(count: int, share: float, rng: np.random.Generator) -> list[int]:
    chosen = np.flatnonzero(rng.random(count) < share).tolist()
    return chosen or [int(rng.integers(count))] if count else []


def confident(p: NDArray[np.float32], threshold: float) -> Ints:
    """Rows to take: of every class as many as the rarest has, p >= threshold, surest first.

    Classes that no row is confident of are left out of the balance.
    """
    guess, sure = p.argmax(1), p.max(1)
    groups = [np.flatnonzero((guess == c) & (sure >= threshold)) for c in range(p.shape[1])]
    groups = [g for g in groups if len(g)]
    if not groups:
        return np.empty(0, np.int64)
    count = min(len(g) for g in groups)
    return np.sort(np.concatenate([g[np.argsort(-sure[g], kind="stable")[:count]] for g in groups]))


def _with_pseudo_labels(
    rows: TrainingSet, texts: Sequence[str], ids: Ints, chosen: Ints, p: NDArray[np.float32]
) -> TrainingSet:
    hard = np.eye(p.shape[1], dtype=np.float32)[p[chosen].argmax(1)]
    return TrainingSet(
        (*rows.texts, *(texts[i] for i in chosen)),
        np.concatenate([rows.targets, hard]),
        np.concatenate([rows.weights, np.ones(len(chosen), np.float32)]),
        np.concatenate([rows.parents, ids[chosen]]),
    )


def repeat(times: int | None = None) -> Strategy:
    """Each example as often as augmentation would show it, without any new text (control)."""

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        count = copies_at(len(training_set)) + 1 if times is None else times
        return training_set.take(np.repeat(np.arange(len(training_set)), count))

    return Strategy(
        "repeat",
        "every example as often as augmentation shows it, no new text",
        role="control",
        prepare=prepare,
        expected={"arm": "plain"},
    )


def _touched(words: list[str], alpha: float) -> int:
    return max(1, int(alpha * len(words)))


def replace_synonyms(
    words: list[str], thesaurus: Synonyms, alpha: float, rng: np.random.Generator
) -> list[str]:
    """Replace up to n_op distinct non-stop words by a random synonym, every occurrence of each."""
    candidates = sorted({w for w in words if w not in STOP_WORDS and thesaurus.synonyms(w)})
    swaps = {}
    for i in rng.permutation(len(candidates))[: _touched(words, alpha)]:
        options = thesaurus.synonyms(candidates[i])
        swaps[candidates[i]] = options[rng.integers(len(options))]
    return [part for w in words for part in swaps.get(w, w).split()]


def insert_synonyms(
    words: list[str], thesaurus: Synonyms, alpha: float, rng: np.random.Generator
) -> list[str]:
    """n_op times: a random synonym of a random non-stop word at a random place."""
    out = list(words)
    candidates = [w for w in words if w not in STOP_WORDS and thesaurus.synonyms(w)]
    for _ in range(_touched(words, alpha) if candidates else 0):
        options = thesaurus.synonyms(candidates[rng.integers(len(candidates))])
        place = int(rng.integers(len(out) + 1))
        out[place:place] = options[rng.integers(len(options))].split()
    return out


def swap_words(
    words: list[str], thesaurus: Synonyms, alpha: float, rng: np.random.Generator
) -> list[str]:
    """n_op times: two random places change their words."""
    out = list(words)
    for _ in range(_touched(words, alpha) if len(words) > 1 else 0):
        a, b = rng.choice(len(out), 2, replace=False)
        out[a], out[b] = out[b], out[a]
    return out


def delete_words(
    words: list[str], thesaurus: Synonyms, alpha: float, rng: np.random.Generator
) -> list[str]:
    """Each word goes with probability alpha; at least one stays."""
    kept = [w for w, u in zip(words, rng.random(len(words)), strict=True) if u >= alpha]
    return kept or [words[rng.integers(len(words))]]


OPERATIONS: tuple[Operation, ...] = (
    replace_synonyms,
    insert_synonyms,
    swap_words,
    delete_words,
)
