"""Other protocols than the study's own: the article's recipe, no tuning, fitting on all n labels."""

from dataclasses import replace
from math import ceil
from typing import Any

from datayield.strategies.base import Strategy

EPOCHS = 20
BATCH = 32


def article() -> Strategy:
    """The article's recipe with its faults repaired: SGD 0.01, batch 32, 20 epochs, 90/10.

    Nine tenths of the n labels train. The rate stays as it is, embeddings start at unit scale, the
    last real token is read, nothing is dropped out. Exempt from equal updates (METHODS 2.5): a
    recipe is compared, not a use of the data.
    """

    def pins(labels: int) -> dict[str, Any]:
        return {
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "decay": False,
            "weight_decay": 0.0,
            "batch": BATCH,
            "updates": EPOCHS * ceil(0.9 * labels / BATCH),
            "rounds": EPOCHS,
            "pooling": "last",
            "embedding_scale": 1.0,
            "word_dropout": 0.0,
            "embedding_dropout": 0.0,
            "dropout": 0.0,
        }

    return Strategy(
        "article",
        "the article's recipe repaired: SGD 0.01, batch 32, 20 epochs, 90/10; exempt from equal updates",
        plan=lambda plan: replace(plan, validates=plan.validates / 2),
        pins=pins,
        tuned=False,
        source="the article that the project started from",
    )


def untuned() -> Strategy:
    """The settings of params.yaml, whatever a search found: shows what tuning is worth."""
    return Strategy(
        "untuned",
        "the settings of params.yaml, which no search chose",
        role="control",
        tuned=False,
    )


def refit_all() -> Strategy:
    """All n labels train, those of the validation part too; nothing is left to validate on."""
    return Strategy(
        "refit_all",
        "trains on all n labels, the validation part too",
        plan=lambda plan: replace(plan, validates=0.0),
        source="common practice once settings are fixed",
    )
