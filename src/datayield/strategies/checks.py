"""Provides the baseline, checks of the machinery, and arms with another protocol than the study's own."""

from dataclasses import replace
from math import ceil
from typing import Any

from datayield.strategies.base import Strategy

EPOCHS = 20
BATCH = 32


def article() -> Strategy:
    """Train by the article's recipe with its faults repaired: SGD 0.01, batch 32, 20 epochs.

    Nine tenths of the n labels train. The learning rate is constant, embeddings start at unit
    scale, the state after the last real token is classified, and there is no dropout. The number
    of updates differs from that of the other arms (METHODS 2.5), because a whole recipe is compared.
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
        "trains by the article's repaired recipe: SGD 0.01, batch 32, 20 epochs, nine tenths of the labels",
        "the article's recipe",
        protocol=lambda protocol: replace(protocol, unused=0.1),
        pins=pins,
        tuned=False,
        source="the article that the project started from",
    )


def untuned() -> Strategy:
    """Keep the settings of params.yaml instead of searched ones; measures the gain of tuning."""
    return Strategy(
        "untuned",
        "keeps the settings of params.yaml instead of searched ones",
        "untuned settings",
        role="control",
        tuned=False,
    )


OTHER_SEED = 1_000_003  # far from any seed that a study counts up to


def plain() -> Strategy:
    """Train on the labels as they are: the baseline."""
    return Strategy("plain", "the labels as they are", role="plain")


def twin() -> Strategy:
    """Train the baseline with another seed: a label must be worth exactly as much."""
    return Strategy(
        "twin",
        "is the baseline with another seed: a label must be worth 1x",
        "another seed",
        role="check",
        protocol=lambda protocol: replace(protocol, seed=protocol.seed + OTHER_SEED),
        expected={"arm": "plain"},
    )


def double() -> Strategy:
    """Train the baseline on 2n labels that are billed as n: a label must measure as worth 2x."""
    return Strategy(
        "double",
        "is the baseline with twice the labels, billed as n: a label must be worth 2x",
        "twice the labels",
        role="check",
        protocol=lambda protocol: replace(protocol, labels=2 * protocol.labels),
        expected={"multiplier": 2.0},
    )


def permuted_labels() -> Strategy:
    """Permute all n labels among their texts: nothing can be learnt."""
    return Strategy(
        "permuted_labels",
        "permutes the labels among the texts: must score as the majority class",
        "permuted labels",
        role="check",
        protocol=lambda protocol: replace(protocol, permuted=True),
        expected={"arm": "majority"},
    )
