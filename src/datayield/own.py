"""A study of one's own texts: how many labels, which arms, what params.yaml says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from datayield import config
from datayield.errors import UserError

LARGEST = 2000  # labels, where none are named
MOST_DRAWS = 1000  # as in params.yaml
STEP = 3  # each budget over the one before
BUDGETS = 4  # at most
FEWEST, PER_CLASS = 30, 5  # labels of the smallest budget: at least, and for each class
MOST_READ = 50_000  # texts of a pool up to which a language model of them is part of the study

ARMS = ("lstm:plain", "lstm:eda_nn", "lstm:repeat", "lstm:twin", "tfidf", "majority")
READER = "lstm:lm"


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for; the corpus says the rest."""

    name: str  # of the corpus and of the study
    budget: int | None = None  # labels of the largest budget
    draws: int = 3
    tune: bool = False


def ladder(largest: int, classes: int) -> tuple[int, ...]:
    """Budgets up to the largest, each a third of the next, rounded to two digits.

    >>> ladder(2000, 5)
    (73, 220, 670, 2000)
    """
    least = max(FEWEST, PER_CLASS * classes)
    out = [largest]
    while len(out) < BUDGETS and (smaller := _rounded(out[0] / STEP)) >= least:
        out.insert(0, smaller)
    return tuple(out)


def _rounded(value: float) -> int:
    """Two digits."""
    unit = int(10 ** max(0, len(str(int(value))) - 2))
    return int(value / unit + 0.5) * unit


def largest_budget(asked: int | None, pool: int) -> int:
    """The labels of the largest budget.

    Raises:
        UserError: the pool holds fewer than asked for, or fewer than 10 were asked for.
    """
    if asked is None:
        return min(LARGEST, pool)
    if asked < 10:
        raise UserError(f"--budget {asked}: wanted at least 10 labels")
    if asked > pool:
        raise UserError(
            f"--budget {asked:,}: the pool holds {pool:,} labelled texts (the test set is not among"
            f" them). Name at most {pool:,}, or bring more texts."
        )
    return asked


def params_text(
    wish: Wish, source: dict[str, Any], pool: int, classes: Sequence[str], beside: int = 0
) -> str:
    """params.yaml of a study of one corpus, as the text of a file.

    Args:
        wish: what was asked for.
        source: the corpus's entry.
        pool: labelled texts to learn from.
        classes: of the corpus.
        beside: texts without labels in a file of their own.

    Raises:
        UserError: as `largest_budget`.
    """
    default = yaml.safe_load(config.preset("default"))
    budgets = ladder(largest_budget(wish.budget, pool), len(classes))
    readable = pool + beside
    reads = beside or pool >= 2 * budgets[-1]
    arms = [*ARMS, READER] if reads and readable <= MOST_READ else list(ARMS)
    checked = max((b for b in budgets if 2 * b <= pool), default=None)
    checks = ["lstm:permuted_labels", *(["lstm:double"] if checked else [])]
    grid = [
        {"arms": arms, "budgets": list(budgets)},
        {"arms": checks, "budgets": [checked or budgets[-1]]},
        {"arms": ["lstm:plain", "tfidf"], "budgets": "half_octaves"},
    ]
    study = {
        **default["study"],
        "name": wish.name,
        "corpora": [wish.name],
        "draws": wish.draws,
        "grid": grid,
    }
    tuning = default["tuning"] if wish.tune else {"trials": 0}
    sections = {
        "what is compared: arms and budgets (labels paid, a fifth of them for validation)": {
            "study": study
        },
        "where the texts come from": {"corpora": {wish.name: source}},
        "settings, as in the preset default": {
            k: default[k] for k in ("model", "strategies", "updates", "execution")
        },
        "searches of settings; 0 trials: none": {"tuning": tuning},
        "what the report asks": {"analysis": default["analysis"]},
    }
    parts = [
        f"# {title}\n{yaml.safe_dump(part, sort_keys=False, allow_unicode=True, width=100)}"
        for title, part in sections.items()
    ]
    head = (
        "# Written by `datayield study FILE`; edit it and type `datayield study` in this folder.\n"
    )
    return head + "\n".join(parts)
