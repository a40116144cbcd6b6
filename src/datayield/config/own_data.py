"""Builds params.yaml for a study of one's own texts: budgets, arms and settings."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from datayield.config.load import preset
from datayield.core.errors import UserError

LARGEST = 2000  # labels of the largest budget, where the user names none
FEWEST_LABELS = 10  # of any budget, as in params.yaml
MOST_DRAWS = 1000  # as in params.yaml
STEP = 3  # ratio of a budget to the one before
BUDGETS = 3  # at most
DRAWS = 6
CHECK_DRAWS = 3  # of checks and of the language model
FEWEST, PER_CLASS = 30, 5  # labels of the smallest budget: in all, and for each class
MOST_READ = 50_000  # pool texts up to which a language model of them is part of the study

ARMS = ("lstm:plain", "lstm:eda_nn", "lstm:repeat", "lstm:twin", "tfidf", "nbsvm", "majority")
READERS = ("lstm:distil",)  # they learn from texts without labels
BLENDS = ("blend(lstm:plain, tfidf)", "lstm:plain*2")  # the second is the control of the first
READING_BLENDS = ("blend(lstm:distil, tfidf)",)
OUTSIDE = ("outside-encoder", "blend(outside-encoder, tfidf)")  # they have read other text
READING_OUTSIDE = ("lstm:distil_encoder",)
TOKEN_READERS = (
    "lstm:encoder",
)  # the encoder's state at every token of every text is stored for it
LANGUAGE_MODEL = "lstm:lm"  # so does this one, which reads all of them first in every draw
TEST_TEXTS = 1000  # they show differences of about two points
FEWEST_SHARE, MOST_SHARE = 0.1, 0.5  # of the test set
SMALLEST_POOL = 60  # texts that are left to learn from
TOKENS, MOST_TOKENS = 64, 512  # of a text that networks read by default, and in long texts at most
MOST_UNREAD = 0.05  # share of all tokens; with more, a larger number is chosen or proposed
TUNING = {"trials": 6, "arms": "one", "scope": "regime"}  # one search per budget for all arms


@dataclass(frozen=True, slots=True)
class OwnStudyOptions:
    """The user's choices for a study of their own texts."""

    name: str  # of the corpus and of the study
    budget: int | None = (
        None  # labels of the largest budget; None: as many as `LARGEST` and the pool allow
    )
    draws: int = DRAWS
    tune: bool = False  # whether settings are searched first
    outside: bool = False  # whether arms with a sentence encoder are part of the study


def check_options(options: OwnStudyOptions) -> None:
    """Raise UserError if the number of draws is out of range."""
    if not 1 <= options.draws <= MOST_DRAWS:
        raise UserError(
            f"draws {options.draws}: expected 1 to {MOST_DRAWS} (intervals need at least 2)"
        )


def test_share(texts: int, budget: int | None) -> float:
    """Return the share of the test set that shows the smallest differences which the budgets allow.

    A test set of TEST_TEXTS is wanted. In a small file it takes up to half of the texts, which halves the
    largest budget at most, and leaves the budget that the user names in the pool.

    Args:
        texts: labelled texts of the files.
        budget: the user's choice; None: as many as the pool allows.

    >>> [test_share(n, None) for n in (1000, 3000, 5000, 20000)]
    [0.5, 0.33, 0.2, 0.1]
    >>> test_share(1000, 700)
    0.25
    """
    pool = max(budget or 0, SMALLEST_POOL)
    pool += int(3 * (texts * 0.25) ** 0.5)  # the number of test texts varies with the hashes
    wanted = min(TEST_TEXTS / texts, 1 - pool / texts, MOST_SHARE)
    return max(FEWEST_SHARE, int(100 * wanted) / 100)


def tokens_to_read(share_read: Callable[[int], float], most: int) -> int:
    """Return how many tokens of a text leave MOST_UNREAD unread: TOKENS, doubled as often as needed.

    Args:
        share_read: tokens of a text that are read -> share of all tokens, in [0, 1].
        most: the largest answer, even if it leaves more unread.
    """
    limit = TOKENS
    while limit < most and share_read(limit) < 1 - MOST_UNREAD:
        limit *= 2
    return limit


def ladder(largest: int, classes: int) -> tuple[int, ...]:
    """Return budgets up to the largest, each a third of the next, rounded to two digits.

    >>> ladder(2000, 5)
    (220, 670, 2000)
    """
    least = max(FEWEST, PER_CLASS * classes)
    budgets = [largest]
    while len(budgets) < BUDGETS and (smaller := _two_digits(budgets[0] / STEP)) >= least:
        budgets.insert(0, smaller)
    return tuple(budgets)


def _two_digits(value: float) -> int:
    unit = int(10 ** max(0, len(str(int(value))) - 2))
    return int(value / unit + 0.5) * unit


def largest_budget(budget: int | None, pool: int) -> int:
    """Return the labels of the largest budget.

    Args:
        budget: the user's choice; None: `LARGEST`, or the whole pool where it is smaller.
        pool: labelled texts to learn from.

    Raises:
        UserError: the budget is larger than the pool or smaller than 10.
    """
    if budget is None:
        return min(LARGEST, pool)
    if budget < FEWEST_LABELS:
        raise UserError(f"budget {budget}: expected at least {FEWEST_LABELS} labels")
    if budget > pool:
        raise UserError(
            f"budget {budget:,}: the pool holds {pool:,} labelled texts (test texts do not count)."
            f" Choose at most {pool:,}, or add more texts."
        )
    return budget


def params_text(
    options: OwnStudyOptions,
    source: dict[str, Any],
    pool: int,
    classes: Sequence[str],
    unlabelled: int = 0,
    max_tokens: int = TOKENS,
) -> str:
    """Return the text of params.yaml for a study of one corpus.

    Args:
        options: the user's choices.
        source: the corpus's entry in params.yaml.
        pool: labelled texts to learn from.
        classes: names of the corpus's classes.
        unlabelled: texts without labels in a file of their own.
        max_tokens: tokens of a text that networks read.

    Raises:
        UserError: the budget does not fit the pool.
    """
    default = yaml.safe_load(preset("default"))
    grid = _grid(options, pool, len(classes), unlabelled)
    study = {
        **default["study"],
        "name": options.name,
        "corpora": [options.name],
        "draws": options.draws,
        "grid": grid,
    }
    sections = {
        "What is compared: arms and budgets (labels paid)": {"study": study},
        "Source of the texts": {"corpora": {options.name: source}},
        "Settings, as in the preset default": {
            "model": {"max_tokens": max_tokens} if max_tokens != TOKENS else {},
            **{k: default[k] for k in ("strategies", "updates", "execution")},
        },
        "Search of settings (0 trials: no search)": {
            "tuning": TUNING if options.tune else {"trials": 0}
        },
        "Questions that the report answers": {"analysis": default["analysis"]},
    }
    parts = [
        f"# {title}\n{yaml.safe_dump(part, sort_keys=False, allow_unicode=True, width=100)}"
        for title, part in sections.items()
    ]
    head = (
        "# Written by `datayield study FILE`. Edit it, then run `datayield study` in this folder.\n"
    )
    return head + "\n".join(parts)


def _grid(
    options: OwnStudyOptions, pool: int, classes: int, unlabelled: int
) -> list[dict[str, Any]]:
    """Return the blocks of the study's grid: all arms, the checks, the baselines' curves."""
    budgets = ladder(largest_budget(options.budget, pool), classes)
    few = min(CHECK_DRAWS, options.draws)
    few_texts = pool + unlabelled <= MOST_READ
    # A language model pays where many texts are read that no budget labels.
    unread = unlabelled or pool >= 2 * budgets[-1]
    read = unread and few_texts
    doubled = max((b for b in budgets if 2 * b <= pool), default=None)
    arms = [*ARMS, *BLENDS]
    if options.outside:
        arms += [*OUTSIDE, *(TOKEN_READERS if few_texts else ())]
    if read:
        arms += [*READERS, *READING_BLENDS, *(READING_OUTSIDE if options.outside else ())]
    checks = ["lstm:permuted_labels", *(["lstm:double"] if doubled else [])]
    return [
        {"arms": arms, "budgets": list(budgets)},
        *([{"arms": [LANGUAGE_MODEL], "budgets": list(budgets), "draws": few}] if read else []),
        {"arms": checks, "budgets": [doubled or budgets[-1]], "draws": few},
        {"arms": ["lstm:plain", "tfidf"], "budgets": "half_octaves"},
    ]
