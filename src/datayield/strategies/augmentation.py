"""Adds rewritten variants of the labelled texts; the control `repeat` adds copies instead."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from datayield.core import seeds
from datayield.core.errors import UserError
from datayield.core.types import TrainingSet
from datayield.strategies.augmentation_ops import (
    OPERATIONS,
    Operation,
    alphas_of,
    delete_words,
    insert_marks,
    insert_synonyms,
    replace_synonyms,
    swap_words,
    table_3,
)
from datayield.strategies.base import (
    READ_ONCE,
    Rewrite,
    Strategy,
    StrategyContext,
    Synonyms,
    Transform,
    TunableArgument,
    check_count,
    check_share,
)
from datayield.text import tokens

MOST_VARIANTS = 16
MADE_ONCE = "variants, made once for all cells of a corpus"


def copies_at(labels: int) -> int:
    """Return the number of variants per text for a number of training labels: 16, 8 or 4."""
    return table_3(labels)[1]


def _with_variants(
    n_aug: int | None, first: Callable[[int], int] = lambda labels: 0, operations: int = 1
) -> Transform:
    """Return a transform that puts variants after each text.

    Args:
        n_aug: variants per text; None: as in the paper's table.
        first: number of training labels -> number of the first variant that is taken.
        operations: number of operations that the variants apply in turn.
    """
    check_count("n_aug", n_aug, 1, 1000)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        count = copies_at(len(training_set)) if n_aug is None else n_aug
        # Rows that another strategy added are not labels, so that parents are counted.
        start = first(len(np.unique(training_set.parents)))
        variants = context.precomputed.variants(training_set.parents)
        if len(variants[0]) < start + _whole_turns(count, operations):
            raise UserError(
                f"n_aug: wanted {count} variants of each text, and the augment stage made"
                f" {len(variants[0])}. Set n_aug in params.yaml and run `dvc repro`."
            )
        numbers = [variant_numbers(i, count, operations) for i in training_set.parents.tolist()]
        pairs = zip(variants, numbers, strict=True)
        return _interleave(training_set, [tuple(v[start + k] for k in ks) for v, ks in pairs])

    return transform


def variant_numbers(text_id: int, count: int, operations: int) -> list[int]:
    """Return the numbers of the variants that a text gets, variant k applying operation k mod `operations`.

    These are the first ones in whole turns of all operations. Where the last turn is not whole, the
    operation that it begins with depends on the text, so that over many texts every operation is
    applied equally often; with a larger `count` a text keeps the variants that it had.
    """
    whole, left = divmod(count, operations)
    begin = seeds.integer("first operation of a turn", text_id) % operations if left else 0
    rotated = [whole * operations + (begin + j) % operations for j in range(left)]
    return [*range(whole * operations), *rotated]


def _whole_turns(count: int, operations: int) -> int:  # from so many `variant_numbers` chooses
    return -(-count // operations) * operations


def _copies(n_aug: int | None) -> TunableArgument:
    """Return the range of `n_aug`: at most as many variants as the augment stage makes."""
    return TunableArgument("n_aug", 1, n_aug or MOST_VARIANTS, integer=True)


def _interleave(training_set: TrainingSet, variants: Sequence[tuple[str, ...]]) -> TrainingSet:
    """Put its variants after each text; all texts have equally many.

    A text without tokens has empty variants; it is repeated in their place.
    """
    rows = np.repeat(np.arange(len(training_set)), len(variants[0]) + 1)
    pairs = zip(training_set.texts, variants, strict=True)
    texts = tuple(
        line
        for original, of_text in pairs
        for line in (original, *(v or original for v in of_text))
    )
    return replace(training_set.take(rows), texts=texts)


def _easy(
    name: str,
    summary: str,
    title: str,
    thesaurus: str,
    alpha: float | Sequence[float] | None,
    n_aug: int | None,
) -> Strategy:
    alphas = alphas_of(alpha)
    if alpha is None and isinstance(n_aug, int) and n_aug > MOST_VARIANTS:
        raise UserError(
            f"n_aug: wanted at most {MOST_VARIANTS} with the paper's alpha, got {n_aug}. Set alpha too."
        )

    def write(words: list[str], synonyms: Synonyms, k: int, rng: np.random.Generator) -> list[str]:
        strength = min(k // MOST_VARIANTS, len(alphas) - 1)
        operation = k % len(OPERATIONS)
        return OPERATIONS[operation](words, synonyms, alphas[strength][operation], rng)

    def first(labels: int) -> int:
        """Return the number of the first variant; the variants of one strength follow each other."""
        strengths = [of_operations[0] for of_operations in alphas]
        return MOST_VARIANTS * strengths.index(table_3(labels)[0]) if alpha is None else 0

    def most(labels: int) -> int:
        return first(labels) + _whole_turns(n_aug or MOST_VARIANTS, len(OPERATIONS))

    return Strategy(
        name,
        summary,
        title,
        version=2,
        precomputed=("variants",),
        space=(_copies(n_aug),),
        transform=_with_variants(n_aug, first, len(OPERATIONS)),
        rewrite=Rewrite(most, write, thesaurus),
        control="repeat",
        compute=MADE_ONCE,
        source="Wei & Zou 2019, arXiv 1901.11196 (operations, Table 3)",
    )


def eda(alpha: float | Sequence[float] | None = None, n_aug: int | None = None) -> Strategy:
    """Add variants by easy data augmentation (EDA) with WordNet's synonyms.

    The variants of a text apply the four operations in turn: synonym replacement, random insertion,
    random swap, random deletion. Where n_aug is not a multiple of 4, the operations left over
    differ from text to text, so that all are applied equally often. The original is kept.

    Args:
        alpha: share of a text's words that an operation changes, in (0, 1]; or four shares, one for
            each operation in this order; None: the paper's 0.05, or 0.1 above 2,000 training labels.
        n_aug: variants per text; None: the paper's 16, 8 or 4 by number of training labels.
    """
    return _easy(
        "eda",
        "adds variants with replaced, inserted, swapped or deleted words; synonyms from WordNet",
        "rewritten texts (EDA)",
        "wordnet", alpha, n_aug,
    )  # fmt: skip


def eda_nn(alpha: float | Sequence[float] | None = None, n_aug: int | None = None) -> Strategy:
    """Add variants as `eda` does, with words of similar vectors instead of WordNet's synonyms.

    The word vectors are made from the corpus's own texts, without labels. That differs from the
    paper, hence the other name.
    """
    return _easy(
        "eda_nn",
        "adds variants with replaced, inserted, swapped or deleted words; synonyms from the corpus's word vectors",
        "rewritten texts (EDA, own word vectors)",
        "neighbours", alpha, n_aug,
    )  # fmt: skip


def _one_operation(
    name: str,
    summary: str,
    title: str,
    operation: Operation,
    thesaurus: str | None,
    alpha: float,
    n_aug: int | None,
) -> Strategy:
    check_share("alpha", alpha)
    return Strategy(
        name,
        summary,
        title,
        precomputed=("variants",),
        # alpha is not tunable: the augment stage makes the variants before any search runs.
        space=(_copies(n_aug),),
        transform=_with_variants(n_aug),
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
    """Apply only the synonym replacement of `eda_nn`; the arguments are those of `eda`."""
    return _one_operation(
        "synonym", "adds variants with some words replaced by words of similar vectors", "replaced words",
        replace_synonyms, "neighbours", alpha, n_aug,
    )  # fmt: skip


def insert(alpha: float = 0.1, n_aug: int | None = None) -> Strategy:
    """Apply only the insertion of `eda_nn`; the arguments are those of `eda`."""
    return _one_operation(
        "insert", "adds variants with inserted words of similar vectors", "inserted words",
        insert_synonyms, "neighbours", alpha, n_aug,
    )  # fmt: skip


def swap(alpha: float = 0.1, n_aug: int | None = None) -> Strategy:
    """Apply only the swap of `eda_nn`; the arguments are those of `eda`."""
    return _one_operation(
        "swap", "adds variants with some words swapped", "swapped words",
        swap_words, None, alpha, n_aug,
    )  # fmt: skip


def delete(alpha: float = 0.1, n_aug: int | None = None) -> Strategy:
    """Apply only the deletion of `eda_nn`; the arguments are those of `eda`."""
    return _one_operation(
        "delete", "adds variants with some words deleted", "deleted words",
        delete_words, None, alpha, n_aug,
    )  # fmt: skip


def aeda(n_aug: int | None = None) -> Strategy:
    """Add variants with punctuation marks (. , ! ? ; :) at random places.

    There are between one mark and one for every third word.

    Args:
        n_aug: variants per text; None: EDA's 16, 8 or 4 by number of labels.
    """
    return Strategy(
        "aeda",
        "adds variants with punctuation marks at random places",
        "added punctuation (AEDA)",
        precomputed=("variants",),
        space=(_copies(n_aug),),
        transform=_with_variants(n_aug),
        rewrite=Rewrite(lambda labels: n_aug or MOST_VARIANTS, insert_marks),
        control="repeat",
        compute=MADE_ONCE,
        source="Karimi et al. 2021, arXiv 2108.13230",
    )


def lm_substitute(share: float = 0.15, n_aug: int | None = None, passes: int = 8) -> Strategy:
    """Add variants in which a language model of the corpus's texts replaces some words.

    Each word of a text is chosen with probability `share`, and at least one. The new word is drawn
    from p(word | left, right) of a forward and a backward model. The label stays. Variant k of a
    text depends only on the cell's seed, the text and k.

    Args:
        share: share of a text's words that are replaced, in (0, 1].
        n_aug: variants per text; None: EDA's 16, 8 or 4 by number of labels.
        passes: passes of the language model over the pool's texts; see `lm`.
    """
    check_share("share", share)
    check_count("n_aug", n_aug, 1, 1000)
    check_count("passes", passes, 1, 1000)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        count = copies_at(len(training_set)) if n_aug is None else n_aug
        root = int(context.rng.integers(2**63))
        pairs = zip(training_set.texts, training_set.parents.tolist(), strict=True)
        requests = [
            (words, _drawn(len(words), share, seeds.rng(root, parent, line, k)))
            for line, parent in pairs
            for words in [tokens.tokens(line)]
            for k in range(count)
        ]
        filled = context.language_model("next", passes).infill(*zip(*requests, strict=True))
        lines = [" ".join(words) for words in filled]
        starts = range(0, len(lines), count)
        return _interleave(training_set, [tuple(lines[i : i + count]) for i in starts])

    return Strategy(
        "lm_substitute",
        "adds variants with some words drawn from a language model of the pool",
        "words from a language model",
        version=2,
        transform=transform,
        writes=True,
        needs=("language_model",),
        space=(TunableArgument("share", 0.05, 0.4),),
        control="repeat",
        compute=f"{READ_ONCE}; variants in every cell",
        effort=1.4,
        source="after Kobayashi 2018, arXiv 1805.06201 (without its label condition)",
    )


def _drawn(count: int, share: float, rng: np.random.Generator) -> dict[int, float]:
    """Choose each of `count` places with probability `share`, at least one; draw a number for each."""
    chosen = np.flatnonzero(rng.random(count) < share)
    if count and not len(chosen):
        chosen = rng.integers(count, size=1)
    return dict(zip(chosen.tolist(), rng.random(len(chosen)).tolist(), strict=True))


def repeat(times: int | None = None) -> Strategy:
    """Repeat each example as often as augmentation shows it, without any new text (control).

    Args:
        times: copies of each example; None: one more than EDA's 16, 8 or 4 by number of labels.
    """
    check_count("times", times, 1, 1001)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        count = copies_at(len(training_set)) + 1 if times is None else times
        return training_set.take(np.repeat(np.arange(len(training_set)), count))

    return Strategy(
        "repeat",
        "repeats each example as often as augmentation shows it, without new texts",
        "repeated texts",
        role="control",
        transform=transform,
        expected={"arm": "plain"},
    )
