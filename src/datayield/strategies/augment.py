"""Make more texts: rewritten variants of the labelled ones, and the control `repeat`."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from datayield import seeds, text
from datayield.errors import UserError
from datayield.strategies.base import (
    READ_ONCE,
    Desk,
    Knob,
    Prepare,
    Rewrite,
    Strategy,
    Synonyms,
    check_count,
    check_share,
)
from datayield.strategies.operations import (
    OPERATIONS,
    Operation,
    delete_words,
    insert_marks,
    insert_synonyms,
    replace_synonyms,
    swap_words,
)
from datayield.types import TrainingSet

MOST_VARIANTS = 16
MADE_ONCE = "variants, made once for all cells of a corpus"
# EDA paper, Table 3: up to so many training labels -> alpha, variants per text; then the last.
TABLE_3 = ((500, 0.05, 16), (2000, 0.05, 8), (None, 0.1, 4))


def table_3(labels: int) -> tuple[float, int]:
    """(alpha, variants per text) by number of training labels."""
    return next((a, n) for most, a, n in TABLE_3 if most is None or labels <= most)


def copies_at(labels: int) -> int:
    """Variants per text by number of training labels: 16, 8 or 4."""
    return table_3(labels)[1]


def _with_variants(n_aug: int | None, first: Callable[[int], int] = lambda labels: 0) -> Prepare:
    """Each text followed by as many variants as `n_aug` or the paper's table says.

    Args:
        n_aug: how many.
        first: training labels -> number of the first of them.
    """
    check_count("n_aug", n_aug, 1, 1000)

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        count = copies_at(len(training_set)) if n_aug is None else n_aug
        start = first(
            len(np.unique(training_set.parents))
        )  # rows of other strategies are no labels
        made = desk.facts.variants(training_set.parents)
        chosen = [others[start : start + count] for others in made]
        if len(chosen[0]) < count:
            raise UserError(
                f"n_aug: {count} variants of each text are wanted and {len(made[0])} were made; the augment"
                " stage makes as many as params.yaml's n_aug says"
            )
        return _beside(training_set, chosen)

    return prepare


def _copies(n_aug: int | None) -> Knob:
    """More variants than the augment stage made cannot be tried."""
    return Knob("n_aug", 1, n_aug or MOST_VARIANTS, integer=True)


def _beside(training_set: TrainingSet, variants: Sequence[tuple[str, ...]]) -> TrainingSet:
    """Each text followed by its variants, of which there are equally many."""
    rows = np.repeat(np.arange(len(training_set)), len(variants[0]) + 1)
    pairs = zip(training_set.texts, variants, strict=True)
    texts = tuple(line for own, others in pairs for line in (own, *others))
    return replace(training_set.take(rows), texts=texts)


def _easy(
    name: str,
    summary: str,
    thesaurus: str,
    alpha: float | Sequence[float] | None,
    n_aug: int | None,
) -> Strategy:
    alphas = _alphas(alpha)
    if alpha is None and isinstance(n_aug, int) and n_aug > MOST_VARIANTS:
        raise UserError(
            f"n_aug: wanted at most {MOST_VARIANTS} beside the paper's alpha, got {n_aug}; give alpha too"
        )

    def write(words: list[str], synonyms: Synonyms, k: int, rng: np.random.Generator) -> list[str]:
        strength = min(k // MOST_VARIANTS, len(alphas) - 1)
        operation = k % len(OPERATIONS)
        return OPERATIONS[operation](words, synonyms, alphas[strength][operation], rng)

    def first(labels: int) -> int:
        """The number of the first variant: those of each strength follow each other."""
        strengths = [own[0] for own in alphas]
        return MOST_VARIANTS * strengths.index(table_3(labels)[0]) if alpha is None else 0

    return Strategy(
        name,
        summary,
        facts=("variants",),
        space=(_copies(n_aug),),
        prepare=_with_variants(n_aug, first),
        rewrite=Rewrite(lambda labels: first(labels) + (n_aug or MOST_VARIANTS), write, thesaurus),
        control="repeat",
        compute=MADE_ONCE,
        source="Wei & Zou 2019, arXiv 1901.11196 (operations, Table 3)",
    )


def _alphas(alpha: float | Sequence[float] | None) -> list[list[float]]:
    """One list per strength that variants are made with, weakest first, of an alpha per operation."""
    if alpha is None:
        return [[a] * len(OPERATIONS) for a in sorted({a for _, a, _ in TABLE_3})]
    alphas: list[Any] = (
        list(alpha) if isinstance(alpha, (list, tuple)) else [alpha] * len(OPERATIONS)
    )
    for own in alphas:
        check_share("alpha", own)
    if len(alphas) != len(OPERATIONS):
        raise UserError(f"alpha: wanted a number or {len(OPERATIONS)} numbers, got {alpha!r}")
    return [alphas]


def eda(alpha: float | Sequence[float] | None = None, n_aug: int | None = None) -> Strategy:
    """Easy data augmentation with WordNet's synonyms.

    Variant k of a text applies operation k mod 4: synonym replacement, random insertion, random
    swap, random deletion. The original is kept.

    Args:
        alpha: share of a text's words that an operation touches, in (0, 1]; or one for each
            operation, in the order above; None: the paper's 0.05, or 0.1 above 2,000 training labels.
        n_aug: variants per text; None: the paper's 16, 8 or 4 by number of training labels.
    """
    return _easy(
        "eda",
        "synonym, insertion, swap and deletion variants; synonyms are WordNet's",
        "wordnet",
        alpha,
        n_aug,
    )


def eda_nn(alpha: float | Sequence[float] | None = None, n_aug: int | None = None) -> Strategy:
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
        # alpha is declared: the augment stage has made the variants before anything is searched
        space=(_copies(n_aug),),
        prepare=_with_variants(n_aug),
        rewrite=Rewrite(
            lambda labels: n_aug or MOST_VARIANTS,
            lambda words, synonyms, k, rng: operation(words, synonyms, alpha, rng),
            thesaurus,
        ),
        control="repeat",
        compute=MADE_ONCE,
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
        space=(_copies(n_aug),),
        prepare=_with_variants(n_aug),
        rewrite=Rewrite(lambda labels: n_aug or MOST_VARIANTS, insert_marks),
        control="repeat",
        compute=MADE_ONCE,
        source="Karimi et al. 2021, arXiv 2108.13230",
    )


def lm_substitute(share: float = 0.15, n_aug: int | None = None, passes: int = 8) -> Strategy:
    """Variants whose words are drawn anew by the corpus's own language model.

    Each word of a text is chosen with probability `share`, at least one; p(word | left, right)
    comes from the forward and the backward model. The label stays. Variant k of a text depends on
    the cell's seed, the text and k alone.

    Args:
        share: of a text's words, in (0, 1].
        n_aug: variants per text; None: EDA's 16, 8 or 4 by number of labels.
        passes: of the language model over the pool's texts; see `lm`.
    """
    check_share("share", share)
    check_count("n_aug", n_aug, 1, 1000)
    check_count("passes", passes, 1, 1000)

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        count = copies_at(len(training_set)) if n_aug is None else n_aug
        root = int(desk.rng.integers(2**63))
        pairs = zip(training_set.texts, training_set.parents.tolist(), strict=True)
        asked = [
            (words, _drawn(len(words), share, seeds.rng(root, parent, line, k)))
            for line, parent in pairs
            for words in [text.tokens(line)]
            for k in range(count)
        ]
        filled = desk.reader("next", passes).fill(*zip(*asked, strict=True))
        lines = [" ".join(words) for words in filled]
        starts = range(0, len(lines), count)
        return _beside(training_set, [tuple(lines[i : i + count]) for i in starts])

    return Strategy(
        "lm_substitute",
        "variants with some words drawn anew by the corpus's own language model",
        version=2,
        prepare=prepare,
        needs=("reader",),
        space=(Knob("share", 0.05, 0.4),),
        control="repeat",
        compute=f"{READ_ONCE}; variants in every cell",
        effort=1.4,
        source="after Kobayashi 2018, arXiv 1805.06201 (without its label condition)",
    )


def _drawn(count: int, share: float, rng: np.random.Generator) -> dict[int, float]:
    """Each of so many places with probability `share`, at least one, and a number for each."""
    chosen = np.flatnonzero(rng.random(count) < share)
    if count and not len(chosen):
        chosen = rng.integers(count, size=1)
    return dict(zip(chosen.tolist(), rng.random(len(chosen)).tolist(), strict=True))


def repeat(times: int | None = None) -> Strategy:
    """Each example as often as augmentation would show it, without any new text (control).

    Args:
        times: that each is there; None: one more than EDA's 16, 8 or 4 by number of labels.
    """
    check_count("times", times, 1, 1001)

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
